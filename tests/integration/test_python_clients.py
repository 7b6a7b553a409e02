"""smtplib, imaplib and poplib of the standard library, over clear, STARTTLS and TLS connections."""
import email
import imaplib
import poplib
import smtplib
import time
import uuid

import pytest

from support.mail import fetch, imap, message, pop3, submit, trust


def test_mx_delivers_to_inbox(server):
    token = uuid.uuid4().hex
    with smtplib.SMTP("127.0.0.1", server.ports["smtp"]) as c:
        c.sendmail("x@remote.example", ["bob@example.org"], message(token))
    raw = fetch(imap(server), token)
    parsed = email.message_from_bytes(raw)
    assert parsed["Return-Path"] == "<x@remote.example>"
    assert "by mx.example.org with ESMTP" in " ".join(parsed["Received"].split())
    assert raw.endswith(b"Hello.\r\n")


def test_mx_refuses(server):
    with smtplib.SMTP("127.0.0.1", server.ports["smtp"]) as c:
        c.ehlo()
        c.mail("x@remote.example")
        assert c.rcpt("nobody@example.org")[0] == 550
        assert c.rcpt("someone@elsewhere.example")[0] == 550
        assert c.rcpt("postmaster@example.org")[0] == 250
        assert c.rcpt("bob+tag@example.org")[0] == 250


def test_mx_starttls(server):
    token = uuid.uuid4().hex
    with smtplib.SMTP("127.0.0.1", server.ports["smtp"]) as c:
        c.starttls(context=trust(server))
        c.sendmail("x@remote.example", ["bob@example.org"], message(token))
    assert b"with ESMTPS" in fetch(imap(server), token)


def test_large_message(server):
    """Through the memory file and through the spool file."""
    for size in (100_000, 3_000_000):
        token = uuid.uuid4().hex
        line = b"0123456789" * 7 + b"\r\n"
        body = (line * (size // len(line) + 1)).decode()
        with smtplib.SMTP("127.0.0.1", server.ports["smtp"]) as c:
            c.sendmail("x@remote.example", ["bob@example.org"], message(token, body=body))
        assert fetch(imap(server), token).endswith(body.encode())


@pytest.mark.parametrize("how", ["tls", "starttls"])
def test_submission(server, how):
    token = uuid.uuid4().hex
    c = submit(server, how)
    c.sendmail("ana@example.org", ["bob@example.org"],
               f"From: ana@example.org\r\nTo: bob@example.org\r\nBcc: secret@example.org\r\nSubject: {token}\r\n\r\nx\r\n")
    c.quit()
    parsed = email.message_from_bytes(fetch(imap(server), token))
    assert parsed["Date"] and parsed["Message-ID"]
    assert parsed["Bcc"] is None
    assert "ESMTPSA" in parsed["Received"]


def test_submission_is_own_address_only(server):
    c = submit(server)
    with pytest.raises(smtplib.SMTPException):
        c.sendmail("bob@example.org", ["bob@example.org"], message("forged"))
    with pytest.raises(smtplib.SMTPDataError) as e:
        c.sendmail("ana@example.org", ["bob@example.org"], message("forged").replace("ana@", "bob@", 1))
    assert e.value.smtp_code == 550


def test_submission_needs_sign_in(server):
    with smtplib.SMTP("127.0.0.1", server.ports["submission"]) as c:
        c.ehlo()
        assert c.mail("ana@example.org")[0] == 530
        assert "auth" not in c.esmtp_features


def test_remote_recipient_is_queued(server):
    token = uuid.uuid4().hex
    submit(server).sendmail("ana@example.org", ["x@remote.example"], message(token, to="x@remote.example"))
    waiting = server.json("queue", "list")
    assert any(q["recipient"] == "x@remote.example" and q["state"] == "waiting" for q in waiting)


def test_wrong_password(server):
    c = imaplib.IMAP4_SSL("127.0.0.1", server.ports["imaps"], ssl_context=trust(server))
    with pytest.raises(imaplib.IMAP4.error) as e:
        c.login("bob@example.org", "wrong")
    assert "AUTHENTICATIONFAILED" in str(e.value)


def test_no_password_in_clear(server):
    c = imaplib.IMAP4("127.0.0.1", server.ports["imap"])
    assert "LOGINDISABLED" in c.capabilities
    with pytest.raises(imaplib.IMAP4.error):
        c.login("bob@example.org", "password-of-bob")


@pytest.mark.parametrize("how", ["tls", "starttls"])
def test_imap_round(server, how):
    c = imap(server, "ana", how)
    assert "IMAP4REV1" in c.capabilities
    folder = f"Work/{uuid.uuid4().hex[:8]}"
    assert c.create(folder)[0] == "OK"
    token = uuid.uuid4().hex
    for i in range(5):
        typ, data = c.append(folder, r"(\Seen)", imaplib.Time2Internaldate(time.time()), message(f"{token}-{i}").encode())
        assert typ == "OK" and b"APPENDUID" in data[0]
    assert c.select(folder)[1] == [b"5"]
    assert c.store("1:2", "+FLAGS", r"(\Flagged $Work)")[0] == "OK"
    assert c.search(None, "FLAGGED")[1] == [b"1 2"]
    assert c.search(None, "KEYWORD", "$Work")[1] == [b"1 2"]
    assert c.search(None, "SUBJECT", f"{token}-3")[1] == [b"4"]
    target = folder + "-kept"
    assert c.create(target)[0] == "OK"
    assert c.uid("COPY", "1:2", target)[0] == "OK"
    assert c.uid("MOVE", "3", target)[0] == "OK"
    assert c.store("1", "+FLAGS", r"(\Deleted)")[0] == "OK"
    assert c.expunge()[1][-1] == b"1"
    assert c.select(target)[1] == [b"3"]
    typ, data = c.fetch("1", "(ENVELOPE BODYSTRUCTURE FLAGS INTERNALDATE RFC822.SIZE)")
    assert typ == "OK" and f"{token}-0".encode() in data[0]
    c.select(folder)
    assert c.search(None, "ALL")[1] == [b"1 2 3"]
    c.close()
    assert c.delete(folder)[0] == "OK"
    c.logout()


def test_default_folders(server):
    c = imap(server, "ana")
    listed = b"\n".join(c.list()[1])
    for use in (rb"\Drafts", rb"\Sent", rb"\Junk", rb"\Trash", rb"\Archive"):
        assert use in listed
    c.logout()


def test_two_sessions_in_step(server):
    a, b = imap(server, "ana"), imap(server, "ana")
    a.create("Step")
    a.append("Step", None, None, message("one").encode())
    a.select("Step")
    b.select("Step")
    b.append("Step", None, None, message("two").encode())
    a.noop()
    assert a.response("EXISTS")[1][-1] == b"2"
    b.store("1", "+FLAGS", r"(\Deleted)")
    b.expunge()
    a.noop()
    assert a.response("EXPUNGE")[1] == [b"1"]
    a.logout()
    b.logout()


def test_idle_wakes(server):
    c = imap(server, "ana")
    c.create("Idle")
    c.select("Idle")
    c.send(b"x IDLE\r\n")
    assert c.readline().startswith(b"+")
    d = imap(server, "ana")
    d.append("Idle", None, None, message("idle").encode())
    c.sock.settimeout(5)
    assert b"1 EXISTS" in c.readline()
    c.send(b"DONE\r\n")
    while not c.readline().startswith(b"x OK"):
        pass
    d.logout()


@pytest.mark.parametrize("how", ["tls", "stls"])
def test_pop3_round(server, how):
    token = uuid.uuid4().hex
    with smtplib.SMTP("127.0.0.1", server.ports["smtp"]) as c:
        for i in range(3):
            c.sendmail("x@remote.example", ["ana@example.org"], message(f"{token}-{i}", body=".dot\r\n..\r\nend\r\n"))
    p = pop3(server, "ana", how)
    count = p.stat()[0]
    uids = p.uidl()[1]
    assert len(uids) == count == len(set(uids))
    lines = p.retr(count)[1]
    assert f"Subject: {token}-2".encode() in lines and lines[-3:] == [b".dot", b"..", b"end"]
    assert p.top(count, 1)[1][-1] == b".dot"
    with pytest.raises(poplib.error_proto):
        pop3(server, "ana", how)
    p.dele(count)
    p.quit()
    p = pop3(server, "ana", how)
    assert p.stat()[0] == count - 1
    p.dele(1)
    p.rset()
    p.quit()


def test_pop3_and_imap_beside_each_other(server):
    token = uuid.uuid4().hex
    with smtplib.SMTP("127.0.0.1", server.ports["smtp"]) as c:
        c.sendmail("x@remote.example", ["bob@example.org"], message(token))
    i = imap(server, "bob")
    i.select("INBOX")
    p = pop3(server, "bob")
    n = p.stat()[0]
    p.dele(n)
    p.quit()
    i.noop()
    assert i.search(None, "SUBJECT", token)[1] == [b""]
    i.logout()


def test_many_messages_in_one_append(server):
    """RFC 3502: far more than fits into memory-held command text, small and large ones mixed."""
    messages = [(f"Subject: part {i}\r\n\r\n" + f"line {i}\r\n" * (10 + i % 7 * 1500)).encode() for i in range(600)]
    m = imap(server)
    m.create("many")
    m.sock.sendall(b"x1 APPEND many" + b"".join(b" {%d+}\r\n%s" % (len(one), one) for one in messages) + b"\r\n")
    line = m.readline()
    assert line.startswith(b"x1 OK [APPENDUID"), line
    m.select("many")
    kind, got = m.fetch("1:*", "(BODY.PEEK[])")
    assert kind == "OK" and [part[1] for part in got if isinstance(part, tuple)] == messages
