"""Where a mail client works: a home directory of its own, files in it, programs run in it."""
import os
import pty
import shutil
import select
import subprocess
import tempfile
import time


class Desk:
    def __init__(self, base=None):
        self.dir = tempfile.mkdtemp(prefix="buzon-desk-", dir=base)
        # Nothing of the caller's: no configuration, no proxy, no agent, no address that sendmail would guess.
        self.env = {"HOME": self.dir, "PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TERM": "xterm",
                    "TMPDIR": self.dir, "EMAIL": "ana@example.org", "TZ": "UTC"}

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def write(self, name, text, mode=0o600):
        path = self.path(name)
        with open(path, "wb") as f:
            f.write(text if isinstance(text, bytes) else text.encode())
        os.chmod(path, mode)
        return path

    def run(self, *args, stdin=b"", status=0, timeout=180):
        """status: the exit status the program must end with, a tuple of them, or None for any."""
        done = subprocess.run(args, input=stdin.encode() if isinstance(stdin, str) else stdin, cwd=self.dir,
                              env=self.env, capture_output=True, timeout=timeout)
        done.text = (done.stdout + done.stderr).decode(errors="replace")
        wanted = status if isinstance(status, tuple) else (status,)
        assert status is None or done.returncode in wanted, f"{args}: {done.returncode}\n{done.text[-3000:]}"
        return done

    def start(self, *args):
        """A program that goes on; the caller ends it."""
        return subprocess.Popen(args, cwd=self.dir, env=self.env, stdin=subprocess.DEVNULL,
                                stdout=open(self.path("output"), "wb"), stderr=subprocess.STDOUT)

    def on_terminal(self, *args, timeout=120):
        """For programs that want a terminal: runs it on one, gives back the exit status and what was shown."""
        master, slave = pty.openpty()
        process = subprocess.Popen(args, cwd=self.dir, env=self.env, stdin=slave, stdout=slave, stderr=slave,
                                   start_new_session=True)
        os.close(slave)
        shown, end = b"", time.time() + timeout
        while time.time() < end:
            if not select.select([master], [], [], 1)[0]:
                continue
            try:
                data = os.read(master, 65536)
            except OSError:      # EIO: the last one has closed the other end
                data = b""
            if not data:
                break
            shown += data
        else:
            process.kill()
        os.close(master)
        return process.wait(timeout=20), shown.decode(errors="replace")

    def close(self):
        shutil.rmtree(self.dir, ignore_errors=True)
