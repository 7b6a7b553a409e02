"""Kills: a role, or the whole tree; and how long it takes until the server does all of its work again."""
import os
import signal
import smtplib
import time

from crash.ledger import Change
from crash.load import BREAKS
from crash.senders import accepted, starts
from support.imap import Imap
from support.processors import Processors
from support.texts import Texts

# core holds the store, so it is killed most; the others as often as one another.
WEIGHTS = {"core": 4}
PATIENCE = 30


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(what, why, patience=PATIENCE):
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if what():
            return
        time.sleep(0.002)
    raise AssertionError(why)


class Probe:
    """A message delivered, a sign-in, a message appended: then it works again."""
    account = "probe"

    def __init__(self, server, ledger):
        self.server, self.ledger, self.texts = server, ledger, Texts(0)

    def deliver(self):
        with smtplib.SMTP("127.0.0.1", self.server.ports["smtp"], timeout=10) as c:
            starts(c)
            accepted(c.mail("load@remote.example"))
            accepted(c.rcpt(f"{self.account}@example.org"))
            token, content = self.texts.message(lines=1)
            with self.ledger.attempt("probe", [Change(self.ledger.new(self.account, token, content), place="INBOX")]):
                accepted(c.data(content))

    def append(self):
        c = Imap(self.server, self.account, timeout=10)
        try:
            token, content = self.texts.message(lines=1)
            with self.ledger.attempt("probe", [Change(self.ledger.new(self.account, token, content), place="INBOX")]):
                c.append("INBOX", content)
            c.select("INBOX")
        finally:
            c.close()

    def wait(self, patience=PATIENCE):
        for step in (self.deliver, self.append):
            until(lambda: self.works(step), f"{step.__name__} does not work again: {self.server.log_text()[-2000:]}",
                  patience)

    @staticmethod
    def works(step):
        try:
            step()
            return True
        except BREAKS:
            return False


class Kills:
    """The choice of what is killed depends on the random generator only: a seed repeats it."""

    def __init__(self, server, ledger, random):
        self.server, self.random, self.probe = server, random, Probe(server, ledger)
        self.role_times, self.tree_times, self.killed = [], [], {}
        self.processors = Processors()

    def note(self, what):
        self.killed[what] = self.killed.get(what, 0) + 1

    # ---- one role ----

    def choose(self):
        roles = self.server.status()["roles"]
        names = sorted({r["role"] for r in roles})
        name = self.random.choices(names, [WEIGHTS.get(n, 1) for n in names])[0]
        return self.random.choice([r for r in roles if r["role"] == name])

    def role(self):
        victim = self.choose()
        begin = time.monotonic()
        os.kill(victim["pid"], signal.SIGKILL)
        until(lambda: self.is_back(victim), f"{victim} does not come back: {self.server.log_text()[-2000:]}")
        self.probe.wait()
        self.role_times.append(time.monotonic() - begin)
        self.note(victim["role"])

    def is_back(self, victim):
        status = self.server.status()
        now = [r for r in status["roles"] if (r["role"], r["index"]) == (victim["role"], victim["index"])]
        return status["ready"] and now and now[0]["pid"] not in (0, victim["pid"])

    # ---- all of them ----

    def tree(self):
        """At once; or the supervisor alone, whom the others follow; and sometimes again while it starts."""
        dice = self.random.random()
        self.down(only_head=dice < 0.25)
        self.note("supervisor" if dice < 0.25 else "tree")
        if self.random.random() < 0.2:
            self.server.start(wait=False)
            time.sleep(self.random.uniform(0, 0.1))
            self.down(only_head=False)
            self.note("tree while it started")
        begin = time.monotonic()
        self.server.start()
        self.probe.wait()
        self.tree_times.append(time.monotonic() - begin)

    def down(self, only_head):
        # A tree that has only just been started has not said yet who is in it.
        pids = self.server.tree()
        # The supervisor is waited for by us, and has waited for the roles that died before.
        self.processors.ends(pids[1:])
        if only_head:
            os.kill(self.server.process.pid, signal.SIGKILL)
            self.server.process.wait()
            until(lambda: not any(map(is_alive, pids)), "roles outlive their supervisor", patience=5)
            self.server.forget()
        else:
            self.server.stop(kill=True)
            until(lambda: not any(map(is_alive, pids)), "SIGKILL does not kill", patience=5)


def percentile(times, part):
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else 0


def line(times):
    return (f"p50 {percentile(times, 0.5):.3f} s, p99 {percentile(times, 0.99):.3f} s, "
            f"max {max(times, default=0):.3f} s, of {len(times)}")
