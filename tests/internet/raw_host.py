"""Ports that speak no protocol, or another one: raw text, silence, resets, full backlogs, a man in the middle."""
import asyncio
import contextlib
import socket

from .conversation import Conversation, Ended

WIPED = {b"STARTTLS": b"XXXXXXXA", b"STLS": b"XXXX"}


class RawSession(Conversation):
    """raw TEXT...: says it at once; silent; reset; forward and strip ADDRESS PORT: what lies between two networks."""

    async def talk(self):
        await getattr(self, "serve_" + self.listener.protocol)(self.listener.arguments)

    async def serve_raw(self, words):
        await self.do_raw(*words)
        while line := await self.reader.read(65536):
            self.heard(line)
        raise Ended("closed by the client")

    async def serve_silent(self, _words):
        while line := await self.reader.read(65536):
            self.heard(line)
        raise Ended("closed by the client")

    async def serve_reset(self, _words):
        await self.do_reset()

    async def serve_forward(self, words):
        await self._between(words, {})

    async def serve_strip(self, words):
        """Some firewalls rewrite the word STARTTLS in what the server says."""
        await self._between(words, WIPED)

    async def _between(self, words, changes):
        reader, writer = await asyncio.open_connection(words[0].text, int(words[1].text))

        async def pass_on(source, target, table):
            while octets := await source.read(65536):
                for old, new in table.items():
                    octets = octets.replace(old, new)
                target.write(octets)
                await target.drain()
            with contextlib.suppress(OSError):
                target.write_eof()
        tasks = [asyncio.create_task(pass_on(self.reader, writer, {})),
                 asyncio.create_task(pass_on(reader, self.writer, changes))]
        try:
            await asyncio.gather(*tasks)
        finally:
            writer.close()
        raise Ended("both sides are done")


def fill_backlog(address, port):
    """A listening socket that never accepts and whose queue is full: the kernel drops every further SYN."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((address, port))
    listening.listen(0)
    held = [listening]
    for _ in range(3):
        filler = socket.socket(family)
        filler.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            filler.connect((address, port))
        held.append(filler)
    return held
