"""Starts a simulated internet and gives tests their way into it."""
import json
import os
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
import tempfile
import threading

from . import namespace
from .journal import Reader
from .peers import KINDS
from .scenario import ascii_name, parse

HERE = os.path.dirname(os.path.abspath(__file__))


class NoNamespaces(Exception):
    """This machine or user may not make network namespaces; tests are skipped with this text."""


class Internet:
    """with Internet("FILE or text") as net: …  See docs/internet.md for what `net` can do."""

    def __init__(self, source, directory=None):
        if "\n" in source:
            self.text, self.folder = source, HERE + "/scenarios"
        else:
            path = source if os.path.exists(source) else f"{HERE}/scenarios/{source}"
            with open(path, encoding="utf-8") as f:
                self.text, self.folder = f.read(), os.path.dirname(os.path.abspath(path))
        self.scenario = parse(self.text, self.folder)  # mistakes are found before anything starts
        self.wanted, self.dir = directory, None
        self.engine = self.control = None
        self.peers, self.lock = {}, threading.Lock()

    # --- life

    def __enter__(self):
        self.options, why = namespace.unshare_options()
        if not self.options:
            raise NoNamespaces(why)
        self.dir = self.wanted or tempfile.mkdtemp(prefix="internet-")
        os.chmod(self.dir, 0o755)  # peers run under users of their own
        for name, text in (("scenario", self.text), ("folder", self.folder)):
            with open(f"{self.dir}/{name}", "w", encoding="utf-8") as f:
                f.write(text)
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.log = open(f"{self.dir}/engine.log", "wb")
        self.engine = subprocess.Popen(
            ["unshare", *self.options, sys.executable, "-m", "internet.engine", self.dir, str(theirs.fileno())],
            pass_fds=[theirs.fileno()], stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.path.dirname(HERE), "PYTHONUNBUFFERED": "1"}, start_new_session=True)
        theirs.close()
        self.journal = Reader(self.dir)
        self.ca_file, self.root_key = f"{self.dir}/tls/ca.pem", f"{self.dir}/root.key"
        try:
            self._answer(timeout=60)
            self._start_peers()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def _start_peers(self):
        for description in self.scenario.peers.values():
            self.peers[description.name] = KINDS[description.kind](self, description)
            self.peers[description.name].start()

    def __exit__(self, *_):
        for peer in self.peers.values():
            peer.stop()
        if self.engine.poll() is None:
            for sign in (signal.SIGTERM, signal.SIGKILL):  # whoever is left inside was started by this test
                for pid in namespace.members(self.engine.pid):
                    try:
                        os.kill(pid, sign)
                    except OSError:
                        continue
        self.control.close()
        try:
            self.engine.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.engine.kill()
            self.engine.wait()
        self.log.close()
        if not self.wanted:
            shutil.rmtree(self.dir, ignore_errors=True)

    # --- commands to the engine

    def _answer(self, timeout=30):
        self.control.settimeout(timeout)
        octets, descriptors, _, _ = socket.recv_fds(self.control, 65536, 4)
        answer = json.loads(octets) if octets else {"error": self._log_text() or "it ended without a word"}
        if "error" in answer:
            raise RuntimeError("the simulated internet: " + answer["error"])
        return answer["result"], descriptors

    def _log_text(self):
        with open(f"{self.dir}/engine.log", errors="replace") as f:
            return f.read()[-3000:]

    def _ask(self, command, **arguments):
        with self.lock:
            self.control.send(json.dumps({"do": command, **arguments}).encode())
            return self._answer()

    def advance(self, seconds):
        """Moves the clock of rules on: greylists pass, bans end."""
        return self._ask("advance", seconds=seconds)[0]

    def certificate(self, *names, kind="good"):
        """Paths of a chain and a key for a server of the test's own."""
        return tuple(self._ask("certificate", names=list(names), kind=kind)[0])

    def record(self, zone, line):
        """Adds a record to a zone: net.record("alpha.example", '@ TXT "v=spf1 -all"')."""
        self._ask("record", zone=zone, line=line)

    def remove(self, zone, name, rtype=None):
        self._ask("remove", zone=zone, name=name, rtype=rtype)

    def fault(self, zone, line=None):
        """Adds a fault to a zone ("mx1 A servfail times 2"); without a line the zone has no faults any more."""
        self._ask("fault", zone=zone, line=line)

    # --- ways in

    def command(self, args, directory=None):
        """The words that run a command inside."""
        return [*namespace.enter_command(self.engine.pid, "-Urnm" in self.options, directory or os.getcwd()), *args]

    @property
    def env(self):
        return {**os.environ, "LC_ALL": "C.UTF-8", "INTERNET": self.dir}

    def popen(self, args, **options):
        options.setdefault("env", self.env)
        return subprocess.Popen(self.command(args, options.pop("cwd", None)), **options)

    def run(self, args, **options):
        """subprocess.run inside; output is captured as text."""
        options = {"env": self.env, "capture_output": True, "text": True, "timeout": 60, **options}
        return subprocess.run(self.command(args, options.pop("cwd", None)), **options)

    def addresses(self, name):
        """The addresses of a host or peer, or the address itself."""
        name = name.rstrip(".").lower()
        found = self.scenario.peers.get(name) or self.scenario.hosts.get(name)
        return found.addresses if found else [name]

    def socket(self, family=4, datagram=False):
        """A socket that lives inside, for this process: connect, bind or listen with it."""
        _, descriptors = self._ask("socket", family=family, datagram=datagram)
        return socket.socket(fileno=descriptors[0])

    def connect(self, host, port, timeout=10, source=None, address=None):
        """A connection to a host's first address (or `address`), from the client's address or from `source`."""
        address = address or self.addresses(host)[0]
        sock = self.socket(6 if ":" in address else 4)
        try:
            sock.settimeout(timeout)
            if source:
                sock.bind((source, 0))
            sock.connect((address, port))
        except BaseException:
            sock.close()
            raise
        return sock

    def smtp(self, host, port=25, timeout=10, source=None, address=None, helo=None, lmtp=False):
        """smtplib's client, connected inside."""
        net = self

        class Client(smtplib.LMTP if lmtp else smtplib.SMTP):
            def _get_socket(self, *_):
                return net.connect(host, port, timeout, source, address)

            def connect(self, *_arguments, **_options):
                self.sock = self._get_socket()
                self.file = None
                return self.getreply()
        client = Client(local_hostname=helo or self.scenario.client_name)
        client.greeting = client.connect()
        client._host = ascii_name(host).rstrip(".")  # noqa: SLF001 (the name that STARTTLS checks)
        return client
