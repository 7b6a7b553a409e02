"""Those who bring mail in: SMTP, LMTP, submission, APPEND. Each message is sent once, whatever becomes of it."""
import smtplib
import ssl

from crash.ledger import Change, Trouble
from crash.load import ImapWorker, Worker
from support.imap import CONTEXT

QUEUE = "queue"     # the account, and the place, of what waits for a remote recipient


def accepted(answer):
    code, text = answer
    if code // 100 != 2:
        raise Trouble(f"{code} {text}")


def starts(connection):
    """A connection that greets and knows us."""
    accepted(connection.ehlo("load.example"))
    return connection


class SmtpWorker(Worker):
    recipient = "ana"

    def connect(self):
        return starts(smtplib.SMTP("127.0.0.1", self.server.ports["smtp"], timeout=20))

    def turn(self):
        c = self.connected()
        token, content = self.texts.message(recipient=f"{self.recipient}@example.org")
        accepted(c.mail("load@remote.example"))
        accepted(c.rcpt(f"{self.recipient}@example.org"))
        m = self.ledger.new(self.recipient, token, content)
        with self.ledger.attempt("smtp", [Change(m, place="INBOX")]):
            accepted(c.data(content))
        if self.random.random() < 0.1:
            self.drop()


class LmtpWorker(Worker):
    """Two recipients, an answer for each (RFC 2033 §4.2)."""
    recipients = ("ana", "bob")

    def connect(self):
        c = smtplib.LMTP(self.server.lmtp)
        c.sock.settimeout(20)
        return starts(c)

    def turn(self):
        c = self.connected()
        token, content = self.texts.message()
        accepted(c.mail("load@remote.example"))
        for name in self.recipients:
            accepted(c.rcpt(f"{name}@example.org"))
        changes = [Change(self.ledger.new(name, token, content), place="INBOX") for name in self.recipients]
        self.ledger.begin(changes)
        outcomes = ["unknown"] * len(changes)
        try:
            c.putcmd("data")
            if c.getreply()[0] == 354:
                c.send(smtplib._quote_periods(content) + b".\r\n")
                for n in range(len(changes)):
                    outcomes[n] = "acknowledged" if c.getreply()[0] == 250 else "unknown"
        finally:
            for change, outcome in zip(changes, outcomes):
                self.ledger.end("lmtp", [change], outcome)
        if "unknown" in outcomes:
            raise Trouble("not all accepted")


class SubmissionWorker(Worker):
    """To a remote recipient, who waits in the queue, and now and then to a local one in the same transaction."""
    account = "dora"

    def connect(self):
        c = smtplib.SMTP_SSL("127.0.0.1", self.server.ports["submissions"], context=CONTEXT, timeout=20)
        starts(c)
        c.login(f"{self.account}@example.org", f"password-of-{self.account}")
        return c

    def turn(self):
        c = self.connected()
        token, content = self.texts.message(sender=f"{self.account}@example.org", recipient="far@remote.example")
        accepted(c.mail(f"{self.account}@example.org"))
        accepted(c.rcpt(f"{token}@remote.example"))
        both = self.random.random() < 0.5
        if both:
            accepted(c.rcpt(f"{self.account}@example.org"))
        changes = [Change(self.ledger.new(QUEUE, token, content), place=QUEUE)]
        if both:
            changes.append(Change(self.ledger.new(self.account, token, content), place="INBOX"))
        with self.ledger.attempt("submission", changes, atomic=both):
            accepted(c.data(content))


class AppendWorker(ImapWorker):
    account, boxes = "ana", ("INBOX", "Kept")
    FLAGS = [(), ("\\Seen",), ("\\Flagged", "$Later"), ("\\Draft", "\\Answered", "own-word")]

    def turn(self):
        self.append(self.random.choice(self.boxes), self.random.choice(self.FLAGS))
        if self.random.random() < 0.02:
            self.look("Kept")
