"""curl: smtp, imap and pop3, over clear, STARTTLS and TLS connections."""
import re
import uuid

import pytest

from support.mail import HOST, body, deliver, kept, message, put, subjects

HOWS = ["clear", "starttls", "tls"]


def url(server, service, how, rest=""):
    """submission and imap and pop3 have an own port for TLS; port 25 has not."""
    port = server.ports[service + "s" if how == "tls" else service]
    scheme = {"smtp": "smtp", "submission": "smtp"}.get(service, service) + ("s" if how == "tls" else "")
    return f"{scheme}://{HOST}:{port}{rest}"


def curl(desk, server, how, *args, user=None, **kw):
    options = ["-sS", "--max-time", "60", "--cacert", server.chain]
    if how == "starttls":
        options.append("--ssl-reqd")
    if user:
        options += ["--user", f"{user}@example.org:password-of-{user}"]
    return desk.run("curl", *options, *args, **kw)


def lines(count):
    return "".join(f"line {i:07}: 0123456789 .dots. at the start come next\r\n.{i}\r\n..{i}\r\n" for i in range(count))


@pytest.fixture(scope="module")
def of(server, clear_server):
    """The server for a way to connect: only one of the two takes passwords in clear."""
    return lambda how: clear_server if how == "clear" else server


@pytest.mark.parametrize("how", ["clear", "starttls"])
def test_smtp_delivers(desk, server, how):
    name, token = server.person(), uuid.uuid4().hex
    mail = desk.write("mail", message(token, body=".dot\r\n..\r\nüñî\r\n"))
    curl(desk, server, how, url(server, "smtp", how), "--mail-from", "x@remote.example",
         "--mail-rcpt", f"{name}@example.org", "--mail-rcpt", "bob@example.org", "-T", mail)
    for user in (name, "bob"):
        raw = next(m.raw for m in kept(server, user) if token.encode() in m.raw)
        assert raw.endswith("\r\n\r\n.dot\r\n..\r\nüñî\r\n".encode())
        assert (b"with ESMTPS" in raw) == (how == "starttls")


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_submission(desk, of, how, mechanism):
    server = of(how)
    name, token = server.person(), uuid.uuid4().hex
    mail = desk.write("mail", message(token, to=f"{name}@example.org"))
    curl(desk, server, how, url(server, "submission", how), "--login-options", f"AUTH={mechanism}", "--mail-from",
         "ana@example.org", "--mail-rcpt", f"{name}@example.org", "-T", mail, user="ana")
    [got] = kept(server, name)
    assert subjects([got]) == [token] and got.raw.endswith(b"\r\n\r\nHello.\r\n")
    assert (b"with ESMTPA" if how == "clear" else b"with ESMTPSA") in got.raw


def test_smtp_refusals_reach_the_user(desk, server):
    done = curl(desk, server, "clear", url(server, "smtp", "clear"), "--mail-from", "x@remote.example", "--mail-rcpt",
                "nobody@example.org", "-T", desk.write("mail", message("x")), status=55)
    assert "550" in done.text
    done = curl(desk, server, "tls", url(server, "submission", "tls"), "--mail-from", "ana@example.org", "--mail-rcpt",
                "bob@example.org", "-T", desk.path("mail"), status=55)
    assert "530" in done.text


def test_another_certificate_is_not_believed(desk, server, clear_server):
    for service in ("imap", "pop3", "submission"):
        for how in ("starttls", "tls"):
            curl(desk, clear_server, how, url(server, service, how), user="ana", status=60)


def test_vrfy_and_help_over_smtp(desk, server):
    done = curl(desk, server, "clear", url(server, "smtp", "clear"), "-X", "HELP", "-v", status=None)
    assert re.search(r"< 214[ -]", done.text), done.text


@pytest.mark.parametrize("how", HOWS)
def test_imap_round(desk, of, how):
    server = of(how)
    name = server.person()

    def ask(rest, *args, **kw):
        return curl(desk, server, how, url(server, "imap", how, rest), *args, user=name, **kw).stdout.decode()

    assert "Trash" in ask("/")
    ask("/", "-X", "CREATE Old/Mail")
    assert "Old/Mail" in ask("/", "-X", 'LIST "" Old/*')
    for i in range(3):
        ask("/Old%2FMail", "-T", desk.write("mail", message(f"number {i}", body=f"body {i}\r\n")))
    assert subjects(kept(server, name, "Old/Mail")) == ["number 0", "number 1", "number 2"]
    uids = [m.uid for m in kept(server, name, "Old/Mail")]

    assert ask(f"/Old%2FMail;UID={uids[1]}") == message("number 1", body="body 1\r\n")
    assert ask("/Old%2FMail;MAILINDEX=3;SECTION=TEXT") == "body 2\r\n"
    assert ask(f"/Old%2FMail;UID={uids[0]};SECTION=HEADER.FIELDS%20(SUBJECT)") == "Subject: number 0\r\n\r\n"
    assert ask("/Old%2FMail?SUBJECT%20%22number%202%22").split() == ["*", "SEARCH", "3"]
    assert "(MESSAGES 3" in ask("/", "-X", "STATUS Old/Mail (MESSAGES UIDNEXT)")

    assert r"\Deleted" in ask("/Old%2FMail", "-X", r"STORE 2 +FLAGS (\Deleted $Seen2)")
    assert {m.uid: m.flags for m in kept(server, name, "Old/Mail")}[uids[1]] >= {"\\Deleted", "$Seen2"}
    assert "* 2 EXPUNGE" in ask("/Old%2FMail", "-X", "EXPUNGE")
    assert [m.uid for m in kept(server, name, "Old/Mail")] == [uids[0], uids[2]]
    ask("/Old%2FMail", "-X", "MOVE 1 INBOX")
    assert subjects(kept(server, name)) == ["number 0"]
    ask("/Nowhere;UID=1", status=(9, 67, 78))


def test_imap_upload_of_utf8_and_long_lines(desk, server):
    name = server.person()
    raw = ("Subject: =?UTF-8?Q?=C3=A1?=\r\nContent-Type: text/plain; charset=utf-8\r\n"
           "Content-Transfer-Encoding: 8bit\r\n\r\n" + "ñandú " * 5000 + "\r\n" + lines(40_000)).encode()
    curl(desk, server, "tls", url(server, "imap", "tls", "/INBOX"), "-T", desk.write("mail", raw), user=name)
    [got] = kept(server, name)
    assert got.raw == raw
    assert curl(desk, server, "tls", url(server, "imap", "tls", "/INBOX;UID=1"), user=name).stdout == raw


@pytest.mark.parametrize("how", HOWS)
def test_pop3_round(desk, of, how):
    server = of(how)
    name = server.person()

    def ask(rest, *args, **kw):
        return curl(desk, server, how, url(server, "pop3", how, rest), *args, user=name, **kw).stdout.decode()

    texts = [f"body {i}\r\n.\r\n..x\r\nend\r\n" for i in range(3)]
    deliver(server, name, *[message(f"number {i}", body=t) for i, t in enumerate(texts)])
    sizes = dict(line.split() for line in ask("/").split("\r\n") if line)
    there = kept(server, name)
    assert sizes == {str(i + 1): str(len(m.raw)) for i, m in enumerate(there)}
    for i, m in enumerate(there):
        assert ask(f"/{i + 1}").encode() == m.raw and body(m.raw) == texts[i].encode()
    assert len({line.split()[1] for line in ask("/", "-X", "UIDL").split("\r\n") if line}) == 3
    assert ask("/", "-X", "TOP 2 1").endswith("\r\n\r\nbody 1\r\n")
    ask("/2", "-l", "-X", "DELE")
    assert subjects(kept(server, name)) == ["number 0", "number 2"]
    ask("/9", status=(8, 56, 78))


@pytest.mark.parametrize("service", ["imap", "pop3"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "*"])
def test_ways_to_sign_in(desk, server, service, mechanism):
    put(server, "bob", "INBOX", (message("there").encode(), ""))
    place = "/INBOX;MAILINDEX=1" if service == "imap" else "/1"
    done = curl(desk, server, "tls", url(server, service, "tls", place), "--login-options", f"AUTH={mechanism}", user="bob")
    assert done.stdout == kept(server, "bob")[0].raw


def test_no_password_goes_out_in_clear(desk, server):
    """Without TLS the server offers no way to sign in, and curl gives up before it sends the password."""
    mail = desk.write("mail", message("clear"))
    for service, status in (("imap", 67), ("pop3", 67), ("submission", 55)):
        send = ["--mail-from", "ana@example.org", "--mail-rcpt", "bob@example.org", "-T", mail] * (service == "submission")
        done = curl(desk, server, "clear", url(server, service, "clear"), "-v", *send, user="ana", status=status)
        assert not re.search("> (A[0-9]+ LOGIN|A[0-9]+ AUTH|AUTH|USER|PASS)", done.text), done.text
