"""POP3 of buzon and of Dovecot, side by side on the same mail: every message by RETR and TOP, and every odd command.

What is compared: +OK or -ERR, the lines of a multi-line reply, the numbers of STAT and LIST; then what IMAP shows of
the mailbox after QUIT. Skipped without Dovecot.
"""
import socket

import pytest

from support import dovecot
from support.imap_wire import INSECURE, Imap
from support.mail_samples import samples
from support.server import Server

LINES = (0, 1, 3, 10000)
# Not here: arguments that a command does not have (NOOP x), which Dovecot passes over and buzon refuses.
COMMANDS = ["STAT", "LIST", "LIST 1", "LIST 0", "LIST 999", "LIST -1", "LIST x", "LIST 1 2", "UIDL 999", "RETR", "RETR 0",
            "RETR 1 1", "TOP 1", "TOP 1 -1", "TOP 0 1", "TOP 99999999999999999999 1", "DELE", "DELE 2", "DELE 2", "RETR 2",
            "TOP 2 1", "LIST 2", "UIDL 2", "STAT", "LIST", "RSET", "STAT", "NOOP", "LAST", "APOP a b", "USER x", "PASS x",
            "AUTH", "STLS", "", " STAT", "stat", "DELE 3", "DELE 5", "STAT", "LIST"]


class Pop3:
    def __init__(self, port, host, user, password, tls):
        self.socket = socket.create_connection((host, port), 20)
        if tls:
            self.socket = INSECURE.wrap_socket(self.socket)
        self.file = self.socket.makefile("rb")
        self.file.readline()
        self.run(f"USER {user}")
        assert self.run(f"PASS {password}")[0] == b"+OK"

    def run(self, command):
        """The status and what of the rest must be the same everywhere."""
        self.socket.sendall(command.encode() + b"\r\n")
        first = self.file.readline()
        words, name = first.split(), command.split(" ")[0].upper()
        if words[0] != b"+OK":
            return [words[0]]
        if name in ("RETR", "TOP") or command == "LIST":
            return [words[0]] + list(iter(self.file.readline, b".\r\n"))
        return words[:3] if name in ("STAT", "LIST") else words[:1]


@pytest.fixture(scope="module")
def pair(buzon):
    if not dovecot.has_imap():
        pytest.skip("dovecot with IMAP is not installed")
    theirs = dovecot.Dovecot()
    ours = Server(buzon)
    ours.start()
    yield ours, theirs
    ours.close()
    theirs.close()


def imap_sessions(ours, theirs):
    a, b = Imap(ours.ports["imaps"], tls=True), Imap(theirs.imap, host=theirs.host)
    assert a.run("LOGIN ana@example.org password-of-ana").status == "OK"
    assert b.run("LOGIN ana secret").status == "OK"
    return a, b


def flags(client):
    reply = client.run("FETCH 1:* (UID FLAGS)")
    return [(n, sorted(str(f) for f in v[0][v[0].index("FLAGS") + 1] if f != "\\Recent")) for _, n, v in reply.all("FETCH")]


def test_same_answers(pair):
    ours, theirs = pair
    clients = imap_sessions(ours, theirs)
    for client in clients:
        for message in samples():
            assert client.run(["APPEND INBOX ", ("literal", message)]).status == "OK"
    a = Pop3(ours.ports["pop3s"], "127.0.0.1", "ana@example.org", "password-of-ana", tls=True)
    b = Pop3(theirs.pop3, theirs.host, "ana", "secret", tls=False)
    numbers = range(1, len(samples()) + 1)
    tops = [f"TOP {n} {lines}" for n in numbers for lines in LINES]
    # RSET forgets in Dovecot what was read, and only what is deleted here (RFC 1939 §5): so RETR comes behind it.
    for command in tops + COMMANDS + [f"RETR {n}" for n in numbers if n % 3] + ["QUIT"]:
        assert a.run(command) == b.run(command), command
    for client in clients:
        client.run("SELECT INBOX")
    left, right = (flags(c) for c in clients)
    assert left == right
    assert len(left) == len(samples()) - 2 and ["\\Seen"] in [f for _, f in left] and [] in [f for _, f in left]
