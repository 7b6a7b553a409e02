"""fetchmail: IMAP and POP3, keeping and not keeping, over clear, STARTTLS and TLS, into a delivery program."""
import os

import pytest

from support.mail import NAME, body, deliver, imap, kept, message, put, subjects
from support.wait import until

KINDS = [("imap", "clear"), ("imap", "starttls"), ("imap", "tls"), ("pop3", "clear"), ("pop3", "starttls"), ("pop3", "tls")]


class Fetcher:
    def __init__(self, desk, server, user, protocol, how, options="", folder=None):
        self.desk = desk
        self.box = desk.path("arrived")
        os.makedirs(self.box, exist_ok=True)
        port = server.ports[protocol + "s" if how == "tls" else protocol]
        tls = {"clear": "sslproto '' no sslcertck", "starttls": f"sslproto 'TLS1.2+' sslcertck sslcertfile '{server.chain}'",
               "tls": f"ssl sslcertck sslcertfile '{server.chain}'"}[how]
        place = f"folder '{folder}'" if folder else ""
        uidl = "uidl" if protocol == "pop3" and options.startswith("keep") else ""
        self.rc = desk.write("fetchmailrc", f"""set softbounce
poll {NAME} protocol {protocol} service {port} auth password {uidl}
    user '{user}@example.org' password 'password-of-{user}' is 'root' here
    {tls} {place} {options}
    mda "cat >$(mktemp {self.box}/XXXXXXXX)"
""")

    def run(self, *args, **kw):
        return self.desk.run("fetchmail", "-f", self.rc, "--pidfile", self.desk.path("pid"), "-i", self.desk.path("ids"),
                             *args, **kw)

    def arrived(self):
        texts = []
        for name in os.listdir(self.box):
            with open(f"{self.box}/{name}", "rb") as f:
                texts.append(f.read())
        return texts


@pytest.fixture
def of(server, clear_server):
    return lambda how: clear_server if how == "clear" else server


@pytest.mark.parametrize("protocol,how", KINDS)
def test_fetched_and_gone(desk, of, protocol, how):
    server = of(how)
    user = server.person()
    texts = {f"number {i}": ".\r\n.dot\r\nFrom here\r\nüñî\r\n" * (1 + 300 * i) for i in range(4)}
    deliver(server, user, *[message(k, body=t).encode() for k, t in texts.items()])
    fetcher = Fetcher(desk, server, user, protocol, how, "nokeep")
    fetcher.run()
    arrived = fetcher.arrived()
    assert subjects(arrived) == sorted(texts)
    assert sorted(body(a) for a in arrived) == sorted(t.encode() for t in texts.values())
    assert kept(server, user) == []
    fetcher.run(status=1)       # there is no mail


@pytest.mark.parametrize("protocol,how", [("imap", "tls"), ("pop3", "tls"), ("pop3", "starttls")])
def test_fetched_and_kept(desk, server, protocol, how):
    """What has been seen is not fetched again; IMAP marks it, POP3 remembers the UIDL."""
    user = server.person()
    deliver(server, user, *[message(f"number {i}") for i in range(3)])
    fetcher = Fetcher(desk, server, user, protocol, how, "keep")
    fetcher.run()
    assert subjects(fetcher.arrived()) == [f"number {i}" for i in range(3)]
    fetcher.run(status=1)
    deliver(server, user, message("number 3"))
    fetcher.run()
    assert subjects(fetcher.arrived()) == subjects(kept(server, user)) == [f"number {i}" for i in range(4)]
    if protocol == "imap":
        assert all("\\Seen" in m.flags for m in kept(server, user))
    fetcher.run("--fetchall")
    assert len(fetcher.arrived()) == 8


def test_another_folder(desk, server):
    user = server.person()
    put(server, user, "Lists/One", (message("listed").encode(), ""))
    deliver(server, user, message("stays"))
    fetcher = Fetcher(desk, server, user, "imap", "tls", "nokeep", folder="Lists/One")
    fetcher.run()
    assert subjects(fetcher.arrived()) == ["listed"]
    assert kept(server, user, "Lists/One") == [] and subjects(kept(server, user)) == ["stays"]


def test_idle(desk, server):
    """It waits in IDLE and fetches what arrives, while it arrives."""
    user = server.person()
    deliver(server, user, message("before"))
    fetcher = Fetcher(desk, server, user, "imap", "tls", "nokeep idle")
    process = desk.start("fetchmail", "-f", fetcher.rc, "--pidfile", desk.path("pid"), "-i", desk.path("ids"))
    try:
        until(lambda: subjects(fetcher.arrived() if all(fetcher.arrived()) else []) == ["before"])
        for n in range(1, 4):
            deliver(server, user, message(f"during {n}"))
            until(lambda: len([a for a in fetcher.arrived() if a]) == 1 + n)
        until(lambda: kept(server, user) == [])
    finally:
        process.terminate()
        process.wait(timeout=20)
    assert subjects(fetcher.arrived()) == ["before", "during 1", "during 2", "during 3"]


def test_a_failing_delivery_loses_nothing(desk, server):
    user = server.person()
    deliver(server, user, message("precious"))
    for protocol in ("imap", "pop3"):
        fetcher = Fetcher(desk, server, user, protocol, "tls", "nokeep")
        with open(fetcher.rc) as f:
            desk.write("fetchmailrc", f.read().replace("cat >", "false; exit 75; cat >"))
        fetcher.run(status=None)
        assert subjects(kept(server, user)) == ["precious"]
    Fetcher(desk, server, user, "imap", "tls", "nokeep fetchall").run()
    assert subjects(fetcher.arrived()) == ["precious"] and kept(server, user) == []


def test_large_mail(desk, server):
    user = server.person()
    text = "".join(f"line {i} of a long letter\r\n" for i in range(200_000))
    c = imap(server, user)
    c.append("INBOX", None, None, message("large", body=text).encode())
    c.logout()
    for protocol, options in (("pop3", "keep"), ("imap", "nokeep fetchall")):
        Fetcher(desk, server, user, protocol, "tls", options).run()
    fetcher = Fetcher(desk, server, user, "imap", "tls")
    assert [body(a) for a in fetcher.arrived()] == [text.encode()] * 2


def test_another_certificate_is_not_believed(desk, server, clear_server):
    fetcher = Fetcher(desk, server, "bob", "imap", "tls")
    with open(fetcher.rc) as f:
        desk.write("fetchmailrc", f.read().replace(server.chain, clear_server.chain))
    assert "certificate" in fetcher.run(status=2).text
