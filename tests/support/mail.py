"""Messages, signed-in connections of the standard library, and a mailbox read back as it lies on the server."""
import imaplib
import poplib
import re
import smtplib
import ssl
import time
from typing import NamedTuple

HOST = "127.0.0.1"
NAME = "localhost"      # for clients that look for names in certificates, and not for addresses


class Kept(NamedTuple):
    """One message of a mailbox."""
    uid: int
    flags: frozenset
    raw: bytes


def message(token, to="bob@example.org", body="Hello.\r\n"):
    return (f"From: Ana <ana@example.org>\r\nTo: {to}\r\nSubject: {token}\r\n"
            f"Message-ID: <{token}@example.org>\r\nDate: Mon, 23 Nov 2026 09:00:00 +0000\r\n\r\n{body}")


def trust(server):
    """A context that believes the server's own certificate and no other."""
    return ssl.create_default_context(cafile=server.chain)


def imap(server, user="bob", how="tls"):
    if how == "tls":
        c = imaplib.IMAP4_SSL(HOST, server.ports["imaps"], ssl_context=trust(server), timeout=60)
    else:
        c = imaplib.IMAP4(HOST, server.ports["imap"], timeout=60)
        c.starttls(trust(server))
    c.login(f"{user}@example.org", f"password-of-{user}")
    return c


def pop3(server, user="bob", how="tls"):
    if how == "tls":
        c = poplib.POP3_SSL(HOST, server.ports["pop3s"], context=trust(server))
    else:
        c = poplib.POP3(HOST, server.ports["pop3"])
        c.stls(trust(server))
    c.user(f"{user}@example.org")
    c.pass_(f"password-of-{user}")
    return c


def submit(server, how="tls", user="ana"):
    if how == "tls":
        c = smtplib.SMTP_SSL(HOST, server.ports["submissions"], context=trust(server))
    else:
        c = smtplib.SMTP(HOST, server.ports["submission"])
        c.starttls(context=trust(server))
    c.login(f"{user}@example.org", f"password-of-{user}")
    return c


def deliver(server, user, *raws, sender="x@remote.example"):
    """Messages as they come in from the world; the answer 250 says that they are in the mailbox."""
    with smtplib.SMTP(HOST, server.ports["smtp"]) as c:
        for raw in raws:
            c.sendmail(sender, [f"{user}@example.org"], raw)


def find(c, token):
    c.select("INBOX")
    return c.search(None, "SUBJECT", token)[1][0].split()


def fetch(c, token):
    numbers = find(c, token)
    assert len(numbers) == 1
    return c.fetch(numbers[0], "(BODY.PEEK[])")[1][0][1]


def kept(server, user, folder="INBOX"):
    """All messages of a mailbox by uid, without \\Recent, which belongs to whoever looks first."""
    c = imap(server, user)
    assert c.select(f'"{folder}"', readonly=True)[0] == "OK", folder
    answer = c.fetch("1:*", "(UID FLAGS BODY.PEEK[])")[1] if c.untagged_responses["EXISTS"] != [b"0"] else []
    found = []
    for part in answer:
        if isinstance(part, tuple):
            uid = int(re.search(rb"UID (\d+)", part[0])[1])
            flags = re.search(rb"FLAGS \(([^)]*)\)", part[0])[1].decode().split()
            found.append(Kept(uid, frozenset(flags) - {"\\Recent"}, part[1]))
    c.logout()
    return found


def put(server, user, folder, *messages):
    """Appends (raw bytes, flags as text) pairs; makes the folder when it is not there."""
    c = imap(server, user)
    c.create(f'"{folder}"')
    for raw, flags in messages:
        typ, data = c.append(f'"{folder}"', f"({flags})", imaplib.Time2Internaldate(time.time()), raw)
        assert typ == "OK", data
    c.logout()


def subjects(messages):
    """The Subject fields, sorted; every message of these tests has one on one line."""
    return sorted(re.search(rb"(?im)^Subject: ([^\r\n]*)", m.raw if isinstance(m, Kept) else m)[1].decode()
                  for m in messages)


def body(raw):
    """What follows the header, with line ends as CRLF: Maildirs and mboxes keep bare LF."""
    return re.sub(rb"\r?\n", b"\r\n", raw).split(b"\r\n\r\n", 1)[1]
