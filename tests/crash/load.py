"""The load: threads that each go on with one thing until they are told to stop, whatever breaks meanwhile."""
import imaplib
import poplib
import random
import smtplib
import threading
import time
import traceback

from crash.ledger import Change, Refused, Trouble
from support.imap import Imap, No
from support.texts import Texts

BREAKS = (OSError, EOFError, smtplib.SMTPException, imaplib.IMAP4.error, poplib.error_proto, Trouble, Refused, No)


class Load:
    """kinds: functions that make a worker from (load, number)."""

    def __init__(self, server, ledger, seed, kinds):
        self.server, self.ledger, self.seed = server, ledger, seed
        self.running, self.failures = True, []
        self.workers = [kind(self, n) for n, kind in enumerate(kinds)]

    def start(self):
        for w in self.workers:
            w.thread.start()
        return self

    def stop(self):
        self.running = False
        for w in self.workers:
            if w.thread.ident:
                w.thread.join(timeout=60)
        return [w for w in self.workers if w.thread.is_alive()]


class Worker:
    """turn() does a little; what breaks drops the connection, and the next turn begins anew."""

    def __init__(self, load, number):
        self.load, self.server, self.ledger = load, load.server, load.ledger
        self.random = random.Random(f"{load.seed} {number}")
        self.texts = Texts(f"{load.seed} {number}")
        self.connection = None
        self.thread = threading.Thread(target=self.go_on, name=type(self).__name__, daemon=True)

    def turn(self):
        raise NotImplementedError

    def connect(self):
        raise NotImplementedError

    def lost(self):
        """The connection was given up."""

    def connected(self):
        if not self.connection:
            self.connection = self.connect()
        return self.connection

    def drop(self):
        if self.connection:
            close_quietly(self.connection)
            self.connection = None
            self.lost()

    def go_on(self):
        while self.load.running:
            try:
                self.turn()
            except BREAKS:
                self.drop()
                time.sleep(0.02)
            except Exception:
                self.load.failures.append(f"{self.thread.name}: {traceback.format_exc()}")
                self.load.running = False
        self.drop()


def close_quietly(connection):
    try:
        connection.close()
    except BREAKS:
        pass


class ImapWorker(Worker):
    """Works in mailboxes of its own, in account; looks into them from time to time and after each break."""
    account, boxes = None, ()

    def connect(self):
        c = Imap(self.server, self.account)
        try:
            for box in self.boxes:
                if box != "INBOX" and (self.account, box) not in self.ledger.validities:
                    c.make(box)
        except BREAKS:
            c.close()
            raise
        return c

    def select(self, box):
        floor = self.ledger.floors[self.account, box]
        validity, uidnext, count = self.connected().select(box)
        self.ledger.saw_mailbox(self.account, box, validity, uidnext, floor)
        return count

    def look(self, box, uids="1:*", complete=True):
        """{token: UID} of the box, which is selected then."""
        rows = self.connected().tokens(uids) if self.select(box) else []
        self.ledger.saw(self.account, box, rows, complete)
        return {token: uid for uid, token, _ in rows}

    def append(self, box, flags=(), lines=None, kind="append"):
        """The UID, or an exception."""
        c = self.connected()
        token, content = self.texts.message(recipient=f"{self.account}@example.org", lines=lines)
        m = self.ledger.new(self.account, token, content, [f.lower() for f in flags])
        with self.attempt(kind, [Change(m, place=box)]):
            validity, uid = c.append(box, content, flags)
        self.ledger.saw_uid(self.account, box, uid, token)
        return token, uid

    def attempt(self, kind, changes):
        return attempt_imap(self.ledger, kind, changes)


class attempt_imap:
    """ledger.attempt for IMAP, where NO says that nothing was done."""

    def __init__(self, ledger, kind, changes):
        self.inner = ledger.attempt(kind, changes)

    def __enter__(self):
        return self.inner.__enter__()

    def __exit__(self, kind, error, trace):
        if kind is No:
            error = Refused(str(error)).with_traceback(trace)
            kind = Refused
        if kind is None:
            return self.inner.__exit__(None, None, None)
        self.inner.__exit__(kind, error, trace)
        raise error
