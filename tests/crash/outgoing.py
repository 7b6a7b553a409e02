"""Mail on its way out: who submits it, what was promised for each recipient, and what must have become of it."""
import collections
import threading
import time
from typing import NamedTuple

from crash.ledger import digest
from crash.senders import SubmissionWorker, accepted

# Mostly good ones, as in life.
KINDS = ("take", "take", "take", "take", "later1", "later2", "never", "drop1", "drop2")
RECIPIENTS_MAX = 3
PACE_S = 0.05
# Between the sink's answer and the commit that notes it, with other work on the machine.
LATE_S = 3


class Promise(NamedTuple):
    """One recipient of a message that was submitted."""
    sender: str
    token: str
    recipient: str
    digest: bytes

    def fails(self):
        return self.recipient.startswith("never-")


class Outgoing:
    """promises: outcome of the submission, "acknowledged" or "unknown": lists of the recipients of one message."""

    def __init__(self):
        self.lock = threading.Lock()
        self.promises = collections.defaultdict(list)

    def note(self, outcome, group):
        with self.lock:
            self.promises[outcome].append(group)

    def known(self):
        """{recipient: Promise} of all."""
        return {p.recipient: p for groups in self.promises.values() for group in groups for p in group}


class OutgoingWorker(SubmissionWorker):
    """One to three recipients elsewhere with different fates in each message."""

    def __init__(self, load, number, account, outgoing, domains):
        self.account, self.outgoing, self.domains = account, outgoing, domains
        super().__init__(load, number)

    def turn(self):
        c = self.connected()
        sender = f"{self.account}@example.org"
        token, content = self.texts.message(sender=sender, recipient="far@remote.example")
        kinds = self.random.choices(KINDS, k=self.random.randint(1, RECIPIENTS_MAX))
        group = [Promise(sender, token, f"{kind}-{token}-{n}@{self.random.choice(self.domains)}", digest(content))
                 for n, kind in enumerate(kinds)]
        accepted(c.mail(sender))
        for p in group:
            accepted(c.rcpt(p.recipient))
        outcome = "unknown"
        try:
            accepted(c.data(content))
            outcome = "acknowledged"
        finally:
            self.outgoing.note(outcome, group)
        time.sleep(PACE_S)


class NextTimes:
    """Rows that wait for their time: between a look and a retry by hand nobody may try them before it."""

    def __init__(self, server, sink):
        self.server, self.sink = server, sink
        self.held, self.violations, self.seen = {}, [], set()

    def look(self):
        """A row that has waited since an earlier look waits for the same time: a restart changes nothing about it."""
        now_rows = {r["recipient"]: r for r in self.server.json("queue", "list")}
        at = time.time()
        for recipient, row in now_rows.items():
            if not row["attempts"] or row["next_at"] <= at + 1:
                continue
            _, known = self.held.setdefault(recipient, (at, row["next_at"]))
            self.seen.add(recipient)
            if known != row["next_at"]:
                self.violations.append(f"{recipient} waited until {known} and now until {row['next_at']}")
        for recipient in self.held.keys() - now_rows.keys():
            self.violations.append(f"{recipient} left the queue before its time")
        return now_rows

    def retry(self):
        """By hand: all at once, with no regard to their times."""
        self.look()
        with self.sink.lock:
            attempts = list(self.sink.attempts)
        for when, recipient in attempts:
            since, until = self.held.get(recipient, (when, when))
            if since < when < until:
                self.violations.append(f"{recipient} was tried {until - when:.0f} s before its time")
        self.held = {}
        return len(self.server.json("queue", "retry", "all"))


class Verdict:
    """What became of all that was submitted."""

    def __init__(self, outgoing, sink, notices, kill_times):
        self.outgoing, self.sink, self.notices, self.kill_times = outgoing, sink, notices, sorted(kill_times)
        self.violations, self.counts, self.gaps = [], collections.Counter(), []
        self.known = outgoing.known()
        for outcome, groups in outgoing.promises.items():
            for group in groups:
                self.group(outcome, group)
        for recipient in (sink.deliveries.keys() | notices.keys()) - self.known.keys():
            self.wrong("strange", f"{recipient} was never sent to")

    def wrong(self, kind, text):
        self.violations.append((kind, text))

    def group(self, outcome, group):
        ended = [self.one(p) for p in group]
        if outcome == "acknowledged":
            for p, e in zip(group, ended):
                if not e:
                    self.wrong("lost", f"{p.recipient} got nothing and {p.sender} was not told")
        elif len(set(ended)) > 1:
            self.wrong("torn", f"of {[p.recipient for p in group]} some were accepted, some not")
        self.counts[outcome] += 1
        self.counts["recipients"] += len(group) if ended[0] else 0

    def one(self, p):
        """Whether its end is known."""
        deliveries, told = self.sink.deliveries.get(p.recipient, []), self.notices.get(p.recipient, [])
        if any(d.token != p.token or d.digest != p.digest for d in deliveries):
            self.wrong("content", f"{p.recipient} got something else")
        if len(told) > 1:
            self.wrong("told twice", f"{p.sender} was told {len(told)} times of {p.recipient}")
        if told and (not p.fails() or told[0] != p.sender):
            self.wrong("told wrongly", f"{told[0]} was told of {p.recipient}")
        self.repeated(p, deliveries)
        self.counts["delivered"] += bool(deliveries)
        self.counts["returned"] += bool(told)
        return bool(deliveries or told)

    def repeated(self, p, deliveries):
        """Each needs a kill right after the time before: the answer was under way."""
        for first, second in zip(deliveries, deliveries[1:]):
            self.counts["repeated"] += 1
            after = [k for k in self.kill_times if first.at - 0.1 < k < min(first.at + LATE_S, second.at)]
            if after:
                self.gaps.append(after[0] - first.at)
            else:
                self.wrong("repeated", f"{p.recipient} got it at {first.at} and {second.at}, without a kill between")

    def number(self, kind):
        return sum(1 for k, _ in self.violations if k == kind)
