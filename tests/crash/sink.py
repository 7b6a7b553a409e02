"""The others: an SMTP server in threads that does with each recipient what the name says, and notes all of it.

    take-…       is accepted
    laterN-…     gets 450 N times, then is accepted
    never-…      gets 550
    dropN-…      the connection ends after the final dot of its message, without an answer, N times
"""
import collections
import re
import socketserver
import threading
import time
from typing import NamedTuple

from crash.ledger import digest
from support.texts import as_sent, token_of

NAME = re.compile(r"(take|later|never|drop)(\d*)-")
PATH = re.compile(rb"<([^>]*)>")
ANSWER_S = 0.02     # before the last answer: something is always under way when a kill comes


class Delivery(NamedTuple):
    at: float
    token: str
    digest: bytes


class Sink(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    request_queue_size = 200

    def __init__(self, address="127.0.0.1"):
        self.lock = threading.Lock()
        self.attempts = []                                  # (when, recipient), at RCPT
        self.deliveries = collections.defaultdict(list)     # recipient: Delivery of each time; noted before the answer
        self.refusals = collections.Counter()               # recipient: 450s and drops so far
        self.now = self.most = self.transactions = self.dropped = 0
        super().__init__((address, 0), Dialogue)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()

    def verify_request(self, request, client_address):
        return client_address[0].startswith("127.")

    def handle_error(self, request, client_address):
        """Kills end connections anywhere."""

    def enters(self, step):
        with self.lock:
            self.now += step
            self.most = max(self.most, self.now)

    def refuses_again(self, recipient, kind):
        """One of its N times."""
        name, times = NAME.match(recipient).groups()
        if name != kind or self.refusals[recipient] >= int(times):
            return False
        self.refusals[recipient] += 1
        return True

    def recipient(self, recipient):
        """The answer to RCPT."""
        with self.lock:
            self.attempts.append((time.time(), recipient))
            if recipient.startswith("never-"):
                return b"550 5.1.1 nobody has this name"
            return b"450 4.2.1 not now" if self.refuses_again(recipient, "later") else b"250 2.1.5 good"

    def message(self, recipients, content):
        """True: it is ours now."""
        with self.lock:
            # All of them count: each has its own number of drops.
            if any([self.refuses_again(r, "drop") for r in recipients]):
                self.dropped += 1
                return False
            self.transactions += 1
            d = Delivery(time.time(), token_of(content), digest(as_sent(content)))
            for r in recipients:
                self.deliveries[r].append(d)
            return True

    def close(self):
        self.shutdown()
        self.server_close()


class Dialogue(socketserver.StreamRequestHandler):
    timeout = 60

    def say(self, line):
        self.wfile.write(line + b"\r\n")

    def handle(self):
        self.server.enters(1)
        try:
            self.say(b"220 sink.example ESMTP")
            self.recipients = []
            while (line := self.rfile.readline(2000)):
                if not self.command(line[:4].upper(), line):
                    return
        finally:
            self.server.enters(-1)

    def command(self, verb, line):
        if verb == b"DATA":
            return self.data()
        if verb == b"RCPT":
            recipient = PATH.search(line)[1].decode()
            answer = self.server.recipient(recipient)
            if answer[:1] == b"2":
                self.recipients.append(recipient)
            self.say(answer)
            return True
        if verb in (b"MAIL", b"RSET"):
            self.recipients = []
        self.say({b"EHLO": b"250-sink.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES",
                  b"QUIT": b"221 2.0.0 bye"}.get(verb, b"250 2.0.0 good"))
        return verb != b"QUIT"

    def data(self):
        if not self.recipients:
            self.say(b"554 5.5.1 no recipient")
            return True
        self.say(b"354 go on")
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            if not line:
                return False
            lines.append(line[1:] if line[:1] == b"." else line)
        if not self.server.message(self.recipients, b"".join(lines)):
            return False
        time.sleep(ANSWER_S)
        self.say(b"250 2.0.0 kept")
        return True
