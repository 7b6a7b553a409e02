"""Messages to send: each with a token of its own as Message-ID, of all the sizes that matter."""
import random
import re
import string
import uuid

TOKEN = re.compile(rb"^Message-ID: <([0-9a-f]{32})@load\.example>", re.M | re.I)
LINES = 12000


class Texts:
    """Bodies cut out of one long text; some lines begin with a dot, as SMTP and POP3 have to take care of them."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        letters = string.ascii_letters + string.digits + " .,"
        block = [("." if n % 7 == 0 else "") + "".join(self.random.choices(letters, k=self.random.randrange(1, 76)))
                 for n in range(400)]
        self.lines = [self.random.choice(block) for _ in range(LINES)]

    def count(self):
        """Lines of a body: mostly small, some behind the limits of a frame and of a sealed memory file."""
        dice = self.random.random()
        if dice < 0.90:
            return self.random.randrange(0, 100)
        if dice < 0.98:
            return self.random.randrange(1400, 5000)
        return self.random.randrange(7000, LINES)

    def message(self, sender="load@remote.example", recipient="ana@example.org", lines=None):
        """(token, bytes)"""
        token = uuid.uuid4().hex
        n = self.count() if lines is None else lines
        at = self.random.randrange(0, LINES - n + 1)
        head = [f"Message-ID: <{token}@load.example>", f"From: <{sender}>", f"To: <{recipient}>",
                "Date: Mon, 23 Nov 2026 10:00:00 +0000", f"Subject: load {n}", ""]
        return token, "\r\n".join(head + self.lines[at:at + n] + ["end", ""]).encode()


def token_of(message):
    """The token of a message or of its header; None when it has none."""
    found = TOKEN.search(message)
    return found.group(1).decode() if found else None


def as_sent(message):
    """Without what servers put in front."""
    found = TOKEN.search(message)
    return message[found.start():] if found else message
