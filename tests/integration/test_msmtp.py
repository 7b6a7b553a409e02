"""msmtp, as the sendmail of a desk: submission over TLS and STARTTLS, by each way to sign in."""
import email
import uuid

import pytest

from support.mail import HOST, kept, message


def rc(server, how, auth="on", user="ana", more=""):
    port = server.ports["submissions" if how == "tls" else "submission"]
    return (f"account default\nhost {HOST}\nport {port}\nfrom {user}@example.org\nauth {auth}\n"
            f"user {user}@example.org\npassword password-of-{user}\ntls on\n"
            f"tls_starttls {'off' if how == 'tls' else 'on'}\ntls_trust_file {server.chain}\n{more}")


def msmtp(desk, configuration, *args, stdin, **kw):
    return desk.run("msmtp", "-C", desk.write("msmtprc", configuration), "-v", *args, stdin=stdin.replace("\r\n", "\n"), **kw)


@pytest.mark.parametrize("how", ["tls", "starttls"])
@pytest.mark.parametrize("auth", ["on", "plain", "login", "scram-sha-256"])
def test_submission(desk, server, how, auth):
    name, token = server.person(), uuid.uuid4().hex
    done = msmtp(desk, rc(server, how, auth), f"{name}@example.org", "bob@example.org",
                 stdin=message(token, to=f"{name}@example.org", body=".dot\r\n\r\nñ\r\n"))
    if auth != "on":
        assert f"AUTH {auth.upper()}" in done.text
    [got] = kept(server, name)
    assert got.raw.endswith("\r\n\r\n.dot\r\n\r\nñ\r\n".encode())
    assert "ESMTPSA" in email.message_from_bytes(got.raw)["Received"]
    assert any(token.encode() in m.raw for m in kept(server, "bob"))


def test_recipients_from_the_header(desk, server):
    """-t, as programs call sendmail; the one in Bcc gets it, and nobody reads of him."""
    one, two, three = (server.person() for _ in range(3))
    text = (f"To: {one}@example.org\nCc: Somebody <{two}@example.org>\nBcc: {three}@example.org\nSubject: for three\n\nx\n")
    msmtp(desk, rc(server, "tls"), "-t", stdin=text)
    for name in (one, two, three):
        [got] = kept(server, name)
        parsed = email.message_from_bytes(got.raw)
        assert parsed["Bcc"] is None and parsed["Date"] and parsed["Message-ID"] and parsed["From"]


def test_unknown_recipient_and_forged_sender(desk, server):
    done = msmtp(desk, rc(server, "tls"), "nobody@example.org", stdin=message("lost"), status=65)
    assert "550" in done.text and "nobody@example.org" in done.text
    name = server.person()
    done = msmtp(desk, rc(server, "tls"), "-f", "bob@example.org", f"{name}@example.org", stdin=message("forged"), status=None)
    assert done.returncode in (65, 69, 77) and kept(server, name) == []


def test_delivery_notices_are_asked_for(desk, server):
    """RFC 3461: NOTIFY and RET are taken; a message to another server waits with them."""
    name = server.person()
    msmtp(desk, rc(server, "starttls", more="dsn_notify failure,delay\ndsn_return headers\n"), f"{name}@example.org",
          "x@remote.example", stdin=message("dsn"))
    assert len(kept(server, name)) == 1
    assert any(q["recipient"] == "x@remote.example" for q in server.json("queue", "list"))


def test_server_info(desk, server):
    done = desk.run("msmtp", "-C", desk.write("msmtprc", rc(server, "starttls")), "--serverinfo")
    for words in ("SIZE 52428800", "PIPELINING", "DSN", "AUTH"):
        assert words in done.text, done.text


def test_another_certificate_is_not_believed(desk, server, clear_server):
    wrong = rc(server, "tls").replace(server.chain, clear_server.chain)
    done = msmtp(desk, wrong, "bob@example.org", stdin=message("unseen"), status=None)
    assert done.returncode and "certificate" in done.text
