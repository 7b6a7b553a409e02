"""An HTTP or HTTPS host: files, MTA-STS policies, redirects, and everything that can go wrong with them."""
from .conversation import Conversation, Ended
from .text import quantity, to_bytes

REASONS = {200: "OK", 204: "No Content", 301: "Moved Permanently", 302: "Found", 304: "Not Modified", 400: "Bad Request",
           401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 429: "Too Many Requests", 500: "Internal Server Error",
           502: "Bad Gateway", 503: "Service Unavailable"}
BODY_LIMIT = 1 << 26


class HttpSession(Conversation):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.headers, self.path, self.body = {}, "", b""
        self.extra, self.content_type = [], "text/plain"

    async def talk(self):
        while True:
            request = (await self.line()).decode("latin-1").split()
            if len(request) != 3:
                await self.respond(400, b"bad request\n")
                raise Ended("the client does not speak HTTP")
            await self._take(*request)
            self.host.journal.write(
                "request", host=self.host.name, client=self.client, address=self.address, port=self.listener.port,
                session=self.number, method=self.verb, path=self.path, headers=self.headers, tls=self.tls,
                octets=len(self.body), **({"path_of_body": self.host.journal.keep(self.body)} if self.body else {}))
            await self.act(self.verb.lower() if self.verb in ("GET", "HEAD", "POST") else "other")
            if self.headers.get("connection", "").lower() == "close" or request[2] == "HTTP/1.0":
                raise Ended("the answer was given")

    async def _take(self, verb, path, _version):
        self.verb, self.path, self.arg = verb.upper(), path, path
        self.headers, self.extra, self.content_type, self.body = {}, [], "text/plain", b""
        self.commands += 1
        while line := (await self.line()).decode("latin-1"):
            name, _, value = line.partition(":")
            self.headers[name.strip().lower()] = value.strip()
        if self.headers.get("expect", "").lower() == "100-continue":
            await self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        length = self.headers.get("content-length", "0")
        if length.isdigit() and int(length) <= BODY_LIMIT:
            self.body = await self.reader.readexactly(int(length))

    async def respond(self, status, body):
        self.code = status
        self.errors += status >= 400
        lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}", f"Content-Type: {self.content_type}",
                 f"Content-Length: {len(body)}", *self.extra]
        await self.latency()
        await self.send(("\r\n".join(lines) + "\r\n\r\n").encode() + (b"" if self.verb == "HEAD" else body))

    async def do_reply(self, *words):
        status = int(words[0].text)
        body = "".join(self.fill(w.text) for w in words[1:]) or f"{status} {REASONS.get(status, '')}\n"
        await self.respond(status, to_bytes(body))

    async def do_header(self, name, value):
        self.extra.append(f"{name.text}: {self.fill(value.text)}")

    async def do_type(self, content_type):
        self.content_type = content_type.text

    async def do_redirect(self, target, *status):
        self.extra.append("Location: " + self.fill(target.text))
        await self.respond(int(status[0].text) if status else 302, b"elsewhere\n")

    async def do_huge(self, size):
        await self.respond(200, b"0123456789abcde\n" * (quantity(size.text) // 16))

    async def do_policy(self, *words):
        """policy MODE MX... [max_age SECONDS]: an MTA-STS policy (RFC 8461 §3.2)."""
        texts = [w.text for w in words]
        age = "86400"
        if "max_age" in texts:
            at = texts.index("max_age")
            age = texts[at + 1]
            del texts[at:at + 2]
        lines = ["version: STSv1", f"mode: {texts[0]}", *(f"mx: {mx}" for mx in texts[1:]),
                 f"max_age: {int(quantity(age))}"]
        await self.respond(200, ("\r\n".join(lines) + "\r\n").encode())

    async def default_get(self):
        await self.respond(404, b"there is no such page\n")

    default_head = default_get

    async def default_post(self):
        await self.respond(200, b"thank you\n")

    async def default_other(self):
        await self.respond(501, b"not here\n")

    def fact(self, key):
        if key.startswith("header."):
            return self.headers.get(key[7:])
        values = {"path": self.path, "vhost": self.headers.get("host", "").partition(":")[0],
                  "body": self.body.decode("utf-8", "replace")}
        return values[key] if key in values else super().fact(key)
