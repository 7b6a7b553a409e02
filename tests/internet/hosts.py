"""A host that runs: its sockets, its rules and memory, its mailboxes, and what it may ask the simulated DNS."""
import asyncio
import collections
import ipaddress
import itertools
import math
import socket

from . import protocols
from .conversation import STREAM_LIMIT
from .http_host import HttpSession
from .line_host import ImapSession, Pop3Session
from .raw_host import RawSession, fill_backlog
from .rules import Memory
from .scenario import ascii_name
from .smtp_host import SmtpSession
from .text import quantity

SESSIONS = {protocols.Smtp: SmtpSession, protocols.Http: HttpSession, protocols.Imap: ImapSession,
            protocols.Pop3: Pop3Session, protocols.Raw: RawSession}


class Names:
    """What hosts look up about their clients, in the scenario's own zones and without faults."""

    data = None  # set when the zones are there

    def pointer(self, address):
        found = self.data.values(ipaddress.ip_address(address).reverse_pointer, "PTR")
        return found[0] if found else None

    def forward_confirmed(self, address):
        found = self.pointer(address)
        if not found:
            return False
        packed = ipaddress.ip_address(address).packed
        name = _text(found)
        return packed in (self.data.values(name, "AAAA" if ":" in address else "A") or [])

    def host_exists(self, name):
        if not name or name.startswith("["):
            return False
        return any(self.data.values(name, t) for t in ("A", "AAAA"))

    def mail_domain(self, domain):
        """yes, no or nullmx: does mail to this domain have somewhere to go?"""
        exchangers = self.data.values(ascii_name(domain), "MX") if domain else None
        if exchangers:
            return "nullmx" if all(mx[2:] == b"\0" for mx in exchangers) else "yes"
        return "yes" if self.host_exists(ascii_name(domain) if domain else "") else "no"

    def exchanger_addresses(self, domain):
        """Where a host sends its bounces: (address, port) in order."""
        exchangers = sorted(self.data.values(ascii_name(domain), "MX") or [])
        names = [_text(mx[2:]) for mx in exchangers] or [ascii_name(domain)]
        for name in names:
            for rtype in ("A", "AAAA"):
                for packed in self.data.values(name, rtype) or []:
                    yield str(ipaddress.ip_address(packed))


def _text(rdata):
    labels, at = [], 0
    while rdata[at]:
        labels.append(rdata[at + 1:at + 1 + rdata[at]].decode("utf-8", "surrogateescape"))
        at += 1 + rdata[at]
    return ".".join(labels) + "."


class RunningHost:
    """Gives sessions what they need; one for each host of the scenario."""

    numbers = itertools.count(1)

    def __init__(self, description, engine):
        self.description, self.name = description, description.name
        self.engine, self.journal, self.names = engine, engine.journal, engine.names
        self.clock, self.waits = engine.clock, engine.scenario.waits
        self.memory = Memory(engine.clock, f"{engine.scenario.seed} {self.name}")
        self.sessions = collections.Counter()
        self.eol = b"\n" if description.one("eol") and description.one("eol")[0].text == "lf" else b"\r\n"
        self.tls_words = [w.text for w in description.one("tls", [])]
        self.without_tls = "none" in self.tls_words
        self.by_stage, self.sockets = {}, []
        self.mailboxes = self._mailboxes()

    def next_session(self):
        return next(self.numbers)

    def rules_for(self, stage):
        if stage not in self.by_stage:
            self.by_stage[stage] = [r for r in self.description.rules if stage in r.stages or "any" in r.stages]
        return self.by_stage[stage]

    def draw(self, words):
        """Seconds of a wait: 3s, 1s..5s, or lognormal MEDIAN SIGMA, drawn with the scenario's seed."""
        if words[0] == "lognormal":
            return quantity(words[1]) * math.exp(self.memory.random.gauss(0, float(words[2]))) * self.waits
        low, _, high = words[0].partition("..")
        return self.memory.random.uniform(quantity(low), quantity(high or low)) * self.waits

    # --- TLS

    def implicit_tls(self, listener):
        return listener.protocol in protocols.IMPLICIT_TLS and not self.without_tls

    def certificate_names(self):
        if "names" in self.tls_words:
            return self.tls_words[self.tls_words.index("names") + 1].split(",")
        return [self.name, *self.description.aliases]

    def context(self):
        return self.engine.certificates.context(self.certificate_names(), self.tls_words)

    def certificate_kind(self):
        return next((w for w in self.tls_words if w in protocols.KINDS), "good")

    # --- mailboxes

    def _mailboxes(self):
        """domain: names that exist, or None when all do; an empty table means that this host takes everything."""
        found = {}
        for words in self.description.all("mailboxes"):
            names = found.setdefault(ascii_name(words[0].text), set())
            names.update(self._local(w.text) for w in words[1:])
        for words in self.description.all("catch-all"):
            for word in words:
                found[ascii_name(word.text)] = None
        return found

    def _local(self, local):
        separator = self.description.one("subaddress")
        if separator:
            local = local.partition(separator[0].text)[0]
        return local if self.description.one("case-sensitive") is not None else local.lower()

    def handles(self, domain):
        return not self.mailboxes or (ascii_name(domain) if domain else "") in self.mailboxes or not domain

    def has_mailbox(self, local, domain):
        if not self.mailboxes:
            return True
        if not domain:
            return self._local(local) == "postmaster"
        names = self.mailboxes.get(ascii_name(domain), set())
        return names is None or self._local(local) in names

    # --- sockets

    async def start(self):
        for listener in self.description.listeners:
            for address in self.description.addresses:
                if listener.protocol == "filtered":
                    self.sockets += fill_backlog(address, listener.port)
                else:
                    await self._listen(address, listener)

    async def _listen(self, address, listener):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        sock = socket.create_server((address, listener.port), family=family, backlog=512)
        session = SESSIONS[protocols.LISTEN[listener.protocol]]

        async def serve(reader, writer):
            await session(self, listener, reader, writer).run()
        self.sockets.append(await asyncio.start_server(serve, sock=sock, limit=STREAM_LIMIT))

    def send_dsn(self, after, sender, recipients, status, text):
        self.engine.later(after * self.waits, self.engine.dsn, self, sender, recipients, status, text)
