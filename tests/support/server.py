"""A buzon server of one's own for a test: a directory, ports on loopback, accounts, and its processes."""
import itertools
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SERVICES = ["smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s"]
_people = itertools.count(1)
_given = set()
_chance = random.SystemRandom()


def last_listening_port():
    """Ports above are the kernel's to give to connections: one of them could be in use when a server comes back."""
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range") as f:
            first = int(f.read().split()[0])
    except OSError:
        first = 32768
    return first - 1 if first > 15000 else 65535


def free_port():
    """One that nobody listens on, and that no other call gave."""
    while True:
        port = _chance.randint(10000, last_listening_port())
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in _given:
            _given.add(port)
            return port


def quick_base(bytes_wanted):
    """Where a test that keeps much puts it when the disk itself is not what it tests: memory, when there is enough."""
    try:
        stat = os.statvfs("/dev/shm")
    except OSError:
        return None
    return "/dev/shm" if stat.f_bavail * stat.f_frsize >= bytes_wanted else None


def certificate(directory):
    """One self-signed certificate for all tests of a run; RSA beside ECDSA would only take longer."""
    key, chain = f"{directory}/key.pem", f"{directory}/certificate.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "30", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost,DNS:mx.example.org,IP:127.0.0.1",
                    "-keyout", key, "-out", chain], check=True, stderr=subprocess.DEVNULL)
    return chain, key


class Server:
    def __init__(self, buzon=None, extra="", accounts=("ana", "bob"), tls=True, tls_extra="", base=None, data=None):
        self.buzon = os.path.abspath(buzon or os.environ.get("BUZON", f"{ROOT}/build/src/cli/buzon"))
        self.dir = tempfile.mkdtemp(prefix="buzon-test-", dir=base)
        self.data = data or f"{self.dir}/data"
        os.makedirs(self.data, exist_ok=True)
        self.conf = f"{self.dir}/buzon.conf"
        self.ports = {name: free_port() for name in SERVICES}
        self.lmtp = f"{self.dir}/lmtp"
        self.process = None
        self.extra = extra
        if tls:
            self.chain, self.key = certificate(self.dir)
        self.tls = tls
        self.tls_extra = tls_extra
        self.write_conf()
        self.run("domain", "add", "example.org")
        for name in accounts:
            self.add_account(name)
        self.log_path = f"{self.dir}/log"

    def write_conf(self):
        lines = ['hostname = "mx.example.org"', f'data = "{self.data}"']
        for name, port in self.ports.items():
            if self.tls or not name.endswith("s"):
                lines.append(f'listen "{name}" {{ address = "127.0.0.1:{port}" }}')
        lines.append(f'listen "lmtp" {{ address = "unix:{self.lmtp}" }}')
        if self.tls:
            lines.append(f'tls {{ certificate = "{self.chain}" key = "{self.key}" {self.tls_extra} }}')
        if "limits" not in self.extra:
            lines.append("limits { connections-per-minute = 100000 connections-per-client = 5000 "
                         "submissions-per-hour = 100000 submission-recipients-per-day = 1000000 }")
        lines.append(self.extra)
        with open(self.conf, "w") as f:
            f.write("\n".join(lines) + "\n")

    def add_account(self, name):
        self.run("account", "add", f"{name}@example.org", stdin=f"password-of-{name}\n")

    def person(self):
        """A new account, for a test that wants its mailboxes empty."""
        name = f"person{next(_people)}"
        self.add_account(name)
        return name

    def is_sanitized(self):
        with open(self.buzon, "rb") as f:
            return b"__asan_init" in f.read()

    def run(self, *args, stdin=None, check=True, env=None):
        done = subprocess.run([self.buzon, "-c", self.conf, *args], input=stdin, text=True, capture_output=True,
                              env={**os.environ, "LC_ALL": "C.UTF-8", **(env or {})}, timeout=120)
        if check and done.returncode:
            raise AssertionError(f"buzon {' '.join(args)}: {done.returncode}: {done.stderr}")
        return done

    def json(self, *args):
        return [json.loads(line) for line in self.run("--json", *args).stdout.splitlines()]

    def start(self, wait=True):
        self.log = open(self.log_path, "ab")
        self.process = subprocess.Popen([self.buzon, "-c", self.conf, "serve"], stderr=self.log, stdout=self.log,
                                        start_new_session=True)
        if wait:
            self.wait_ready()
        return self

    def status(self):
        try:
            with open(f"{self.data}/run/status.json") as f:
                return json.load(f)
        except (OSError, ValueError):
            return None

    def wait_ready(self, timeout=30):
        end = time.time() + timeout
        while time.time() < end:
            status = self.status()
            if status and status["ready"] and status["pid"] == self.process.pid:
                return
            if self.process.poll() is not None:
                raise AssertionError("the server ended: " + self.log_text()[-3000:])
            time.sleep(0.005)
        raise AssertionError("the server is not ready: " + self.log_text()[-3000:])

    def pids(self, role=None):
        status = self.status()
        return [r["pid"] for r in (status["roles"] if status else []) if (role is None or r["role"] == role) and r["pid"]]

    def tree(self):
        """The supervisor and all its children, also when it has not said yet who they are."""
        pid = self.process.pid
        try:
            with open(f"/proc/{pid}/task/{pid}/children") as f:
                return [pid, *map(int, f.read().split())]
        except OSError:
            return [pid]

    def log_text(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def stop(self, kill=False):
        if not self.process:
            return None
        if kill:
            os.killpg(self.process.pid, signal.SIGKILL)
        elif self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=20)
        self.forget()
        return code

    def forget(self):
        """The process is gone."""
        self.process = None
        self.log.close()

    def keep_log(self):
        """Beyond close, for whoever looks for what went wrong."""
        kept = shutil.copy(self.log_path, f"{tempfile.gettempdir()}/{os.path.basename(self.dir)}.log")
        print(f"the server's log: {kept}")

    def close(self):
        if self.process:
            self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)
