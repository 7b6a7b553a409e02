"""IMAP as bytes: a client that hides nothing, and a parser for what servers say.

Other people's clients repair and hide; a test that compares two servers, or that sends what no client would,
needs every response as it was sent.
"""
import re
import socket
import ssl

INSECURE = ssl.create_default_context()
INSECURE.check_hostname = False
INSECURE.verify_mode = ssl.CERT_NONE


class Atom(str):
    """What stood outside of quotes: FLAGS, 5, NIL, BODY[1]<0>."""


class Parser:
    """One response: bytes with literals in place ({5}\\r\\nabcde)."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def peek(self):
        return self.data[self.at:self.at + 1]

    def value(self):
        c = self.peek()
        if c == b"(":
            return self.parenthesised()
        if c == b'"':
            return self.quoted()
        found = re.compile(rb"~?\{(\d+)\+?\}\r\n").match(self.data, self.at)
        if found:
            self.at = found.end() + int(found.group(1))
            return self.data[found.end():self.at]
        return self.atom()

    def parenthesised(self):
        self.at += 1
        out = []
        while self.peek() != b")":
            if not self.peek():
                raise ValueError(f"no closing parenthesis in {self.data!r}")
            if self.peek() == b" ":
                self.at += 1
                continue
            out.append(self.value())
        self.at += 1
        return out

    def quoted(self):
        out, self.at = bytearray(), self.at + 1
        while self.peek() != b'"':
            if self.peek() == b"\\":
                self.at += 1
            if not self.peek() or self.peek() in b"\r\n":
                raise ValueError(f"no closing quote in {self.data!r}")
            out += self.peek()
            self.at += 1
        self.at += 1
        return bytes(out)

    def atom(self):
        start, depth = self.at, 0
        while self.at < len(self.data):
            c = self.peek()
            if c == b"[":
                depth += 1
            elif c == b"]":
                depth -= 1
            elif depth == 0 and c in b' ()"\r\n':
                break
            self.at += 1
        if start == self.at:
            raise ValueError(f"unexpected {self.peek()!r} at {start} of {self.data!r}")
        return Atom(self.data[start:self.at].decode("utf-8", "surrogateescape"))

    def rest(self):
        out = []
        while self.at < len(self.data) and self.peek() not in b"\r\n":
            if self.peek() == b" ":
                self.at += 1
            else:
                out.append(self.value())
        if self.data[self.at:] != b"\r\n":
            raise ValueError(f"not ended well: {self.data!r}")
        return out


class Reply:
    """untagged: (word, number or None, values) in order; status, code and text of the tagged line."""

    def __init__(self):
        self.untagged, self.raw = [], []
        self.status = self.code = self.text = None

    def all(self, word):
        return [u for u in self.untagged if u[0] == word]

    def __repr__(self):
        return f"{self.status} [{self.code}] {self.text} {self.untagged}"


STATUS = re.compile(rb"(OK|NO|BAD|BYE|PREAUTH)(?: \[([^\]]*(?:\[[^\]]*\][^\]]*)*)\])? ?(.*)\r\n$", re.S | re.I)


def parse_untagged(data):
    """b"* 5 FETCH (...)\\r\\n" without the "* "."""
    found = STATUS.match(data)
    if found:
        code = found.group(2)
        return found.group(1).decode().upper(), None, [code.decode("utf-8", "replace") if code else None]
    values = Parser(data).rest()
    if values and isinstance(values[0], Atom) and values[0].isdigit():
        return values[1].upper(), int(values[0]), values[2:]
    return values[0].upper(), None, values[1:]


class Imap:
    def __init__(self, port, host="127.0.0.1", tls=False, timeout=30):
        self.socket = socket.create_connection((host, port), timeout)
        if tls:
            self.socket = INSECURE.wrap_socket(self.socket)
        self.buffer, self.tags = b"", 0
        self.greeting = self.response()

    def close(self):
        self.socket.close()

    def fill(self):
        data = self.socket.recv(65536)
        if not data:
            raise EOFError(f"closed by the server; unread: {self.buffer!r}")
        self.buffer += data

    def response(self):
        """The bytes of one response, literals included."""
        at = 0
        while True:
            end = self.buffer.find(b"\r\n", at)
            if end < 0:
                self.fill()
                continue
            found = re.compile(rb"\{(\d+)\}$").search(self.buffer[at:end])
            if not found:
                out, self.buffer = self.buffer[:end + 2], self.buffer[end + 2:]
                return out
            at = end + 2 + int(found.group(1))
            while len(self.buffer) < at:
                self.fill()

    def send(self, data):
        self.socket.sendall(data)

    def tag(self):
        self.tags += 1
        return b"t%d" % self.tags

    def start(self, command):
        """command: str or bytes, or a list of those and of ("literal", bytes), which wait for "+"."""
        tag = self.tag()
        self.send(tag + b" ")
        waited = []
        for piece in command if isinstance(command, list) else [command]:
            if isinstance(piece, tuple):
                self.send(b"{%d}\r\n" % len(piece[1]))
                early = self.response()
                while not early.startswith(b"+"):
                    waited.append(early)
                    if early.startswith(tag + b" "):
                        return tag, waited
                    early = self.response()
                self.send(piece[1])
            else:
                self.send(piece.encode() if isinstance(piece, str) else piece)
        self.send(b"\r\n")
        return tag, waited

    def finish(self, tag, waited=()):
        reply, waited = Reply(), list(waited)
        while True:
            raw = waited.pop(0) if waited else self.response()
            reply.raw.append(raw)
            if raw.startswith(tag + b" "):
                found = STATUS.match(raw[len(tag) + 1:])
                reply.status = found.group(1).decode().upper()
                reply.code = found.group(2).decode("utf-8", "replace") if found.group(2) else None
                reply.text = found.group(3).decode("utf-8", "replace")
                return reply
            if raw.startswith(b"* "):
                reply.untagged.append(parse_untagged(raw[2:]))

    def run(self, command):
        return self.finish(*self.start(command))

    def pipeline(self, commands):
        """All of them in one piece, without waiting."""
        tags = [self.tag() for _ in commands]
        self.send(b"".join(t + b" " + (c.encode() if isinstance(c, str) else c) + b"\r\n" for t, c in zip(tags, commands)))
        return [self.finish(t) for t in tags]
