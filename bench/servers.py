"""The servers that are compared: buzon, and Debian's Postfix and Dovecot with a private configuration each.

Each has its own directory under BASE, ports of its own on loopback, the accounts u0 … u99@bench.test with the
password "bench-secret", and its own default durability. CPU and memory are summed over all processes of a server: living
ones by their threads, ended ones by what their parents waited for.
"""
import os
import pwd
import shutil
import socket
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
USERS = 100
DOMAIN = "bench.test"
TICK = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def descendants(root):
    """The process ids of a server: its first process and all below it."""
    children = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as f:
                children.setdefault(int(f.read().rsplit(") ", 1)[1].split()[1]), []).append(int(pid))
        except (OSError, IndexError):
            pass
    found, rest = [], [root]
    while rest:
        pid = rest.pop()
        found.append(pid)
        rest += children.get(pid, [])
    return found


def process_cpu(pid):
    """Seconds of CPU of one process and of its ended children."""
    total = 0.0
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(") ", 1)[1].split()
    total += (int(fields[13]) + int(fields[14])) / TICK  # ended children that were waited for
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/schedstat") as f:
            total += int(f.read().split()[0]) / 1e9
    return total


def process_pss(pid):
    with open(f"/proc/{pid}/smaps_rollup") as f:
        for line in f:
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def over(pids, figure):
    total = 0
    for pid in pids:
        try:
            total += figure(pid)
        except (OSError, IndexError):
            pass
    return total


def wait_for_port(port, seconds=30):
    end = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)


def certificate(directory):
    key, chain = f"{directory}/key.pem", f"{directory}/certificate.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                    "-subj", f"/CN={DOMAIN}", "-keyout", key, "-out", chain], check=True, stderr=subprocess.DEVNULL)
    return chain, key


class Server:
    """What a load needs to know: name, ports, login(i), and the figures of its processes."""
    name = ""
    password = "bench-secret"

    def __init__(self, base):
        self.dir = f"{base}/{self.name}"
        shutil.rmtree(self.dir, ignore_errors=True)
        os.makedirs(self.dir)
        self.pid = None
        self.ports = {}

    def login(self, i):
        return f"u{i}@{DOMAIN}"

    def cpu(self):
        return over(descendants(self.pid), process_cpu)

    def pss(self):
        return over(descendants(self.pid), process_pss)


class Buzon(Server):
    name = "buzon"

    def __init__(self, base, sink=None, binary=os.environ.get("BUZON", f"{ROOT}/build/src/cli/buzon")):
        super().__init__(base)
        self.sink = sink
        self.binary, self.conf = binary, f"{self.dir}/buzon.conf"
        os.mkdir(f"{self.dir}/data")
        chain, key = certificate(self.dir)
        lines = ['hostname = "mx.bench.test"', f'data = "{self.dir}/data"', f'tls {{ certificate = "{chain}" key = "{key}" }}']
        for service in ("smtp", "submission", "imap", "imaps", "pop3", "pop3s"):
            self.ports[service] = free_port()
            lines.append(f'listen "{service}" {{ address = "127.0.0.1:{self.ports[service]}" }}')
        lines.append('sign-in { plain-without-tls = true }')
        if sink:
            lines.append(f'relay {{ smart-host = "127.0.0.1:{sink}" clear = true }}')
        # One client address stands for many here; nothing else differs from the defaults.
        lines.append("limits { connections-per-minute = 1000000 connections-per-client = 20000 }")
        with open(self.conf, "w") as f:
            f.write("\n".join(lines) + "\n")

    def command(self, *args, stdin=None):
        subprocess.run([self.binary, "-c", self.conf, *args], input=stdin, text=True, check=True, stdout=subprocess.DEVNULL)

    def start(self):
        self.command("domain", "add", DOMAIN)
        for i in range(USERS):
            self.command("account", "add", f"u{i}@{DOMAIN}", stdin=f"{self.password}\n")
        for i in range(10 if self.sink else 0):  # mail for these leaves again, to the sink
            self.command("alias", "add", f"r{i}@{DOMAIN}", f"r{i}@sink.example")
        self.run()

    def run(self):
        self.log = open(f"{self.dir}/log", "ab")
        self.process = subprocess.Popen([self.binary, "-c", self.conf, "serve"], stdout=self.log, stderr=self.log)
        self.pid = self.process.pid
        for port in self.ports.values():
            wait_for_port(port)

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()


DOVECOT = """
base_dir = {dir}/run
state_dir = {dir}/state
log_path = {dir}/log
protocols = imap pop3 lmtp
listen = 127.0.0.1
ssl = yes
ssl_cert = <{chain}
ssl_key = <{key}
disable_plaintext_auth = no
first_valid_uid = 1
mail_fsync = {fsync}
passdb {{
  driver = static
  args = password=bench-secret
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={dir}/mail/%n allow_all_users=yes
}}
auth_username_format = %n
mail_location = {location}
namespace inbox {{
  inbox = yes
}}
mail_max_userip_connections = 20000
default_client_limit = 8000
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
  service_count = 0
  process_min_avail = 2
  client_limit = 8000
  vsz_limit = 2G
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp}
  }}
}}
service imap {{
  process_limit = 6000
}}
service anvil {{
  client_limit = 20000
}}
service auth {{
  client_limit = 20000
}}
service stats {{
  client_limit = 20000
}}
"""


class Dovecot(Server):
    """Debian's Dovecot, login processes reused (its fast mode), a store format by choice."""
    name = "dovecot"

    def __init__(self, base, format="mdbox"):
        self.format = format
        self.name = f"dovecot-{format}"
        super().__init__(base)
        self.ports = {s: free_port() for s in ("imap", "imaps", "pop3", "lmtp")}
        chain, key = certificate(self.dir)
        os.mkdir(f"{self.dir}/mail")
        mail = pwd.getpwnam("mail")
        os.chown(f"{self.dir}/mail", mail.pw_uid, mail.pw_gid)
        location = "maildir:~/Maildir" if format == "maildir" else f"{format}:~/{format}"
        self.conf = f"{self.dir}/dovecot.conf"
        with open(self.conf, "w") as f:
            f.write(DOVECOT.format(dir=self.dir, chain=chain, key=key, location=location, fsync="optimized", **self.ports))

    def start(self):
        self.process = subprocess.Popen(["dovecot", "-F", "-c", self.conf], stdout=subprocess.DEVNULL)
        self.pid = self.process.pid
        for port in self.ports.values():
            wait_for_port(port)

    def stop(self):
        self.process.terminate()
        self.process.wait()


POSTFIX = """
compatibility_level = 3.6
queue_directory = {dir}/spool
data_directory = {dir}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = /var/log/{log}
myhostname = mx.bench.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
alias_maps =
"""


def set_up_postfix(server, settings):
    """Private directories, Debian's own table of services without chroot, smtpd on a port of ours."""
    server.ports = {"smtp": free_port()}
    for sub in ("etc", "spool", "data"):
        os.mkdir(f"{server.dir}/{sub}")
    shutil.chown(f"{server.dir}/data", "postfix")
    for name in ("dynamicmaps.cf", "postfix-files", "post-install", "postfix-script"):
        if os.path.exists(f"/etc/postfix/{name}"):
            shutil.copy(f"/etc/postfix/{name}", f"{server.dir}/etc/{name}")
    server.log = f"/var/log/buzon-bench-{server.name}-{os.getpid()}.log"  # Postfix writes its log below /var only
    write_master(server)
    with open(f"{server.dir}/etc/main.cf", "w") as f:
        f.write(POSTFIX.format(dir=server.dir, log=os.path.basename(server.log)) + settings)


def write_master(server):
    out = []
    with open("/usr/share/postfix/master.cf.dist") as f:
        for line in f:
            words = line.split()
            if len(words) >= 8 and words[1] in ("unix", "inet", "unix-dgram", "fifo") and not line.startswith(("#", " ")):
                if words[1] == "inet":
                    words[0] = f"127.0.0.1:{server.ports['smtp']}"
                words[4] = "n"
                line = " ".join(words) + "\n"
            out.append(line)
    with open(f"{server.dir}/etc/master.cf", "w") as f:
        f.writelines(out)


def start_postfix(server):
    subprocess.run(["postfix", "-c", f"{server.dir}/etc", "start"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for_port(server.ports["smtp"])
    with open(f"{server.dir}/spool/pid/master.pid") as f:
        server.pid = int(f.read())


def stop_postfix(server):
    subprocess.run(["postfix", "-c", f"{server.dir}/etc", "stop"], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if os.path.exists(server.log):
        os.unlink(server.log)


class PostfixRelay(Server):
    """Debian's Postfix, which hands every message on to a sink."""
    name = "postfix-relay"

    def __init__(self, base, sink):
        super().__init__(base)
        set_up_postfix(self, f"relayhost = [127.0.0.1]:{sink}\nrelay_domains = {DOMAIN}\ndisable_dns_lookups = yes\n"
                             "smtp_tls_security_level = none\n")

    def start(self):
        start_postfix(self)

    def stop(self):
        stop_postfix(self)


class PostfixDovecot(Server):
    """Debian's Postfix, which hands every message to Debian's Dovecot by LMTP."""
    name = "postfix"

    def __init__(self, base, dovecot):
        super().__init__(base)
        self.dovecot = dovecot
        users = "".join(f"u{i}@{DOMAIN} u{i}/\n" for i in range(USERS))
        set_up_postfix(self, f"virtual_mailbox_domains = {DOMAIN}\nvirtual_mailbox_maps = texthash:{self.dir}/etc/users\n"
                             f"virtual_transport = lmtp:inet:127.0.0.1:{dovecot.ports['lmtp']}\n")
        with open(f"{self.dir}/etc/users", "w") as f:
            f.write(users)

    def start(self):
        start_postfix(self)

    def stop(self):
        stop_postfix(self)

    def cpu(self):
        return super().cpu() + self.dovecot.cpu()

    def pss(self):
        return super().pss() + self.dovecot.pss()
