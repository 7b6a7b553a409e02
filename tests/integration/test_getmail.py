"""getmail: IMAP and POP3, clear and over TLS, into a Maildir."""
import os
import shutil
import threading

import pytest

from support import maildir
from support.mail import NAME, body, deliver, kept, message, put, subjects
from support.wait import until

KINDS = [("IMAP", "clear"), ("IMAP", "tls"), ("POP3", "clear"), ("POP3", "tls")]


class Getter:
    def __init__(self, desk, server, user, protocol, how="tls", options="", retriever=""):
        self.desk = desk
        self.box = maildir.make(desk.path("arrived"))
        owner = ""
        if os.geteuid() == 0:       # it delivers nothing as root
            owner = "user = nobody"
            os.chmod(desk.dir, 0o755)
            for path in (self.box, *(f"{self.box}/{name}" for name in ("cur", "new", "tmp"))):
                shutil.chown(path, "nobody")
        os.makedirs(desk.path("state"), exist_ok=True)
        port = server.ports[protocol.lower() + ("s" if how == "tls" else "")]
        tls = f"ca_certs = {server.chain}\n" if how == "tls" else ""
        desk.write("state/getmailrc", f"""[retriever]
type = Simple{protocol}{'SSL' if how == 'tls' else ''}Retriever
server = {NAME}
port = {port}
username = {user}@example.org
password = password-of-{user}
{tls}{retriever}
[destination]
type = Maildir
path = {self.box}/
{owner}

[options]
delivered_to = false
received = false
{options}
""")

    def command(self, *args):
        return ["getmail", "--getmaildir", self.desk.path("state"), *args]

    def run(self, *args, **kw):
        return self.desk.run(*self.command(*args), **kw)

    def arrived(self):
        texts = []
        for file in maildir.files(self.box):
            with open(file, "rb") as f:
                texts.append(f.read())
        return texts


@pytest.mark.parametrize("protocol,how", KINDS)
def test_fetched_and_gone(desk, server, clear_server, protocol, how):
    server = clear_server if how == "clear" else server
    user = server.person()
    texts = {f"number {i}": ".\r\n.dot\r\nüñî\r\n" * (1 + 300 * i) for i in range(4)}
    deliver(server, user, *[message(k, body=t).encode() for k, t in texts.items()])
    getter = Getter(desk, server, user, protocol, how, "delete = true")
    getter.run()
    assert sorted(body(a) for a in getter.arrived()) == sorted(t.encode() for t in texts.values())
    assert subjects(getter.arrived()) == sorted(texts)
    assert kept(server, user) == []


@pytest.mark.parametrize("protocol", ["IMAP", "POP3"])
def test_only_what_is_new(desk, server, protocol):
    """The UIDs, and the UIDLs, stay the same between the runs."""
    user = server.person()
    deliver(server, user, *[message(f"number {i}") for i in range(3)])
    getter = Getter(desk, server, user, protocol, options="read_all = false")
    getter.run()
    getter.run()
    assert subjects(getter.arrived()) == [f"number {i}" for i in range(3)]
    deliver(server, user, message("number 3"))
    getter.run()
    assert subjects(getter.arrived()) == subjects(kept(server, user)) == [f"number {i}" for i in range(4)]


def test_moved_on_the_server(desk, server):
    user = server.person()
    put(server, user, "Work/Söme".replace("ö", "&APY-"), (message("in a folder").encode(), ""))
    deliver(server, user, message("in the inbox"))
    getter = Getter(desk, server, user, "IMAP", options="delete = true",
                    retriever='mailboxes = ("INBOX", "Work/Söme")\nmove_on_delete = Archive\n')
    getter.run()
    assert subjects(getter.arrived()) == subjects(kept(server, user, "Archive")) == ["in a folder", "in the inbox"]
    assert kept(server, user) == [] and kept(server, user, "Work/S&APY-me") == []


def test_idle(desk, server):
    user = server.person()
    deliver(server, user, message("before"))
    getter = Getter(desk, server, user, "IMAP", options="delete = true")
    process = desk.start(*getter.command("--idle", "INBOX"))
    try:
        until(lambda: subjects(getter.arrived()) == ["before"])
        # It does not ask what arrived between its fetching and its IDLE, so mail goes on arriving until it has some.
        stop = threading.Event()

        def arrive():
            for n in range(100):
                deliver(server, user, message(f"during {n}"))
                if stop.wait(0.5):
                    return

        thread = threading.Thread(target=arrive)
        thread.start()
        try:
            until(lambda: len(getter.arrived()) > 1, seconds=45)
        finally:
            stop.set()
            thread.join()
    finally:
        process.kill()      # it waits in IDLE, and does not hear of SIGTERM
        process.wait(timeout=20)


def test_another_certificate_is_not_believed(desk, server, clear_server):
    for protocol in ("IMAP", "POP3"):
        getter = Getter(desk, server, "bob", protocol)
        with open(desk.path("state/getmailrc")) as f:
            desk.write("state/getmailrc", f.read().replace(server.chain, clear_server.chain))
        assert "certificate" in getter.run(status=None).text.lower()
