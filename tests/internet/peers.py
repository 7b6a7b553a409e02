"""Real mail servers inside the simulated internet: a second buzon, Postfix, OpenSMTPD."""
import grp
import imaplib
import os
import pwd
import shutil
import signal
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class CannotRun(Exception):
    """This machine or user cannot run the peer; the test is skipped with this text."""


class Peer:
    def __init__(self, net, description):
        self.net, self.description, self.name = net, description, description.name
        self.addresses = description.addresses
        self.dir = f"{net.dir}/peers/{self.name}"
        os.makedirs(self.dir, exist_ok=True)
        self.domains = [d for line in description.settings.get("domains", []) for d in line]

    def one(self, name, default=""):
        return " ".join(self.description.settings.get(name, [[default]])[-1])

    def certificate(self):
        return self.net.certificate(self.name, kind=self.one("tls", "good"))

    def run(self, *args, check=True, **options):
        done = self.net.run(list(args), **options)
        if check and done.returncode:
            raise RuntimeError(f"{self.name}: {' '.join(args)}: {done.stderr or done.stdout}")
        return done

    def wait_port(self, port, seconds=20):
        end = time.monotonic() + seconds
        while True:
            try:
                self.net.connect(self.name, port, timeout=2).close()
                return
            except OSError:
                if time.monotonic() > end:
                    raise RuntimeError(f"{self.name} does not answer on port {port}: {self.log_text()}") from None
                time.sleep(0.02)

    def log_text(self):
        try:
            with open(f"{self.dir}/log", errors="replace") as f:
                return f.read()[-5000:]
        except FileNotFoundError:
            return "there is no log"


class Buzon(Peer):
    """accounts NAME@DOMAIN…, their passwords are password-of-NAME; conf TEXT adds to the configuration."""

    LISTEN = {"smtp": 25, "submission": 587, "submissions": 465, "imap": 143, "imaps": 993, "pop3": 110, "pop3s": 995}

    def start(self):
        self.program = os.path.abspath(os.environ.get("BUZON", f"{ROOT}/build/src/cli/buzon"))
        if not os.access(self.program, os.X_OK):
            raise CannotRun(f"{self.program} is not built")
        os.makedirs(f"{self.dir}/data", exist_ok=True)
        self.conf = f"{self.dir}/buzon.conf"
        chain, key = self.certificate()
        lines = [f'hostname = "{self.name}"', f'data = "{self.dir}/data"',
                 f'tls {{ certificate = "{chain}" key = "{key}" }}']
        for service, port in self.LISTEN.items():
            listed = ", ".join(f'"[{a}]:{port}"' if ":" in a else f'"{a}:{port}"' for a in self.addresses)
            lines.append(f'listen "{service}" {{ address = {{{listed}}} }}')
        lines.append(f'dns {{ server = "{self.net.scenario.dns[0]}@53" trust-anchor = "{self.net.root_key}" }}')
        lines += [" ".join(line) for line in self.description.settings.get("conf", [])]
        with open(self.conf, "w") as f:
            f.write("\n".join(lines) + "\n")
        for domain in self.domains:
            self.buzon("domain", "add", domain)
        for line in self.description.settings.get("accounts", []):
            for account in line:
                self.buzon("account", "add", account, input=f"password-of-{account.partition('@')[0]}\n")
        self.serve()

    def serve(self):
        """Also after `stop` or `kill`: the data is still there."""
        self.log = open(f"{self.dir}/log", "ab")
        self.process = self.net.popen([self.program, "-c", self.conf, "serve"], stdout=self.log, stderr=self.log,
                                      start_new_session=True)
        self.wait_port(25)

    def kill(self):
        """SIGKILL to all of its processes at once, as a crash of the machine would."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=20)
        self.log.close()
        self._wait_closed(25)

    def _wait_closed(self, port, seconds=10):
        """The role that holds the socket may end a moment after the supervisor."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                self.net.connect(self.name, port, timeout=2).close()
            except OSError:
                return
            time.sleep(0.02)

    def buzon(self, *args, **options):
        return self.run(self.program, "-c", self.conf, *args, **options)

    def imap(self, account):
        """imaplib's client, signed in."""
        net, peer = self.net, self

        class Client(imaplib.IMAP4):
            def _create_socket(self, _timeout):
                return net.connect(peer.name, 143)
        client = Client(self.name)
        client.starttls()
        client.login(account, f"password-of-{account.partition('@')[0]}")
        return client

    def stop(self):
        if hasattr(self, "process") and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=20)
            self.log.close()


MASTER = """
smtp      inet  n - n - - smtpd
pickup    unix  n - n 60 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp      unix  - - n - - smtp
relay     unix  - - n - - smtp
showq     unix  n - n - - showq
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
lmtp      unix  - - n - - lmtp
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
"""


class Postfix(Peer):
    """Takes mail for its domains and hands it to the engine by LMTP, so that the journal shows it under the peer's
    name. Relays for its own addresses: connect with source=ADDRESS of the peer. `set NAME VALUE` for main.cf."""

    def start(self):
        if not shutil.which("postfix", path="/usr/sbin:/usr/bin"):
            raise CannotRun("there is no Postfix on this machine")
        if "-Urnm" in self.net.options:
            raise CannotRun("Postfix needs root outside of user namespaces, for its users")
        self.conf = f"{self.dir}/etc"
        for name in ("etc", "data", "spool"):
            os.makedirs(f"{self.dir}/{name}", exist_ok=True)
        os.chown(f"{self.dir}/data", pwd.getpwnam("postfix").pw_uid, -1)
        with open(f"{self.conf}/master.cf", "w") as f:
            f.write(MASTER)
        with open(f"{self.conf}/main.cf", "w") as f:
            f.write("".join(f"{name} = {value}\n" for name, value in self._settings().items()))
        self._queue_directories()
        # The script `postfix start` checks for seconds what was just made; its last step is this.
        self.run("/usr/lib/postfix/sbin/master", "-c", self.conf, "-w")
        self.wait_port(25)

    def _queue_directories(self):
        """As post-install makes them: of the mail system's user, two of them open to its group."""
        user, group = pwd.getpwnam("postfix").pw_uid, grp.getgrnam("postdrop").gr_gid
        for name in ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "maildrop", "private",
                     "public", "saved", "trace", "pid"):
            path = f"{self.dir}/spool/{name}"
            os.makedirs(path, exist_ok=True)
            os.chown(path, 0 if name == "pid" else user, group if name in ("maildrop", "public") else -1)
            os.chmod(path, {"maildrop": 0o1730, "public": 0o710, "pid": 0o755}.get(name, 0o700))

    def _settings(self):
        chain, key = self.certificate()
        own = [f"[{a}]" if ":" in a else a for a in self.addresses]
        out = {
            "compatibility_level": "3.6", "myhostname": self.name, "mydestination": "", "maillog_file": f"{self.dir}/log",
            "maillog_file_prefixes": self.dir, "queue_directory": f"{self.dir}/spool", "data_directory": f"{self.dir}/data",
            "inet_interfaces": ", ".join(own), "inet_protocols": "all" if any(":" in a for a in self.addresses) else "ipv4",
            "mynetworks": ", ".join([f"{a}/128" if "[" in a else f"{a}/32" for a in own]),
            "virtual_mailbox_domains": ", ".join(self.domains), "virtual_mailbox_maps": "static:all", "alias_maps": "",
            "virtual_transport": f"lmtp:inet:{own[0]}:24",
            "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination",
            "smtp_dns_support_level": "dnssec", "smtp_host_lookup": "dns", "smtp_tls_security_level": "dane",
            "smtp_tls_CAfile": self.net.ca_file, "smtp_tls_loglevel": "1", "smtpd_tls_security_level": "may",
            "smtpd_tls_chain_files": f"{key}, {chain}", "queue_run_delay": "2s", "minimal_backoff_time": "2s",
            "maximal_backoff_time": "10s", "smtputf8_enable": "yes", "append_dot_mydomain": "no",
            "smtp_address_preference": "ipv4"}
        for address in self.addresses:
            out["smtp_bind_address6" if ":" in address else "smtp_bind_address"] = address
        for name, *value in self.description.settings.get("set", []):
            out[name] = " ".join(value)
        return out

    def stop(self):
        try:
            with open(f"{self.dir}/spool/pid/master.pid") as f:
                os.kill(int(f.read()), signal.SIGTERM)
        except (FileNotFoundError, ProcessLookupError, ValueError):
            pass  # it did not come so far


class OpenSmtpd(Peer):
    """Used when the program smtpd is there (Debian's package excludes postfix)."""

    def start(self):
        self.program = shutil.which("smtpd", path="/usr/sbin:/usr/local/sbin")
        if not self.program:
            raise CannotRun("there is no OpenSMTPD on this machine")
        if "-Urnm" in self.net.options:
            raise CannotRun("OpenSMTPD needs root outside of user namespaces, for its users")
        chain, key = self.certificate()
        os.chmod(key, 0o600)
        conf = f"{self.dir}/smtpd.conf"
        listeners = [f"listen on {a} port 25 tls pki here hostname {self.name}" for a in self.addresses]
        sources = ", ".join(f'"{a}"' for a in self.addresses)
        quoted = ", ".join(f'"{d}"' for d in self.domains)
        lines = [f'pki here cert "{chain}"', f'pki here key "{key}"', *listeners,
                 f'table sources {{ {sources} }}',
                 f'action "sink" lmtp "{self.addresses[0]}:24" rcpt-to virtual <all>',
                 f'action "out" relay src <sources> helo "{self.name}"',
                 f'match from any for domain {{ {quoted} }} action "sink"', 'match from src <sources> for any action "out"']
        with open(conf, "w") as f:
            f.write('table all { "@" = "nobody" }\n' + "\n".join(lines) + "\n")
        self.log = open(f"{self.dir}/log", "ab")
        self.process = self.net.popen([self.program, "-d", "-f", conf], stdout=self.log, stderr=self.log,
                                      start_new_session=True)
        self.wait_port(25)

    def stop(self):
        if hasattr(self, "process") and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=20)
            self.log.close()


KINDS = {"buzon": Buzon, "postfix": Postfix, "opensmtpd": OpenSmtpd}
