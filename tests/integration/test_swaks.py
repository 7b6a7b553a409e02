"""swaks: port 25, LMTP and submission, with its own eye on every reply."""
import random
import re
import uuid

import pytest

from support.mail import HOST, kept, message
from support.server import Server


def swaks(desk, server, service, to, *args, sender="x@remote.example", **kw):
    if service == "lmtp":
        where = ["--socket", server.lmtp, "--protocol", "LMTP"]
    else:
        where = ["--server", HOST, "--port", str(server.ports[service])]
    return desk.run("swaks", *where, "--to", to, "--from", sender, "--helo", "client.example", "--hide-informational",
                    "--timeout", "60", *args, **kw)


def signed_in(mechanism, user="ana"):
    return ["--auth", mechanism, "--auth-user", f"{user}@example.org", "--auth-password", f"password-of-{user}"]


def verified(server):
    return ["--tls-verify", "--tls-ca-path", server.chain]


def replies(done):
    return re.findall(r"^<[-~* ]{2}[~*]? *([0-9]{3})", done.text, re.M)


@pytest.mark.parametrize("options", [[], ["-tls"], ["--pipeline"], ["--pipeline", "-tls"], ["--protocol", "SMTP"],
                                     ["-tls", "--tls-protocol", "tlsv1_2"], ["-tls", "--tls-protocol", "tlsv1_3"]],
                         ids=" ".join)
def test_port_25(desk, server, options):
    one, two, token = server.person(), server.person(), uuid.uuid4().hex
    trusted = verified(server) if "-tls" in options else []
    done = swaks(desk, server, "smtp", f"{one}@example.org,{two}@example.org", *options, *trusted,
                 "--body", f"{token}\\n.\\n.hidden\\n..twice\\n")
    assert not [r for r in replies(done) if r[0] in "45"]
    for name in (one, two):
        [got] = kept(server, name)
        assert re.search(rb"(?s)\r\n\r\n" + token.encode() + rb"\r\n\.\r\n\.hidden\r\n\.\.twice\r\n", got.raw)
        how = b"SMTP" if "SMTP" in options else b"ESMTPS" if "-tls" in options else b"ESMTP"
        assert b"by mx.example.org with " + how in re.sub(rb"\s+", b" ", got.raw)


def test_lmtp_answers_for_each_recipient(desk, server):
    one, two = server.person(), server.person()
    token = uuid.uuid4().hex
    done = swaks(desk, server, "lmtp", f"{one}@example.org,nobody@example.org,{two}@example.org", "--body", token)
    assert replies(done).count("550") == 1
    after_data = done.text[done.text.index("354"):]
    assert len(re.findall(r"^<[-~* ]{2}[~*]? *250 ", after_data, re.M)) == 2, after_data
    for name in (one, two):
        [got] = kept(server, name)
        assert token.encode() in got.raw and b"with LMTP" in got.raw


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("service,how", [("submission", "-tls"), ("submissions", "-tlsc")])
def test_submission(desk, server, service, how, mechanism):
    name, token = server.person(), uuid.uuid4().hex
    done = swaks(desk, server, service, f"{name}@example.org", how, *verified(server), *signed_in(mechanism),
                 "--header", f"Subject: {token}", sender="ana@example.org")
    assert "235" in replies(done)
    [got] = kept(server, name)
    assert f"Subject: {token}\r\n".encode() in got.raw and b"with ESMTPSA" in got.raw


def test_unknown_recipient(desk, server):
    for service in ("smtp", "lmtp"):
        done = swaks(desk, server, service, "nobody@example.org", status=24)
        assert re.search(r"550 5\.1\.1 ", done.text), done.text
    done = swaks(desk, server, "smtp", "someone@elsewhere.example", status=24)
    assert re.search(r"550 5\.7\.1 ", done.text), done.text
    done = swaks(desk, server, "submission", "nobody@example.org", "-tls", *verified(server), *signed_in("PLAIN"),
                 sender="ana@example.org", status=24)
    assert re.search(r"550 5\.1\.1 ", done.text), done.text


def test_some_recipients_are_unknown(desk, server):
    """With and without pipelining the known ones get it, the sender hears of the other."""
    for options in ([], ["--pipeline"]):
        one, two, token = server.person(), server.person(), uuid.uuid4().hex
        done = swaks(desk, server, "smtp", f"{one}@example.org,nobody@example.org,{two}@example.org", *options, "--body", token)
        assert replies(done).count("550") == 1
        for name in (one, two):
            [got] = kept(server, name)
            assert token.encode() in got.raw


def test_pipelined_without_any_recipient(desk, server):
    """RFC 2920 §3.1: DATA after only refused recipients is answered by an error, and nothing is kept."""
    done = swaks(desk, server, "smtp", "nobody@example.org", "--pipeline", "--body", "lost", status=(24, 25, 26))
    assert "354" not in replies(done) and "550" in replies(done)


@pytest.mark.parametrize("size", [1_000_000, 20_000_000])
def test_big_message(desk, server, size):
    name = server.person()
    noise = random.Random(size)
    line = "".join(noise.choices("abcdefghijklmnopqrstuvwxyz.ABCDEFGHIJ 0123456789", k=76))
    text = "".join(f"{i:08}{line}\n" if i % 7 else f".{i}\n" for i in range(size // 85))
    raw = f"Subject: big\nFrom: x@remote.example\nTo: {name}@example.org\n\n{text}"
    # swaks takes the whole message as one pattern, where % and backslashes would mean something: there are none.
    swaks(desk, server, "smtp", f"{name}@example.org", "--data", "@" + desk.write("mail", raw))
    [got] = kept(server, name)
    assert got.raw.split(b"\r\n\r\n", 1)[1].rstrip(b"\r\n") == text.replace("\n", "\r\n").encode().rstrip(b"\r\n")


def test_too_big_message(desk, buzon):
    s = Server(buzon, extra="limits { message-size = 100K }")
    try:
        s.start()
        mail = desk.write("mail", message("too big", body="x" * 70 + "\r\n").replace("Hello", "") + ("y" * 70 + "\n") * 3000)
        done = swaks(desk, s, "smtp", "bob@example.org", "--data", "@" + mail, status=26)
        assert re.search(r"552 5\.3\.4 ", done.text), done.text[-2000:]
        assert kept(s, "bob") == []
        swaks(desk, s, "smtp", "bob@example.org", "--body", "small enough")
        assert len(kept(s, "bob")) == 1
    finally:
        s.close()


def test_no_submission_without_signing_in(desk, server):
    done = swaks(desk, server, "submission", "bob@example.org", "-tls", *verified(server), sender="ana@example.org", status=23)
    assert re.search(r"530 5\.7\.0 ", done.text), done.text
    done = swaks(desk, server, "submission", "bob@example.org", *signed_in("PLAIN"), sender="ana@example.org", status=28)
    assert "AUTH" not in done.text.split("was not")[0].replace("*** Host did not advertise authentication", "")
