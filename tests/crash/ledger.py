"""What may be true of each message: widened before a command is sent, narrowed by what the server says.

A message (of one account) has the places and the sets of flags that it may have. Before a command is sent, what
it would bring about becomes possible too. The server's yes leaves only that, its no takes it away again. When no
answer comes both stay possible, and the message is left alone: whoever was doing it in the server may still be at
it, so for GRACE seconds only the new state, once seen, decides; after that what is seen decides.

Whoever looks into a mailbox tells what was seen. Each thing that may not be is a violation; the test wants none.
"""
import collections
import contextlib
import hashlib
import threading
import time

GONE = "(nowhere)"
GRACE = 4.0


class Refused(Exception):
    """The server said that it did not do it."""


class Trouble(Exception):
    """The server said that it could not say, or the like: the outcome is not known."""


def digest(content):
    return hashlib.sha256(content).digest()


class Message:
    __slots__ = ("account", "token", "digest", "places", "flags", "target", "new_flags", "floors", "open", "busy_until",
                 "seen")

    def __init__(self, account, token, content_digest, flags):
        self.account, self.token, self.digest = account, token, content_digest
        self.places, self.flags = {GONE}, {frozenset(flags)}
        self.target, self.new_flags = None, set()   # what the command under way would bring about
        self.floors = {}            # mailbox: no UID below this can be given to it when it comes there
        self.open = 0               # commands under way
        self.busy_until = 0
        self.seen = False

    def settled(self):
        return not self.open and len(self.places) == 1 and len(self.flags) == 1

    def is_busy(self):
        return self.open > 0 or time.monotonic() < self.busy_until


class Change:
    """One message's part in a command: to another place (GONE too), or to other flags."""

    def __init__(self, message, place=None, flags=None):
        self.message, self.place, self.make_flags = message, place, flags

    def begin(self, ledger):
        m = self.message
        self.places_before, self.flags_before = set(m.places), set(m.flags)
        if self.place is not None:
            m.floors[self.place] = ledger.floors[(m.account, self.place)]
            m.places.add(self.place)
            m.target = self.place
        if self.make_flags:
            self.flags_after = {self.make_flags(f) for f in m.flags}
            m.flags = m.flags | self.flags_after
            m.new_flags = self.flags_after
        m.open += 1

    def end(self, outcome):
        m = self.message
        m.open -= 1
        if outcome == "acknowledged":
            m.places = {self.place} if self.place is not None else m.places
            m.flags = self.flags_after if self.make_flags else m.flags
        elif outcome == "refused":
            m.places = self.places_before if self.place is not None else m.places
            m.flags = self.flags_before if self.make_flags else m.flags
        else:
            m.busy_until = time.monotonic() + GRACE


class Ledger:
    def __init__(self):
        self.lock = threading.RLock()
        self.messages = {}                              # (account, token): Message
        self.by_account = collections.defaultdict(list)
        self.uids = collections.defaultdict(dict)       # (account, mailbox): {uid: token}, for all time
        self.uidls = collections.defaultdict(dict)      # the same of POP3
        self.validities = {}
        self.floors = collections.defaultdict(int)      # (account, mailbox): UIDs below are given out
        self.groups = []                                # of messages that all did or all did not
        self.counts = collections.Counter()             # (kind, outcome)
        self.violations = []

    def violation(self, kind, text):
        with self.lock:
            self.violations.append((kind, f"{time.strftime('%H:%M:%S')} {text}"))

    # ---- what clients do ----

    def new(self, account, token, content, flags=()):
        with self.lock:
            m = Message(account, token, digest(content), flags)
            self.messages[account, token] = m
            self.by_account[account].append(m)
            return m

    def get(self, account, token):
        return self.messages.get((account, token))

    def settled(self, account, tokens):
        """Those of the tokens that can be worked with: where and how they are is known."""
        with self.lock:
            found = [self.get(account, t) for t in tokens]
            return [m for m in found if m and m.settled() and not m.is_busy()]

    def begin(self, changes):
        with self.lock:
            for c in changes:
                c.begin(self)

    def end(self, kind, changes, outcome, atomic=False):
        with self.lock:
            for c in changes:
                c.end(outcome)
                if outcome == "refused" and c.message.seen and c.places_before == {GONE}:
                    self.violation("refused", f"{kind}: {c.message.token} was refused and is there")
            if outcome == "unknown" and atomic:
                self.groups.append([c.message for c in changes])
            self.counts[kind, outcome] += 1

    @contextlib.contextmanager
    def attempt(self, kind, changes, atomic=False):
        """Around sending a command and reading its answer."""
        outcome = "unknown"
        self.begin(changes)
        try:
            yield
            outcome = "acknowledged"
        except Refused:
            outcome = "refused"
            raise
        finally:
            self.end(kind, changes, outcome, atomic)

    # ---- what clients see ----

    def saw_mailbox(self, account, mailbox, validity, uidnext, floor_before):
        """floor_before: self.floors as it was before the command was sent."""
        with self.lock:
            known = self.validities.setdefault((account, mailbox), validity)
            if known != validity:
                self.violation("uid", f"{account} {mailbox}: UIDVALIDITY {known} became {validity}")
            if uidnext < floor_before:
                self.violation("uid", f"{account} {mailbox}: UIDNEXT {uidnext} after {floor_before}")
            self.floors[account, mailbox] = max(self.floors[account, mailbox], uidnext)

    def saw_uid(self, account, mailbox, uid, token):
        with self.lock:
            known = self.uids[account, mailbox].setdefault(uid, token)
            if known != token:
                self.violation("uid", f"{account} {mailbox}: UID {uid} was {known} and is {token}")
            m = self.get(account, token)
            if m and uid < m.floors.get(mailbox, 0):
                self.violation("uid", f"{account} {mailbox}: {token} got UID {uid} after {m.floors[mailbox]} was next")
            self.floors[account, mailbox] = max(self.floors[account, mailbox], uid + 1)

    def saw_uidl(self, account, uidl, token):
        with self.lock:
            known = self.uidls[account].setdefault(uidl, token)
            if known != token:
                self.violation("uid", f"{account}: UIDL {uidl} was {known} and is {token}")

    def saw(self, account, mailbox, rows, complete):
        """rows: (uid or None, token, flags or None). complete: they are all that is there, and nobody else but the
        caller takes something away or brings something that is then acknowledged."""
        with self.lock:
            tokens = collections.Counter(token for _, token, _ in rows)
            for token, n in tokens.items():
                if n > 1:
                    self.violation("duplicate", f"{account} {mailbox}: {token} is there {n} times")
            if complete:
                self._groups(account, mailbox, tokens)
            for uid, token, flags in rows:
                if uid is not None:
                    self.saw_uid(account, mailbox, uid, token)
                self._saw_one(account, mailbox, token, flags)
            for m in self.by_account[account] if complete else ():
                if mailbox in m.places and m.token not in tokens:
                    self._missed_one(m, mailbox)

    def _saw_one(self, account, mailbox, token, flags):
        m = self.get(account, token)
        if not m:
            self.violation("strange", f"{account} {mailbox}: {token} was never sent")
            return
        m.seen = True
        if mailbox not in m.places:
            self.violation("resurrected", f"{account} {mailbox}: {token} is there, not in {m.places}")
        elif m.target == mailbox or not m.is_busy():
            m.places = {mailbox}
        if flags is None:
            return
        flags = frozenset(f for f in flags if f != "\\recent")
        if flags not in m.flags:
            self.violation("flags", f"{account} {mailbox}: {token} has {set(flags)}, not one of "
                                    f"{[set(f) for f in m.flags]}")
        elif not m.is_busy() or (not m.open and m.flags - m.new_flags and flags in m.new_flags):
            m.flags = {flags}

    def _missed_one(self, m, mailbox):
        if m.places == {mailbox}:
            self.violation("lost", f"{m.account} {mailbox}: {m.token} is missing")
        elif not m.is_busy():
            m.places.discard(mailbox)

    def _groups(self, account, mailbox, tokens):
        left = []
        for group in self.groups:
            here = all(m.account == account and mailbox in m.places for m in group)
            if not here or any(m.is_busy() for m in group):
                left.append(group)
            elif len({m.token in tokens for m in group}) > 1:
                self.violation("torn", f"{account} {mailbox}: of {[m.token for m in group]} some are there, some not")
        self.groups = left

    # ---- at the end ----

    def finish(self, found):
        """found: {account: {mailbox: [(uid, token, flags, digest)]}} of a server at rest, every mailbox there is."""
        with self.lock:
            for m in self.messages.values():
                m.open = m.busy_until = 0
                m.target = None
            places = collections.defaultdict(list)
            for account, boxes in found.items():
                for mailbox, rows in boxes.items():
                    for uid, token, _, content in rows:
                        places[account, token].append(mailbox)
                        m = self.get(account, token)
                        if m and content is not None and content != m.digest:
                            self.violation("content", f"{account} {mailbox}: {token} is not what was sent")
            self._finish_places(places)
            self._finish_groups(places)
            for account, boxes in found.items():
                for mailbox, rows in boxes.items():
                    self.saw(account, mailbox, [r[:3] for r in rows], complete=False)

    def _finish_places(self, places):
        for key, m in self.messages.items():
            at = places.get(key, [])
            if len(at) > 1:
                self.violation("duplicate", f"{m.account}: {m.token} is in {at}")
            if not at and GONE not in m.places:
                self.violation("lost", f"{m.account}: {m.token} is nowhere, not in {m.places}")

    def _finish_groups(self, places):
        for group in self.groups:
            if len({bool(places.get((m.account, m.token))) for m in group}) > 1:
                self.violation("torn", f"of {[(m.account, m.token) for m in group]} some are there, some not")

    def number(self, kind):
        return sum(1 for k, _ in self.violations if k == kind)

    def table(self):
        """One line for each kind of command."""
        kinds = sorted({k for k, _ in self.counts})
        return [f"  {k:10} " + ", ".join(f"{self.counts[k, o]} {o}" for o in ("acknowledged", "refused", "unknown"))
                for k in kinds]
