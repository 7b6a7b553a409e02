"""One connection of a host that follows rules: what all protocols share. smtp_host.py and others add their own."""
import asyncio
import contextlib
import ipaddress
import math
import re
import socket
import ssl
import struct
import traceback
from asyncio import sslproto

from .rules import count, first_match
from .text import quantity, to_bytes



def _with_alert(complete):
    """asyncio throws away the alert that OpenSSL wrote when a handshake fails; peers are to see it."""
    def wrapper(self, handshake_exc):
        if handshake_exc is not None:
            with contextlib.suppress(OSError, ssl.SSLError):
                self._process_outgoing()
        return complete(self, handshake_exc)
    return wrapper


sslproto.SSLProtocol._on_handshake_complete = _with_alert(sslproto.SSLProtocol._on_handshake_complete)

LINE_LIMIT = 1 << 16
STREAM_LIMIT = 1 << 26
DIALOGUE_LIMIT = 4000  # lines of a session that the journal keeps
ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")


class Ended(Exception):
    """The conversation is over; says why, for the journal."""


class Conversation:
    """A session answers the questions of rules (`fact`, `scope`) and carries out their actions (`do_…`)."""

    greeting_stage = "banner"

    def __init__(self, host, listener, reader, writer):
        self.host, self.listener, self.reader, self.writer = host, listener, reader, writer
        peer, here = writer.get_extra_info("peername"), writer.get_extra_info("sockname")
        self.client, self.address, self.number = peer[0].partition("%")[0], here[0], host.next_session()
        self.stage, self.rule, self.fired, self.code = "", None, [], None
        self.drip, self.tls, self.tls_error, self.auth = 0, None, None, None
        self.verb = self.arg = ""
        self.commands = self.errors = 0
        self.early = False
        self.unsent = bytearray()
        self.dialogue, self.notes = [], []

    # --- the frame of a session

    async def run(self):
        self.host.sessions[self.client] += 1
        end = "closed by the host"
        if self.host.implicit_tls(self.listener):
            self.hold()
        self.host.journal.write("connect", host=self.host.name, client=self.client, address=self.address,
                                port=self.listener.port, session=self.number)
        try:
            await self.act("connect")
            if self.host.implicit_tls(self.listener):
                await self.tls_stage()
            await self.talk()
        except Ended as why:
            end = str(why)
        except asyncio.IncompleteReadError:
            end = "closed by the client"
        except (OSError, ssl.SSLError) as why:
            end = f"broken: {why}"
        except asyncio.LimitOverrunError:
            end = "the client sent too much without an end"
        except Exception as why:  # a mistake of this program: the test is to see it
            end = f"mistake of the simulator: {why!r}"
            self.host.journal.write("mistake", host=self.host.name, error=traceback.format_exc())
        finally:
            with contextlib.suppress(OSError):
                await self.flush()
            self.host.sessions[self.client] -= 1
            self.finish()
            self.host.journal.write("session", host=self.host.name, client=self.client, address=self.address,
                                    port=self.listener.port, session=self.number, end=end, tls=self.tls,
                                    tls_error=self.tls_error, rules=self.fired, notes=self.notes,
                                    dialogue=self.dialogue, **self.summary())
            with contextlib.suppress(OSError):
                self.writer.close()

    def finish(self):
        pass

    def summary(self):
        """What the protocol adds to the session's line in the journal."""
        return {"commands": self.commands, "errors": self.errors}

    async def talk(self):
        raise NotImplementedError

    async def act(self, stage):
        """The first rule that fits decides; without one the host does what a good host does."""
        self.stage = stage
        for rule in first_match(self.host.rules_for(stage), stage, self, self.host.memory):
            self.rule = rule.id
            self.fired.append(rule.id)
            await self.flush()
            for action in rule.actions:
                await getattr(self, "do_" + action.name)(*action.words)
            if rule.ends:
                self.rule = None
                return
        self.rule = None
        await self.default(stage)

    async def default(self, stage):
        handler = getattr(self, "default_" + stage, None)
        if handler:
            await handler()

    # --- reading and writing

    async def line(self):
        """A line without its end; what is too long or never ends is the client's fault."""
        line = await self.reader.readuntil(b"\n")
        if len(line) > LINE_LIMIT:
            raise Ended("the client sent a line that is too long")
        self.heard(line)
        return line.rstrip(b"\r\n")

    def heard(self, line):
        self._note("C", line)

    def _note(self, side, octets):
        if len(self.dialogue) < DIALOGUE_LIMIT:
            text = octets[:1000].decode("utf-8", "backslashreplace").rstrip("\r\n")
            self.dialogue.append([side, text, self.rule] if self.rule and side == "S" else [side, text])

    def pending(self):
        """Octets the client sent that nobody asked for yet."""
        return len(self.reader._buffer)  # noqa: SLF001 (streams offer no other way to see it)

    async def send(self, octets):
        """Replies to pipelined commands leave together, as those of real servers do."""
        self._note("S", octets)
        if not self.drip:
            self.unsent += octets
            if b"\n" not in self.reader._buffer:  # noqa: SLF001
                await self.flush()
            return
        await self.flush()
        for i in range(len(octets)):
            self.writer.write(octets[i:i + 1])
            await self.writer.drain()
            await asyncio.sleep(self.drip)

    async def flush(self):
        if self.unsent:
            self.writer.write(self.unsent)
            self.unsent = bytearray()
            await self.writer.drain()

    async def latency(self):
        words = self.host.description.one("latency")
        if words:
            await self.flush()
            await asyncio.sleep(self.host.draw([w.text for w in words]))

    def fill(self, text):
        """{to}, {from}, {client} … in a reply are the facts of the session."""
        def value(found):
            if found[1] in ("host", "rule", "session"):
                return str({"host": self.host.name, "rule": self.rule, "session": self.number}[found[1]])
            with contextlib.suppress(KeyError):
                fact = self.fact(found[1])
                return "" if fact is None else str(fact)
            return found[0]
        return re.sub(r"\{([a-z0-9.-]+)\}", value, text) if "{" in text else text

    # --- TLS

    def hold(self):
        """From here on nothing is read: what comes next is the client's part of a handshake."""
        if "injection" not in self.host.tls_words:
            self.reader._buffer.clear()  # noqa: SLF001
        self.writer.transport.pause_reading()

    def let_go(self):
        if not self.tls and not self.writer.transport.is_closing():
            self.writer.transport.resume_reading()

    async def tls_stage(self):
        """Rules for `tls` act when the client has begun: what is said earlier would look like clear text."""
        await self.flush()
        loop, begun = asyncio.get_running_loop(), asyncio.Event()
        fd = self.writer.get_extra_info("socket").fileno()
        loop._add_reader(fd, begun.set)  # noqa: SLF001 (the transport has let go of it)
        try:
            await begun.wait()
        finally:
            loop._remove_reader(fd)  # noqa: SLF001
        await self.act("tls")
        self.let_go()

    async def handshake(self):
        words = self.host.tls_words
        await self.flush()
        try:
            await self.writer.start_tls(self.host.context())
        except (OSError, ssl.SSLError, asyncio.IncompleteReadError) as why:
            self.tls_error = str(why) or type(why).__name__
            self.host.journal.write("tls-failed", host=self.host.name, client=self.client, session=self.number,
                                    error=self.tls_error)
            raise Ended("the TLS handshake failed") from None
        self.reader._transport = self.writer.transport  # noqa: SLF001 (3.11 forgets it, and reading would stall)
        connection = self.writer.get_extra_info("ssl_object")
        certificate = connection.getpeercert() if "client-cert" in words else None
        self.tls = {"version": connection.version(), "cipher": connection.cipher()[0],
                    "sni": getattr(connection, "asked_name", None),
                    "client_certificate": str(certificate["subject"]) if certificate else None}

    async def default_tls(self):
        await self.handshake()

    do_handshake = default_tls

    # --- facts

    def fact(self, key):
        return FACTS[key](self)

    def scope(self, name):
        return {"host": None, "session": self.number, "client": self.client}.get(name, "")

    # --- actions of every protocol

    async def do_wait(self, *words):
        await asyncio.sleep(self.host.draw([w.text for w in words]))

    async def do_note(self, text):
        self.notes.append(self.fill(text.text))
        self.host.journal.write("note", host=self.host.name, client=self.client, session=self.number, rule=self.rule,
                                text=self.fill(text.text))

    async def do_count(self, name):
        count(name.text, self, self.host.memory)

    async def do_mark(self, name, *words):
        seconds = quantity(words[-1].text) if words else 0
        self.host.memory.mark(name.text, self.client, seconds)

    async def do_unmark(self, name):
        self.host.memory.unmark(name.text, self.client)

    async def do_drip(self, pause):
        self.drip = quantity(pause.text) * self.host.waits

    async def do_raw(self, *words):
        """Each word is a packet of its own."""
        for i, word in enumerate(words):
            if i:
                await asyncio.sleep(0.05)
            octets = to_bytes(self.fill(word.text))
            await self.send(octets)
            await self.flush()
            found = re.search(rb"(?:^|\n)(\d{3}) [^\n]*\n?\Z", octets)
            self.code = int(found[1]) if found else self.code

    async def do_flood(self, size, *line):
        text = to_bytes(self.fill(line[0].text) if line else "250-and another line")
        chunk = (text + b"\r\n") * max(1, 65536 // (len(text) + 2))
        for _ in range(math.ceil(quantity(size.text) / len(chunk))):
            self.writer.write(chunk)
            await self.writer.drain()
        self._note("S", b"(flood) " + text)

    async def do_stall(self):
        """Says nothing more and reads nothing more, until the other side gives up."""
        transport = self.writer.transport
        self.let_go()
        while not transport.is_closing():
            if await self.reader.read(65536) == b"":
                break
        raise Ended("stalled until the client left")

    async def do_ignore(self):
        self.code = None

    async def do_default(self):
        await self.default(self.stage)

    async def do_close(self):
        raise Ended("closed by a rule")

    async def do_reset(self):
        connection = self.writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()
        raise Ended("reset by a rule")

    async def do_alert(self, number):
        """A fatal TLS alert in place of a handshake: 40 handshake_failure, 70 protocol_version …"""
        await self.send(bytes([21, 3, 1, 0, 2, 2, int(number.text)]))
        raise Ended("ended by a TLS alert of a rule")


FACTS = {
    "client": lambda s: ipaddress.ip_address(s.client), "family": lambda s: 6 if ":" in s.client else 4,
    "port": lambda s: s.listener.port, "commands": lambda s: s.commands, "errors": lambda s: s.errors,
    "early": lambda s: s.early or (s.stage in ("connect", "banner") and s.pending() > 0), "pipelined": lambda s: s.pending() > 0,
    "verb": lambda s: s.verb, "arg": lambda s: s.arg,
    "sessions": lambda s: s.host.sessions[s.client], "auth": lambda s: s.auth,
    "tls": lambda s: ("yes", s.tls["version"]) if s.tls else None, "sni": lambda s: s.tls and s.tls["sni"],
    "client-cert": lambda s: bool(s.tls and s.tls["client_certificate"]),
    "ptr": lambda s: s.host.names.pointer(s.client) is not None,
    "fcrdns": lambda s: s.host.names.forward_confirmed(s.client),
}


def split_reply(words, fill):
    """(code or None, enhanced code, texts) of `reply 450 4.2.0 "text" …`; a quoted first word is sent as it stands."""
    words = list(words)
    if words[0].quoted or not re.fullmatch(r"\d{3}", words[0].text):
        text = fill(words[0].text)
        return None, "", [text, *(fill(w.text) for w in words[1:])]
    code = words.pop(0).text
    enhanced = words.pop(0).text if words and not words[0].quoted and ENHANCED.fullmatch(words[0].text) else ""
    return code, enhanced, [fill(w.text) for w in words]
