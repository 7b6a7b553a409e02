"""Those who work with mail that is there: MOVE, STORE, EXPUNGE and CLOSE, POP3's DELE and QUIT."""
import poplib
import smtplib

from crash.ledger import GONE, Change
from crash.load import ImapWorker, Worker
from crash.senders import accepted, starts
from support.imap import CONTEXT
from support.texts import token_of


class MoveWorker(ImapWorker):
    """Carries messages to and fro between two mailboxes."""
    account, boxes, most = "bob", ("Here", "There"), 60

    def turn(self):
        source, target = self.random.sample(self.boxes, 2)
        there = self.look(source)
        if len(there) < self.most // 2 and self.random.random() < 0.7:
            self.append(source, lines=3, kind="append")
        ready = self.ledger.settled(self.account, there)
        if not ready:
            return
        self.move(there, self.random.sample(ready, self.random.randint(1, min(5, len(ready)))), source, target)

    def move(self, there, chosen, source, target):
        token_by_uid = {there[m.token]: m.token for m in chosen}
        with self.attempt("move", [Change(m, place=target) for m in chosen]):
            pairs = self.connected().move(sorted(token_by_uid), target)
        for new, old in pairs.items():
            self.ledger.saw_uid(self.account, target, new, token_by_uid[old])


class SweepWorker(MoveWorker):
    """Clears what is delivered out of INBOX while more is delivered."""
    account, boxes = "ana", ("INBOX", "Archive")

    def turn(self):
        count = self.select("INBOX")
        if count < 5:
            return
        floor = self.ledger.floors[self.account, "INBOX"]
        rows = self.connected().tokens(f"{max(1, floor - 60)}:*")
        self.ledger.saw(self.account, "INBOX", rows, complete=False)
        there = {token: uid for uid, token, _ in rows}
        ready = self.ledger.settled(self.account, there)
        if ready:
            self.move(there, self.random.sample(ready, self.random.randint(1, min(8, len(ready)))), "INBOX", "Archive")


class StoreWorker(ImapWorker):
    """Sets, adds and removes flags of the same few messages; looks after each break and now and then."""
    account, boxes, most = "ana", ("Flags",), 30
    FLAGS = ["\\Seen", "\\Flagged", "\\Answered", "\\Draft", "$Label1", "$Label2", "own-word"]
    HOW = {"+FLAGS": lambda old, new: old | new, "-FLAGS": lambda old, new: old - new, "FLAGS": lambda old, new: new}

    def lost(self):
        self.there = None

    there = None

    def turn(self):
        if self.there is None or self.random.random() < 0.1:
            self.there = None
            there = self.look("Flags")
            if len(there) < self.most:
                self.append("Flags", lines=2)
            else:
                self.there = there
            return
        ready = self.ledger.settled(self.account, self.there)
        if not ready:
            self.there = None
            return
        how = self.random.choice(sorted(self.HOW))
        flags = self.random.sample(self.FLAGS, self.random.randint(1, 4))
        new, make = frozenset(f.lower() for f in flags), self.HOW[how]
        chosen = self.random.sample(ready, self.random.randint(1, min(10, len(ready))))
        with self.attempt("store", [Change(m, flags=lambda old: make(old, new)) for m in chosen]):
            self.connected().store([self.there[m.token] for m in chosen],
                                   how + self.random.choice(("", ".SILENT")), flags)


class ExpungeWorker(ImapWorker):
    """Marks some and removes them, by EXPUNGE, UID EXPUNGE or CLOSE. When nobody knows whether an EXPUNGE was done,
    it may still be done to what is marked next; so the next goes on in a fresh mailbox."""
    account, number = "bob", 1

    @property
    def boxes(self):
        return (f"Trash{self.number}",)

    def turn(self):
        box = self.boxes[0]
        for _ in range(self.random.randint(1, 3)):
            self.append(box, lines=2)
        there = self.look(box)
        ready = self.ledger.settled(self.account, there)
        if not ready:
            return
        chosen = self.random.sample(ready, self.random.randint(1, len(ready)))
        uids = [there[m.token] for m in chosen]
        with self.attempt("store", [Change(m, flags=lambda old: old | {"\\deleted"}) for m in chosen]):
            self.connected().store(uids, "+FLAGS.SILENT", ["\\Deleted"])
        self.remove(self.random.choice(("all", "some", "close")), chosen, uids, there)

    def remove(self, how, chosen, uids, there):
        c = self.connected()
        if how == "some":
            keep = self.random.randrange(len(chosen))
            with self.attempt("expunge", [Change(m, place=GONE) for m in chosen[keep:]]):
                c.expunge(uids[keep:])
            return
        # What was marked in vain before, or by a command without an answer, may or will go as well.
        all_marked = [self.ledger.get(self.account, t) for t in there]
        sure = [m for m in all_marked if all("\\deleted" in f for f in m.flags) and len(m.places) == 1]
        maybe = [m for m in all_marked if m not in sure and any("\\deleted" in f for f in m.flags)]
        number, self.number = self.number, self.number + 1
        for m in maybe:
            m.places.add(GONE)
        with self.attempt("expunge", [Change(m, place=GONE) for m in sure]):
            if how == "all":
                c.expunge()
            else:
                c.must(c.c.close())
        self.number = number

    def lost(self):
        """With a fresh number comes a fresh mailbox; connect makes it."""


class PopWorker(Worker):
    """Delivers to a maildrop and takes from it: all that was marked goes with QUIT, or nothing."""
    account = "carl"

    def __init__(self, load, number):
        super().__init__(load, number)
        self.known = {}     # UIDL: token

    def turn(self):
        self.deliver()
        c = poplib.POP3_SSL("127.0.0.1", self.server.ports["pop3s"], context=CONTEXT, timeout=20)
        try:
            c.user(f"{self.account}@example.org")
            c.pass_(f"password-of-{self.account}")
            self.take(c, self.list(c))
        finally:
            c.close()

    def deliver(self):
        with smtplib.SMTP("127.0.0.1", self.server.ports["smtp"], timeout=20) as c:
            starts(c)
            for _ in range(self.random.randint(1, 4)):
                token, content = self.texts.message(recipient=f"{self.account}@example.org")
                accepted(c.mail("load@remote.example"))
                accepted(c.rcpt(f"{self.account}@example.org"))
                m = self.ledger.new(self.account, token, content)
                with self.ledger.attempt("smtp", [Change(m, place="INBOX")]):
                    accepted(c.data(content))

    def list(self, c):
        """{token: number}"""
        numbers, uidls = {}, [line.decode().split() for line in c.uidl()[1]]
        for number, uidl in uidls:
            if uidl not in self.known or self.random.random() < 0.2:
                token = token_of(b"\r\n".join(c.top(int(number), 0)[1]) + b"\r\n")
                self.ledger.saw_uidl(self.account, uidl, token)
                self.known[uidl] = token
            numbers.setdefault(self.known[uidl], int(number))
        self.ledger.saw(self.account, "INBOX", [(None, self.known[uidl], None) for _, uidl in uidls], complete=True)
        return numbers

    def take(self, c, numbers):
        ready = self.ledger.settled(self.account, numbers)
        chosen = self.random.sample(ready, self.random.randint(0, len(ready)))
        for m in chosen:
            c.dele(numbers[m.token])
        if not chosen or self.random.random() < 0.1:
            return      # without QUIT nothing goes (RFC 1939 §6)
        with self.ledger.attempt("pop3", [Change(m, place=GONE) for m in chosen], atomic=True):
            c.quit()
