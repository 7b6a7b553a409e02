"""A client that only listens: it keeps its picture of a mailbox from the untagged answers it is sent."""
import re
import time

from support.mail import imap


class Follower:
    def __init__(self, server, user, folder="INBOX"):
        self.c = imap(server, user)
        self.c.select(folder)
        self.entries = []       # by sequence number: [uid or None, flags or None]
        self.number = 0
        self.idling = None
        self.lines = []
        self.exists(len(self.c.uid("SEARCH", "ALL")[1][0].split()))
        self.ask("FETCH 1:* (UID FLAGS)" if self.entries else "NOOP")

    def exists(self, count):
        assert count >= len(self.entries), "EXISTS may not take messages away"
        self.entries += [[None, None] for _ in range(count - len(self.entries))]

    def hear(self, line):
        self.lines.append(line)
        m = re.match(rb"\* (\d+) (EXISTS|EXPUNGE|FETCH)(.*)", line)
        if not m:
            return
        n, what = int(m[1]), m[2]
        if what == b"EXISTS":
            self.exists(n)
            return
        assert 1 <= n <= len(self.entries), f"a message that is not there: {line}"
        if what == b"EXPUNGE":
            del self.entries[n - 1]
            return
        uid, flags = re.search(rb"UID (\d+)", m[3]), re.search(rb"FLAGS \(([^)]*)\)", m[3])
        if uid:
            assert self.entries[n - 1][0] in (None, int(uid[1])), f"another message than before: {line}"
            self.entries[n - 1][0] = int(uid[1])
        if flags:
            self.entries[n - 1][1] = frozenset(flags[1].decode().split()) - {"\\Recent"}

    def ask(self, command):
        """Sends a command, hears everything until it is answered."""
        self.number += 1
        tag = f"f{self.number}".encode()
        self.c.send(tag + b" " + command.encode() + b"\r\n")
        self.until_tagged(tag)

    def until_tagged(self, tag):
        while True:
            line = self.c.readline()
            assert line, "the server has closed the connection"
            if line.startswith(tag + b" "):
                assert line.startswith(tag + b" OK"), line
                return
            self.hear(line)

    def store(self, first, sign, silent, flag):
        """STORE first:*; with .SILENT what it did is known without an answer."""
        self.ask(f"STORE {first}:* {sign}FLAGS{'.SILENT' if silent else ''} ({flag})")
        for entry in self.entries[first - 1:] if silent else []:
            if entry[1] is not None:
                entry[1] = entry[1] | {flag} if sign == "+" else entry[1] - {flag}

    def idle(self):
        self.number += 1
        self.idling = f"f{self.number}".encode()
        self.c.send(self.idling + b" IDLE\r\n")
        while True:
            line = self.c.readline()
            if line.startswith(b"+"):
                return
            self.hear(line)

    def listen(self, wanted, seconds=15):
        """In IDLE: hears what comes until wanted() is true."""
        end = time.time() + seconds
        while not wanted():
            self.c.sock.settimeout(max(0.01, end - time.time()))
            line = self.c.readline()
            assert line, "the server has closed the connection"
            self.hear(line)
        self.c.sock.settimeout(60)

    def done(self):
        self.c.send(b"DONE\r\n")
        self.until_tagged(self.idling)
        self.idling = None

    def picture(self):
        """[(uid, flags)]; asks only for what is new and unknown."""
        for n, (uid, flags) in enumerate(self.entries, 1):
            if uid is None or flags is None:
                self.ask(f"FETCH {n} (UID FLAGS)")
        return [(uid, flags) for uid, flags in self.entries]

    def close(self):
        self.c.logout()
