"""The process inside the namespace: one event loop for DNS and all hosts, told what to do over a socket.

Started by launcher.py as `python3 -m internet.engine DIRECTORY FD`; ends when the launcher does.
"""
import asyncio
import base64
import contextlib
import json
import os
import resource
import shlex
import socket
import subprocess
import sys

from . import dsn
from .certificates import Certificates
from .dns_server import DnsServer
from .hosts import Names, RunningHost
from .journal import Writer
from .namespace import Void, set_up
from .rules import Clock
from .scenario import ascii_name, parse, within
from .scenario import _fault as parse_fault
from .text import ScenarioError, split_words
from .wire import TYPES
from .zones import Data


class Engine:
    def __init__(self, directory, control):
        self.directory, self.control = directory, control
        with open(f"{directory}/scenario", encoding="utf-8") as f:
            text = f.read()
        with open(f"{directory}/folder", encoding="utf-8") as f:
            self.scenario = parse(text, f.read())
        self.certificates = Certificates(directory)
        self.journal = Writer(directory)
        self.clock = Clock(self.scenario.speed)
        self.data, self.names = None, Names()
        self.hosts = {}
        self.tasks = set()
        self.done = asyncio.Event()

    async def start(self):
        self._trust_directory()
        set_up(self.scenario, self.directory, f"{self.directory}/tls/certs")
        self.hosts = {name: RunningHost(d, self) for name, d in self.scenario.hosts.items()}
        self.data = Data(self.scenario, self.association)
        self.names.data = self.data
        self._anchors()
        await DnsServer(self.scenario, self.data, self.journal, self.scenario.waits).start()
        for host in self.hosts.values():
            await host.start()
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            void = Void(self.journal)
            loop.add_reader(void.packets, void.readable)
        loop.add_reader(self.control, self._command)

    def _trust_directory(self):
        """What is bound over /etc/ssl/certs: programs inside trust the test CA and nobody else."""
        folder = f"{self.directory}/tls/certs"
        os.makedirs(folder, exist_ok=True)
        ca = f"{self.directory}/tls/ca.pem"
        found = subprocess.run(["openssl", "x509", "-noout", "-hash", "-in", ca], capture_output=True, text=True).stdout
        with open(ca, "rb") as f:
            pem = f.read()
        for name in ["ca-certificates.crt", *([found.strip() + ".0"] if found else [])]:
            with open(f"{folder}/{name}", "wb") as f:
                f.write(pem)

    def _anchors(self):
        """The trust anchor as programs want it: root.key (DNSKEY), root.ds, and bind.keys for delv."""
        signer = self.data.zones["."].signer
        key = base64.b64encode(signer.dnskey[4:]).decode()
        tag, ds = signer.tag, signer.ds()[4:].hex().upper()
        for name, text in (("root.key", f". 300 IN DNSKEY 257 3 13 {key}\n"), ("root.ds", f". 300 IN DS {tag} 13 2 {ds}\n"),
                           ("root.hints", ". 3600 IN NS ns.sim.\n" + "".join(
                               f"ns.sim. 3600 IN {'AAAA' if ':' in a else 'A'} {a}\n" for a in self.scenario.dns)),
                           ("bind.keys", f'trust-anchors {{ . static-key 257 3 13 "{key}"; }};\n')):
            with open(f"{self.directory}/{name}", "w") as f:
                f.write(text)

    def association(self, selector, matching, words):
        """Data of `TLSA u s m of HOST [KIND]`, `of ca`, `wrong`, or hexadecimal digits."""
        if words[0] == "wrong":
            return b"\x11" * {0: 64, 1: 32, 2: 64}.get(matching, 32)
        if words[0] != "of":
            return bytes.fromhex("".join(words))
        if words[1] == "ca":
            return self.certificates.tlsa(["ca"], "good", selector, matching)
        name = words[1].rstrip(".").lower()
        host = self.hosts.get(name)
        if not host:  # a peer, whose certificate is made for its name
            return self.certificates.tlsa([name], words[2] if len(words) > 2 else "good", selector, matching)
        kind = words[2] if len(words) > 2 else host.certificate_kind()
        return self.certificates.tlsa(host.certificate_names(), kind, selector, matching)

    # --- for hosts

    def later(self, seconds, function, *arguments):
        async def wait():
            await asyncio.sleep(seconds)
            await function(*arguments)
        task = asyncio.create_task(wait())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def dsn(self, *arguments):
        await dsn.send(*arguments)

    # --- commands of the launcher

    def _command(self):
        try:
            octets = self.control.recv(65536)
        except OSError:
            octets = b""
        if not octets:
            self.done.set()
            return
        request = json.loads(octets)
        descriptors = []
        try:
            result = getattr(self, "do_" + request.pop("do"))(descriptors, **request)
            answer = {"result": result}
        except (ScenarioError, KeyError, OSError, ValueError, IndexError) as why:
            answer = {"error": f"{type(why).__name__}: {why}"}
        socket.send_fds(self.control, [json.dumps(answer).encode()], descriptors)
        for fd in descriptors:
            os.close(fd)

    def do_socket(self, descriptors, family, datagram):
        sock = socket.socket(socket.AF_INET6 if family == 6 else socket.AF_INET,
                             socket.SOCK_DGRAM if datagram else socket.SOCK_STREAM)
        descriptors.append(sock.detach())

    def do_advance(self, _descriptors, seconds):
        self.clock.advance(seconds)
        return self.clock.now()

    def do_certificate(self, _descriptors, names, kind):
        return self.certificates.files(names, kind)

    def do_record(self, _descriptors, zone, line):
        """A record more, in the words of a zone: NAME TYPE DATA."""
        zone = self.data.zones[ascii_name(zone)]
        name, rtype, *words = split_words(line)
        zone.add(within(name.text, zone.name), rtype.text.upper(), words, self.association)

    def do_remove(self, _descriptors, zone, name, rtype):
        if rtype and rtype not in TYPES:
            raise ValueError(f"no type {rtype}")
        zone = self.data.zones[ascii_name(zone)]
        zone.remove(within(name, zone.name), rtype)

    def do_fault(self, _descriptors, zone, line):
        description = self.data.zones[ascii_name(zone)].description
        if line is None:
            description.faults.clear()
        else:
            description.faults.append(parse_fault(description, shlex.split(line)))


async def serve(directory, control):
    engine = Engine(directory, control)
    await engine.start()
    control.send(json.dumps({"result": "ready"}).encode())
    await engine.done.wait()


def main():
    directory, fd = sys.argv[1], int(sys.argv[2])
    control = socket.socket(fileno=fd)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        asyncio.run(serve(directory, control))
    except (OSError, ScenarioError, ValueError, KeyError) as why:
        control.send(json.dumps({"error": f"{type(why).__name__}: {why}"}).encode())
        raise


if __name__ == "__main__":
    main()
