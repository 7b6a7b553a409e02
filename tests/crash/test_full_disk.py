"""A full disk under the whole server: nothing is said to be kept that is not, and deleting makes room again."""
import os
import smtplib
import threading
import time

import pytest

from crash.ledger import GONE, Change, Ledger, Refused, Trouble, digest
from crash.senders import starts
from support.imap import Imap, No
from support.server import Server
from support.small_disk import Impossible, fill, free_bytes, small_disk
from support.texts import Texts, as_sent, token_of

MEBIBYTES = 176
FULL = {(452, b"4.3.1"), (451, b"4.3.0")}   # RFC 5321 §4.2.3: insufficient storage; or the store is opening again


class Office:
    """A server on a small disk, and one who sends to it and reads there; what it says is kept in a ledger."""

    def __init__(self, server):
        self.server, self.ledger, self.texts = server, Ledger(), Texts(5)

    def deliver(self, lines=5000):
        """The answer to DATA, or to what was refused before: (code, enhanced code)."""
        with smtplib.SMTP("127.0.0.1", self.server.ports["smtp"], timeout=60) as c:
            starts(c)
            token, content = self.texts.message(lines=lines)
            for code, text in (c.mail("load@remote.example"), c.rcpt("ana@example.org")):
                if code != 250:
                    return code, text.split()[0]
            m = self.ledger.new("ana", token, content)
            outcome = {}
            try:
                with self.ledger.attempt("smtp", [Change(m, place="INBOX")]):
                    code, text = c.data(content)
                    outcome = code, text.split()[0]
                    if code != 250:
                        raise Refused()
            except Refused:
                pass
            except smtplib.SMTPDataError as e:     # in answer to DATA itself
                m.places = {GONE}
                return e.smtp_code, e.smtp_error.split()[0]
            return outcome

    def append(self, c, lines=5000):
        """None, or what a NO says."""
        token, content = self.texts.message(lines=lines)
        m = self.ledger.new("ana", token, content)
        try:
            with self.ledger.attempt("append", [Change(m, place="INBOX")]):
                try:
                    c.append("INBOX", content)
                except No as e:
                    raise Refused(str(e)) from e
        except Refused as e:
            return str(e)
        return None

    def expunge(self, c, part=1):
        """Every part-th message goes, for ever."""
        c.select("INBOX")
        chosen = c.tokens()[::part]
        changes = [Change(self.ledger.get("ana", token), place=GONE) for _, token, _ in chosen]
        c.store([uid for uid, _, _ in chosen], "+FLAGS.SILENT", ["\\Deleted"])
        with self.ledger.attempt("expunge", changes):
            c.expunge()

    def verify(self):
        c = Imap(self.server, "ana", timeout=60)
        _, _, count = c.select("INBOX", readonly=True)
        rows = c.rows("1:*", "BODY.PEEK[]") if count else []
        c.close()
        for m in self.ledger.messages.values():
            m.flags = m.flags | {frozenset(), frozenset(["\\deleted"])}
        self.ledger.finish({"ana": {"INBOX": [(uid, token_of(text), flags, digest(as_sent(text)))
                                              for uid, flags, text in rows]}})
        assert not self.ledger.violations, self.ledger.violations[:10]


@pytest.fixture
def office(buzon):
    try:
        with small_disk(MEBIBYTES) as disk:
            server = Server(buzon, accounts=("ana",), data=f"{disk}/data")
            server.disk = disk
            try:
                yield Office(server)
            finally:
                server.close()
    except Impossible as e:
        pytest.skip(str(e))


def until_accepted(office, seconds):
    """How long until new mail is accepted again."""
    begin = time.monotonic()
    while time.monotonic() - begin < seconds:
        answer = office.deliver(lines=10)
        if answer[0] == 250:
            return time.monotonic() - begin
        assert answer in FULL, answer
        time.sleep(0.2)
    raise AssertionError(f"still {answer}, {free_bytes(office.server.disk) >> 20} MiB free: "
                         + office.server.log_text()[-1500:])


def finish(office):
    office.verify()
    assert office.server.stop() == 0
    office.server.start()
    office.verify()
    assert office.server.stop() == 0
    check = office.server.run("check", "--deep", check=False)
    assert check.returncode == 0, check.stdout + check.stderr


def test_deliveries_fill_the_disk_and_expunge_empties_it(office, capsys):
    """Without anybody's help: what is removed is given back, and new mail comes in again."""
    office.server.start()
    begin = free_bytes(office.server.disk)
    for round_ in range(2):
        for n in range(2000):
            answer = office.deliver()
            if answer[0] != 250:
                break
        assert answer in FULL
        assert n > 50, "it was full from the start"
        left = free_bytes(office.server.disk)
        assert left > 16 << 20, "new mail took the room of those who remove"
        c = Imap(office.server, "ana", timeout=60)
        refusal = office.append(c)
        assert refusal and ("UNAVAILABLE" in refusal or "OVERQUOTA" in refusal), refusal
        office.expunge(c)
        seconds = until_accepted(office, 30)
        with capsys.disabled():
            print(f"\nround {round_}: {n} taken, {left >> 20} of {begin >> 20} MiB left when refused; "
                  f"mail again {seconds:.1f} s after the expunge")
        c.close()
    finish(office)


def test_filled_to_the_last_byte_by_something_else(office, capsys):
    """While mail comes in: each 250 is kept, flags and expunge go on, and mail comes in when there is room again."""
    office.server.start()
    for _ in range(60):
        assert office.deliver(lines=500)[0] == 250
    refused, running = [], True

    def go_on():
        while running:
            answer = office.deliver(lines=500)
            if answer[0] != 250:
                refused.append(answer)
                time.sleep(0.05)

    senders = [threading.Thread(target=go_on) for _ in range(3)]
    for t in senders:
        t.start()
    try:
        for round_ in range(3):
            ballast = fill(office.server.disk)
            before = len(refused)
            end = time.monotonic() + 20
            while len(refused) < before + 10 and time.monotonic() < end:
                fill(office.server.disk)    # also what the store's reserve gave back
                time.sleep(0.05)
            assert len(refused) >= before + 10, "mail was taken with no room for it"
            c = Imap(office.server, "ana", timeout=60)
            refusal = office.append(c)
            assert refusal and ("UNAVAILABLE" in refusal or "OVERQUOTA" in refusal), refusal
            c.close()
            os.unlink(ballast)
            seconds = until_accepted(office, 10)
            with capsys.disabled():
                print(f"\nround {round_}: {len(refused)} refused, mail again {seconds:.1f} s after there was room")
    finally:
        running = False
        for t in senders:
            t.join()
    assert set(refused) <= FULL, set(refused)
    finish(office)


def test_expunge_on_a_full_disk_makes_room(office, capsys):
    """The reserve is for those who remove: with no byte free, flags and expunge are done, and the room that they
    make is for new mail, though what filled the disk stays."""
    office.server.start()
    for _ in range(400):
        assert office.deliver(lines=5000)[0] == 250
    c = Imap(office.server, "ana", timeout=60)
    fill(office.server.disk)
    assert free_bytes(office.server.disk) < 1 << 20
    time.sleep(0.2)     # space is looked at every 50 ms
    answer = office.deliver()
    assert answer in FULL, answer
    for part in (4, 2, 1):
        office.expunge(c, part)
    assert c.select("INBOX")[2] == 0
    c.close()
    seconds = until_accepted(office, 60)
    with capsys.disabled():
        print(f"\nmail again {seconds:.1f} s after the expunge")
    os.unlink(f"{office.server.disk}/ballast")
    finish(office)
