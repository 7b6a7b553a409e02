"""A private Dovecot to compare with: its own directory, loopback, one user for each test, memory of nothing.

Only for tests that are skipped where it is not installed.
"""
import getpass
import os
import shutil
import socket
import subprocess
import tempfile
import time

CONF = """base_dir = {dir}/run
state_dir = {dir}/state
log_path = {dir}/log
protocols = imap pop3
listen = 127.0.0.9
ssl = no
disable_plaintext_auth = no
{internal}
passdb {{
  driver = static
  args = password=secret
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={dir}/mail/%n allow_all_users=yes
}}
first_valid_uid = {first_uid}
auth_username_format = %n
mail_location = sdbox:~/mail
mail_max_userip_connections = 100
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Drafts {{
    auto = create
    special_use = \\Drafts
  }}
  mailbox Sent {{
    auto = create
    special_use = \\Sent
  }}
  mailbox Junk {{
    auto = create
    special_use = \\Junk
  }}
  mailbox Trash {{
    auto = create
    special_use = \\Trash
  }}
  mailbox Archive {{
    auto = create
    special_use = \\Archive
  }}
}}
service anvil {{
  {chroot}
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
  {chroot}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = 0
  }}
  {chroot}
}}
service stats {{
  {chroot}
}}
"""


def find():
    return shutil.which("dovecot") or shutil.which("dovecot", path="/usr/sbin:/usr/local/sbin")


def has_imap():
    return find() and os.path.exists("/usr/lib/dovecot/imap")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.9", 0))
        return s.getsockname()[1]


class Dovecot:
    host = "127.0.0.9"

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="dovecot-test-")
        os.chmod(self.dir, 0o755)
        self.imap, self.pop3 = free_port(), free_port()
        root = os.geteuid() == 0
        uid, gid = (65534, 65534) if root else (os.getuid(), os.getgid())
        os.mkdir(f"{self.dir}/mail")
        os.chown(f"{self.dir}/mail", uid, gid)
        me = getpass.getuser()
        internal = "" if root else f"default_internal_user = {me}\ndefault_login_user = {me}\n"
        with open(f"{self.dir}/conf", "w") as f:
            f.write(CONF.format(dir=self.dir, imap=self.imap, pop3=self.pop3, uid=uid, gid=gid, internal=internal,
                                chroot="" if root else "chroot =", first_uid=min(uid, 500)))
        self.process = subprocess.Popen([find(), "-F", "-c", f"{self.dir}/conf"], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.STDOUT, start_new_session=True)
        self.wait_ready()

    def wait_ready(self):
        end = time.time() + 20
        while time.time() < end:
            try:
                socket.create_connection((self.host, self.imap), 1).close()
                return
            except OSError:
                if self.process.poll() is not None:
                    raise AssertionError("dovecot ended: " + self.log())
                time.sleep(0.02)
        raise AssertionError("dovecot is not ready: " + self.log())

    def log(self):
        try:
            with open(f"{self.dir}/log", errors="replace") as f:
                return f.read()[-3000:]
        except OSError:
            return ""

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)
