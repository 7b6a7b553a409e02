"""Small IMAP and POP3 hosts for scenarios about connecting and signing in: the answers are rules, mailboxes are empty."""
import base64
import re

from .conversation import Conversation, Ended, split_reply
from .text import to_bytes


class LineSession(Conversation):
    tag = ""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.user = self.password = self.mech = None

    async def do_reply(self, *words):
        """Lines as they stand; {tag} is the tag of the IMAP command."""
        _code, _enhanced, texts = split_reply(words, self.fill)
        await self.say(*texts)

    async def say(self, *lines):
        await self.latency()
        self.code = next((w for w in lines[-1].split() if w in ("OK", "NO", "BAD", "+OK", "-ERR", "BYE")), None)
        self.errors += self.code in ("NO", "BAD", "-ERR")
        await self.send(b"".join(to_bytes(line) + self.host.eol for line in lines))

    async def secure(self):
        """After a positive answer to STARTTLS or STLS."""
        if self.code in ("OK", "+OK"):
            self.code = None
            await self.tls_stage()
        else:
            self.let_go()

    def accepts(self, user, password):
        self.user = user
        accounts = {(w[0].text, w[1].text) for w in self.host.description.all("auth")}
        if (user, password) in accounts:
            self.auth = user
        return self.auth is not None

    def accepts_plain(self, blob):
        try:
            _, user, password = base64.b64decode(blob).decode().split("\0")
        except ValueError:
            return False
        return self.accepts(user, password)

    def fact(self, key):
        values = {"user": self.user, "mech": self.mech}
        return values[key] if key in values else super().fact(key)

    def fill(self, text):
        return super().fill(text.replace("{tag}", self.tag))

    def offers(self, usual):
        words = self.host.description.one("offers")
        out = [w.text for w in words] if words else usual
        return [o for o in out if o not in ("STARTTLS", "STLS") or not (self.tls or self.host.without_tls)]


class ImapSession(LineSession):
    async def talk(self):
        self.early = self.pending() > 0
        await self.act("banner")
        while True:
            words = (await self.line()).decode("utf-8", "surrogateescape").split(" ", 2)
            self.tag, self.verb = words[0], words[1].upper() if len(words) > 1 else ""
            self.arg = words[2] if len(words) > 2 else ""
            self.commands += 1
            self._who()
            if self.verb == "STARTTLS":
                self.hold()
            stage = {"EXAMINE": "select"}.get(self.verb, self.verb.lower())
            await self.act(stage if stage in STAGES_IMAP else "other")
            if self.verb == "STARTTLS":
                await self.secure()
            if self.verb == "LOGOUT":
                raise Ended("logout")

    def _who(self):
        """The facts `user` and `mech`, known before rules are asked."""
        words = [a or b for a, b in re.findall(r'"((?:[^"\\]|\\.)*)"|(\S+)', self.arg)]
        if self.verb == "LOGIN" and words:
            self.user, self.password = words[0], words[1] if len(words) == 2 else None
        elif self.verb == "AUTHENTICATE" and words:
            self.mech = words[0].upper()

    def capabilities(self):
        return " ".join(self.offers(["IMAP4rev1", "STARTTLS", "AUTH=PLAIN"]))

    async def default_banner(self):
        await self.say(f"* OK [CAPABILITY {self.capabilities()}] {self.host.name} ready")

    async def default_capability(self):
        await self.say(f"* CAPABILITY {self.capabilities()}", f"{self.tag} OK done")

    async def default_starttls(self):
        await self.say(f"{self.tag} OK begin TLS" if not self.tls else f"{self.tag} BAD TLS is already there")

    async def default_login(self):
        await self._signed_in(self.accepts(self.user, self.password))

    async def default_authenticate(self):
        if self.mech != "PLAIN":
            await self.say(f"{self.tag} NO no such mechanism")
            return
        initial = self.arg.split()[1:]
        if not initial:
            await self.send(b"+ \r\n")
            initial = [await self.line()]
        await self._signed_in(self.accepts_plain(initial[0]))

    async def _signed_in(self, worked):
        await self.say(f"{self.tag} OK welcome" if worked else
                       f"{self.tag} NO [AUTHENTICATIONFAILED] user name or password is wrong")

    async def default_select(self):
        if not self.auth:
            await self.say(f"{self.tag} NO sign in first")
        else:
            await self.say("* 0 EXISTS", "* FLAGS ()", "* OK [UIDVALIDITY 1] ok", f"{self.tag} OK [READ-WRITE] selected")

    async def default_logout(self):
        await self.say("* BYE see you", f"{self.tag} OK logged out")

    async def default_other(self):
        await self.say(f"{self.tag} OK done" if self.verb == "NOOP" else f"{self.tag} BAD unknown command")


class Pop3Session(LineSession):
    async def talk(self):
        self.early = self.pending() > 0
        await self.act("banner")
        while True:
            self.verb, _, self.arg = (await self.line()).decode("utf-8", "surrogateescape").partition(" ")
            self.verb = self.verb.upper()
            self.commands += 1
            if self.verb == "USER":
                self.user = self.arg
            elif self.verb == "AUTH":
                self.mech = self.arg.partition(" ")[0].upper()
            elif self.verb == "STLS":
                self.hold()
            await self.act(self.verb.lower() if self.verb.lower() in STAGES_POP3 else "other")
            if self.verb == "STLS":
                await self.secure()
            if self.verb == "QUIT":
                raise Ended("quit")

    async def default_banner(self):
        await self.say(f"+OK {self.host.name} POP3 ready")

    async def default_capa(self):
        await self.say("+OK", *self.offers(["USER", "STLS", "SASL PLAIN", "UIDL"]), ".")

    async def default_stls(self):
        await self.say("+OK begin TLS" if not self.tls else "-ERR TLS is already there")

    async def default_user(self):
        await self.say("+OK and the password?")

    async def default_pass(self):
        await self.say("+OK welcome" if self.accepts(self.user, self.arg) else "-ERR [AUTH] user name or password is wrong")

    async def default_auth(self):
        initial = self.arg.partition(" ")[2]
        if self.mech != "PLAIN":
            await self.say("-ERR no such mechanism")
            return
        if not initial:
            await self.send(b"+ \r\n")
            initial = await self.line()
        await self.say("+OK welcome" if self.accepts_plain(initial) else "-ERR [AUTH] user name or password is wrong")

    async def default_stat(self):
        await self.say("+OK 0 0" if self.auth else "-ERR sign in first")

    async def default_quit(self):
        await self.say("+OK bye")

    async def default_other(self):
        await self.say("-ERR unknown command")


STAGES_IMAP = {"capability", "starttls", "login", "authenticate", "select", "logout"}
STAGES_POP3 = {"capa", "stls", "user", "pass", "auth", "stat", "quit"}
