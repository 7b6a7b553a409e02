"""An SMTP or LMTP host whose every answer can be changed by rules; without rules it is a correct server."""
import base64
import hashlib
import re

from .conversation import Conversation, Ended, split_reply
from .text import quantity, to_bytes

OFFERS = ["PIPELINING", "SIZE", "8BITMIME", "STARTTLS", "ENHANCEDSTATUSCODES", "SMTPUTF8", "CHUNKING", "DSN"]
SIZE_LIMIT = 52428800
PATH = re.compile(r"(?:from|to):\s*<((?:[^>\"\\]|\"(?:[^\"\\]|\\.)*\"|\\.)*)>\s*(.*)", re.I | re.S)
VERBS = {"EHLO", "HELO", "LHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "NOOP", "VRFY", "EXPN",
         "HELP", "QUIT"}


def split_address(address):
    local, _, domain = address.rpartition("@")
    local = local or domain
    if local.startswith('"') and local.endswith('"') and len(local) > 1:
        local = re.sub(r"\\(.)", r"\1", local[1:-1])
    return local, domain.lower() if "@" in address else ""


class SmtpSession(Conversation):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.lmtp = self.listener.protocol == "lmtp"
        self.helo = self.mech = None
        self.messages = self.asked = self.unknown = 0
        self.reset_envelope()

    def reset_envelope(self):
        self.sender, self.parameters = None, {}
        self.recipients, self.tried, self.to, self.to_parameters = [], 0, None, {}
        self.message, self.chunks, self.chunking, self.kept = None, bytearray(), False, None

    async def talk(self):
        self.early = self.pending() > 0
        await self.act("banner")
        while True:
            line = (await self.line()).decode("utf-8", "surrogateescape")
            self.verb, _, self.arg = line.partition(" ")
            self.verb, self.arg, self.code = self.verb.upper(), self.arg.strip(), None
            self.commands += 1
            await getattr(self, "on_" + self.verb.lower(), self.on_other)() if self.verb in VERBS else \
                await self.on_other()

    def finish(self):
        if self.message is not None and self.kept is None:
            self.record(False, None)

    def summary(self):
        """With what a postmaster would count against the client."""
        return {**super().summary(), "messages": self.messages, "rcpts": self.asked, "unknown_rcpts": self.unknown}

    # --- replies

    async def do_reply(self, *words):
        code, enhanced, texts = split_reply(words, self.fill)
        if code is None:
            octets = self.host.eol.join(to_bytes(t) for t in texts) + self.host.eol
            found = re.match(rb"\d{3}", to_bytes(texts[-1]))
            await self.answer(int(found[0]) if found else None, octets)
        else:
            await self.reply(int(code), enhanced, *texts)

    async def reply(self, code, enhanced="", *texts):
        lead = enhanced + " " if enhanced else ""
        lines = list(texts) or ["ok" if code < 400 else "no"]
        octets = b"".join(f"{code}{'-' if i < len(lines) - 1 else ' '}".encode() + to_bytes(lead + line) + self.host.eol
                          for i, line in enumerate(lines))
        await self.answer(code, octets)

    async def answer(self, code, octets):
        await self.latency()
        self.code = code
        self.errors += bool(code and code >= 400)
        if self.stage == "dot" and self.kept is None:
            self.record(bool(code and 200 <= code < 300), octets)
        await self.send(octets)

    def worked(self):
        return self.code is not None and 200 <= self.code < 300

    # --- greeting

    async def default_banner(self):
        await self.reply(220, "", f"{self.host.name} {'LMTP' if self.lmtp else 'ESMTP'}")

    async def on_ehlo(self):
        self.helo = self.arg
        self.reset_envelope()
        await self.act("ehlo" if self.verb != "HELO" else "helo")

    on_helo = on_lhlo = on_ehlo

    async def default_ehlo(self):
        if (self.verb == "LHLO") != self.lmtp:
            await self.reply(500, "5.5.1", "this is " + ("LMTP: use LHLO" if self.lmtp else "SMTP: use EHLO"))
        else:
            await self.reply(250, "", self.host.name, *self.offers())

    async def default_helo(self):
        await self.reply(250, "", self.host.name)

    def offers(self):
        """`offers A B` replaces the list, `+A` and `-A` change it; `clear:` and `tls:` hold before or after STARTTLS."""
        out = list(OFFERS) + (["AUTH PLAIN LOGIN"] if self.host.description.all("auth") else [])
        for words in self.host.description.all("offers"):
            texts = [w.text for w in words]
            when = texts.pop(0) if texts[0] in ("clear:", "tls:") else None
            if when and (when == "tls:") != bool(self.tls):
                continue
            out = out if all(t[0] in "+-" for t in texts) else []
            for text in texts:
                name = text.lstrip("+-")
                out = [o for o in out if o.split()[0] != name.split()[0]] + ([] if text[0] == "-" else [name])
        if self.tls or self.host.without_tls:
            out = [o for o in out if o != "STARTTLS"]
        return [f"SIZE {self.size_limit()}" if o == "SIZE" else o.replace("=", " ", 1) for o in out]

    def size_limit(self):
        sizes = [w[1].text for w in self.host.description.all("limit") if w[0].text == "size"]
        return quantity(sizes[-1]) if sizes else SIZE_LIMIT

    # --- STARTTLS and AUTH

    async def on_starttls(self):
        self.hold()
        await self.act("starttls")
        if self.code != 220:
            self.let_go()
        else:
            self.code = None
            await self.tls_stage()
            if self.tls:
                self.helo = self.auth = None
                self.reset_envelope()

    async def default_starttls(self):
        if self.tls or self.host.without_tls:
            await self.reply(503 if self.tls else 502, "5.5.1", "STARTTLS is not possible here")
        else:
            await self.reply(220, "2.0.0", "ready to start TLS")

    async def on_auth(self):
        self.mech, _, initial = self.arg.partition(" ")
        self.mech, self.initial = self.mech.upper(), initial
        await self.act("auth")

    async def default_auth(self):
        if not self.host.description.all("auth") or self.mech not in ("PLAIN", "LOGIN"):
            await self.reply(504 if self.host.description.all("auth") else 502, "5.5.4", "no such mechanism")
            return
        try:
            user, password = await (self._plain() if self.mech == "PLAIN" else self._login())
        except ValueError:
            await self.reply(501, "5.5.2", "this is not base64")
            return
        accounts = {(w[0].text, w[1].text) for w in self.host.description.all("auth")}
        if (user, password) in accounts:
            self.auth = user
            await self.reply(235, "2.7.0", "welcome")
        else:
            await self.reply(535, "5.7.8", "user name or password is wrong")

    async def _challenge(self, text):
        await self.send(b"334 " + base64.b64encode(text.encode()) + b"\r\n")
        return base64.b64decode(await self.line(), validate=True).decode()

    async def _plain(self):
        text = base64.b64decode(self.initial, validate=True).decode() if self.initial else await self._challenge("")
        _, user, password = text.split("\0")
        return user, password

    async def _login(self):
        user = base64.b64decode(self.initial).decode() if self.initial else await self._challenge("Username:")
        return user, await self._challenge("Password:")

    # --- the envelope

    def _path(self):
        found = PATH.fullmatch(self.arg)
        if not found:
            return None, {}
        parameters = {}
        for word in found[2].split():
            name, _, value = word.partition("=")
            parameters[name.upper()] = value or True
        return found[1], parameters

    async def on_mail(self):
        address, parameters = self._path()
        if address is None or self.sender is not None or self.helo is None:
            await (self.reply(501, "5.5.4", "write MAIL FROM:<address>") if address is None else
                   self.reply(503, "5.5.1", "EHLO first" if self.helo is None else "one MAIL at a time"))
            return
        self.reset_envelope()
        self.sender, self.parameters = address, parameters
        await self.act("mail")
        if not self.worked():
            self.reset_envelope()

    async def default_mail(self):
        declared = self.parameters.get("SIZE", "0")
        if str(declared).isdigit() and int(declared) > self.size_limit():
            await self.reply(552, "5.3.4", "the message is too big")
        elif not self.sender.isascii() and "SMTPUTF8" not in self.parameters:
            await self.reply(553, "5.6.7", "this address needs SMTPUTF8")
        elif "SMTPUTF8" in self.parameters and "SMTPUTF8" not in self.offers():
            await self.reply(555, "5.5.4", "SMTPUTF8 is not offered here")
        else:
            await self.reply(250, "2.1.0", "ok")

    async def on_rcpt(self):
        address, parameters = self._path()
        if self.sender is None or not address:
            await (self.reply(503, "5.5.1", "MAIL first") if self.sender is None else
                   self.reply(501, "5.5.4", "write RCPT TO:<address>"))
            return
        self.to, self.to_parameters = address, parameters
        self.tried += 1
        self.asked += 1
        self.unknown += not self.fact("mailbox")
        await self.act("rcpt")
        if self.worked():
            self.recipients.append({"address": address, "params": parameters, "code": self.code})

    async def default_rcpt(self):
        if not self.fact("handled"):
            await self.reply(554, "5.7.1", f"<{self.to}>: relay access denied")
        elif not self.fact("mailbox"):
            await self.reply(550, "5.1.1", f"<{self.to}>: no such user here")
        else:
            await self.do_accept()

    async def do_accept(self):
        await (self.reply(250, "2.1.5", "ok") if self.stage == "rcpt" else self.reply(250, "2.0.0", "ok"))

    # --- the message

    async def on_data(self):
        await self.act("data")
        if self.code == 354:
            await self.flush()
            first = await self.reader.readuntil(b"\n")
            octets = b"" if first == b".\r\n" else first + await self._to_dot(first)
            self.message = re.sub(rb"(?:\A|(?<=\r\n))\.", b"", octets)
            await self.after_dot()

    async def _to_dot(self, first):
        """Up to the line with the dot; `first` may itself end in the middle of CRLF."""
        body = bytearray(first)
        while not body.endswith(b"\r\n.\r\n"):
            body += await self.reader.readuntil(b".\r\n")
        return bytes(body[len(first):-3])

    async def default_data(self):
        if not self.recipients:
            await self.reply(503 if not self.tried else 554, "5.5.1", "no valid recipients")
        else:
            await self.reply(354, "", "end data with <CR><LF>.<CR><LF>")

    async def on_bdat(self):
        words = self.arg.split()
        if not words or not words[0].isdigit():
            await self.reply(501, "5.5.4", "write BDAT octets [LAST]")
            return
        await self.flush()
        self.chunks += await self.reader.readexactly(int(words[0]))
        self.chunking = True
        if not self.recipients:
            await self.reply(503, "5.5.1", "no valid recipients")
        elif words[1:2] and words[1].upper() == "LAST":
            self.message = bytes(self.chunks)
            await self.after_dot()
        else:
            await self.act("bdat")

    async def default_bdat(self):
        await self.reply(250, "2.0.0", f"{self.arg} octets taken")

    async def after_dot(self):
        """LMTP answers once for each recipient (RFC 2033 §4.2)."""
        recipients = self.recipients
        for recipient in recipients if self.lmtp else [None]:
            if recipient:
                self.recipients, self.to, self.kept = [recipient], recipient["address"], None
            await self.act("dot")
            if self.kept is None:
                self.record(False, None)
        self.messages += 1
        self.reset_envelope()

    async def default_dot(self):
        if len(self.message) > self.size_limit():
            await self.reply(552, "5.3.4", "the message is too big")
        else:
            await self.reply(250, "2.0.0", f"queued as {self.host.name.split('.')[0]}-{self.number}-{self.messages + 1}")

    async def do_keep(self):
        self.record(True, None)

    async def do_discard(self):
        self.record(False, None)

    def record(self, kept, reply):
        """The one line of the journal for this message, written before its reply is sent."""
        self.kept = kept
        store = self.host.description.one("keep")
        path = None if store and store[0].text == "none" else self.host.journal.keep(self.message)
        self.host.journal.write(
            "message", host=self.host.name, address=self.address, client=self.client, session=self.number,
            helo=self.helo, tls=self.tls, auth=self.auth, sender=self.sender, params=self.parameters,
            recipients=[r["address"] for r in self.recipients], rcpt=self.recipients, octets=len(self.message), path=path,
            sha256=hashlib.sha256(self.message).hexdigest(), bdat=self.chunking, kept=kept, rule=self.rule,
            rules=list(self.fired), reply=reply.decode("utf-8", "backslashreplace").strip() if reply else None)

    async def do_dsn(self, after, status, *text):
        """The host sends a bounce to the sender later, as hosts do that accept everything first."""
        if self.sender:
            self.host.send_dsn(quantity(after.text), self.sender, [r["address"] for r in self.recipients] or [self.to],
                               status.text, self.fill(text[0].text) if text else "no such user")

    # --- the rest

    async def on_rset(self):
        self.reset_envelope()
        await self.act("rset")

    async def on_quit(self):
        await self.act("quit")
        raise Ended("quit")

    async def on_other(self):
        await self.act("other")

    async def _simple(self):
        await self.act(self.verb.lower())

    on_noop = on_vrfy = on_expn = on_help = _simple

    async def default_rset(self):
        await self.reply(250, "2.0.0", "ok")

    default_noop = default_rset

    async def default_vrfy(self):
        await self.reply(252, "2.5.2", "send some mail and see")

    async def default_expn(self):
        await self.reply(502, "5.5.1", "not here")

    async def default_help(self):
        await self.reply(214, "2.0.0", "see RFC 5321")

    async def default_quit(self):
        await self.reply(221, "2.0.0", "bye")

    async def default_other(self):
        await self.reply(500, "5.5.2", "unknown command")

    # --- facts

    def fact(self, key):
        if key.startswith("param."):
            name = key[6:].upper()
            return (self.to_parameters if self.stage == "rcpt" and name in self.to_parameters else self.parameters).get(name)
        if key.startswith("header."):
            found = re.search(rb"(?im)^" + re.escape(key[7:].encode()) + rb":[ \t]*(.*)", self._head())
            return found[1].decode("utf-8", "replace").strip() if found else None
        if key in FACTS:
            return FACTS[key](self)
        return super().fact(key)

    def _head(self):
        return re.split(rb"\r?\n\r?\n", self.message or b"", maxsplit=1)[0]

    def scope(self, name):
        values = {"from": self.sender, "rcpt": self.to, "domain": split_address(self.to or "")[1], "helo": self.helo,
                  "triplet": (self.client, self.sender, self.to)}
        return values[name] if name in values else super().scope(name)


def _size(session):
    return len(session.message) if session.message is not None else int(session.parameters.get("SIZE") or 0)


FACTS = {
    "from": lambda s: s.sender, "from.domain": lambda s: split_address(s.sender or "")[1],
    "from.dns": lambda s: s.host.names.mail_domain(split_address(s.sender or "")[1]) if s.sender else "yes",
    "to": lambda s: s.to, "local": lambda s: split_address(s.to or "")[0],
    "domain": lambda s: split_address(s.to or "")[1], "helo": lambda s: s.helo,
    "helo.dns": lambda s: s.host.names.host_exists(s.helo or ""), "auth": lambda s: s.auth, "mech": lambda s: s.mech,
    "mailbox": lambda s: s.host.has_mailbox(*split_address(s.to or "")),
    "handled": lambda s: s.host.handles(split_address(s.to or "")[1]), "size": _size,
    "8bit": lambda s: any(b > 127 for b in s.message or b""), "smtputf8": lambda s: "SMTPUTF8" in s.parameters,
    "rcpts": lambda s: len(s.recipients), "tried": lambda s: s.tried, "messages": lambda s: s.messages,
    "bare-lf": lambda s: re.search(rb"(?<!\r)\n|\r(?!\n)", s.message or b"") is not None,
    "body": lambda s: (s.message or b"").decode("utf-8", "replace"),
}
