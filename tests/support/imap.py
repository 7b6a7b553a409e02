"""imaplib, with answers as values: what was refused is an exception, UIDs and flags are parsed."""
import imaplib
import re
import ssl

from support.texts import token_of

CONTEXT = ssl._create_unverified_context()
HEADER = "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]"


class No(Exception):
    """A tagged NO."""


class Imap:
    def __init__(self, server, account, timeout=20):
        self.c = imaplib.IMAP4_SSL("127.0.0.1", server.ports["imaps"], ssl_context=CONTEXT, timeout=timeout)
        try:
            self.must(self.c.login(f"{account}@example.org", f"password-of-{account}"))
        except Exception:
            self.close()
            raise

    def close(self):
        try:
            self.c.shutdown()
        except OSError:
            pass

    @staticmethod
    def must(answer):
        typ, data = answer
        if typ == "NO":
            raise No(repr(data))
        if typ != "OK":
            raise AssertionError(f"the server says {typ}: {data}")
        return data

    def make(self, mailbox):
        """There afterwards, whether it was or not."""
        try:
            self.must(self.c.create(mailbox))
        except No as e:
            if "ALREADYEXISTS" not in str(e):
                raise

    def mailboxes(self):
        data = self.must(self.c.list())
        lines = [d for d in data if d and b"\\noselect" not in d.lower()]
        names = [re.search(rb'(?:"([^"]*)"|(\S+))$', d).groups() for d in lines]
        return [(quoted or plain).decode() for quoted, plain in names]

    def select(self, mailbox, readonly=False):
        """(UIDVALIDITY, UIDNEXT, how many)"""
        count = int(self.must(self.c.select(mailbox, readonly=readonly))[0])
        return int(self.c.response("UIDVALIDITY")[1][0]), int(self.c.response("UIDNEXT")[1][0]), count

    def append(self, mailbox, content, flags=()):
        """(UIDVALIDITY, UID)"""
        data = self.must(self.c.append(mailbox, f"({' '.join(flags)})" if flags else None, None, content))
        return tuple(int(n) for n in re.search(rb"\[APPENDUID (\d+) (\d+)\]", data[0]).groups())

    def rows(self, uids, item=HEADER):
        """[(UID, flags, literal)]"""
        rows, data = [], self.must(self.c.uid("FETCH", uids, f"(UID FLAGS {item})"))
        for at, part in enumerate(data):
            if not isinstance(part, tuple):
                continue
            rest = data[at + 1] if at + 1 < len(data) and isinstance(data[at + 1], bytes) else b""
            text = (part[0] + rest).decode("ascii", "replace")
            flags = re.search(r"FLAGS \(([^)]*)\)", text).group(1).lower().split()
            rows.append((int(re.search(r"UID (\d+)", text).group(1)), flags, part[1]))
        return rows

    def tokens(self, uids="1:*"):
        """[(UID, token, flags)]"""
        return [(uid, token_of(head) or f"(no token: {head[:40]})", flags) for uid, flags, head in self.rows(uids)]

    def store(self, uids, how, flags):
        self.must(self.c.uid("STORE", uid_set(uids), how, f"({' '.join(flags)})"))

    def move(self, uids, to):
        """{new UID: old UID} as COPYUID says."""
        self.must(self.c.uid("MOVE", uid_set(uids), to))
        code = self.c.response("COPYUID")[1][0]
        if not code:
            return {}
        _, old, new = code.decode().split()
        return dict(zip(uid_list(new), uid_list(old)))

    def expunge(self, uids=None):
        self.must(self.c.uid("EXPUNGE", uid_set(uids)) if uids else self.c.expunge())


def uid_set(uids):
    return ",".join(str(u) for u in uids)


def uid_list(text):
    """UIDs of 1:3,7 in order."""
    found = []
    for part in text.split(","):
        first, _, last = part.partition(":")
        found += range(int(first), int(last or first) + 1)
    return found
