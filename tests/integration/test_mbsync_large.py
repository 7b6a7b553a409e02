"""mbsync with 30,000 messages: pushed, pulled into an empty Maildir, changed on both sides, without a difference.

One test for each step, in this order, on one mailbox: what an earlier step left is what the next one starts from.
Server and Maildirs lie in memory when there is room: 30,000 messages one after another wait for 30,000 commits, and how
long a disk takes for those is measured elsewhere.
"""
import os
import random
import time

import pytest

from support import maildir
from support.desk import Desk
from support.mail import imap, kept
from support.mbsync import Replica
from support.server import Server, quick_base

COUNT = 30_000
CHANGED = 3_000
REMOVED = 1_000
ROOM = 3 << 30


def raw_message(i, noise):
    """Every one differs; some are long, some 8 bit, some without a body, some with long or folded fields."""
    words = " ".join(noise.choices(["mail", "keeps", "what", "was", "said", "ñandú", "Grüße", ".", "..", "From here"],
                                   k=noise.randrange(0, 60) if i % 50 else 3000))
    text = "".join(f"{line}\n" for line in (words[at:at + 70] for at in range(0, len(words), 70)))
    folded = "References: <a@x>\n <b@x>\n\t<c@x>\n" if i % 5 == 0 else ""
    return (f"From: Sender {i % 97} <s{i % 97}@remote.example>\nTo: ana@example.org\nSubject: number {i}\n"
            f"Message-ID: <{i}.{noise.getrandbits(64):x}@remote.example>\nDate: Mon, 23 Nov 2026 09:00:00 +0000\n{folded}"
            f"MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{text}").encode()


class Large:
    """What the steps share."""

    def __init__(self, server, base):
        self.server = server
        self.user = "ana"
        self.desk = Desk(base)
        self.noise = random.Random(20261123)
        self.one = Replica(self.desk, server, self.user, "one", patterns="INBOX")
        self.two = Replica(self.desk, server, self.user, "two", patterns="INBOX")

    def sync(self, replica, what):
        begin = time.time()
        replica.sync(timeout=1800)
        print(f"{what}: {time.time() - begin:.1f} s")

    def on_server(self):
        return maildir.as_maildir(kept(self.server, self.user))


@pytest.fixture(scope="module")
def large(buzon):
    base = quick_base(ROOM)
    server = Server(buzon, base=base)
    server.start()
    state = Large(server, base)
    yield state
    state.desk.close()
    server.close()


def same(a, b):
    """Like ==, but a difference is told in a line: the lists are as long as a mailbox."""
    if a != b:
        only_a, only_b = set(a) - set(b), set(b) - set(a)
        raise AssertionError(f"{len(a)} and {len(b)} messages, {len(only_a)} and {len(only_b)} only on one side, such as "
                             f"{[x[0][:300] for x in [*sorted(only_a)[:1], *sorted(only_b)[:1]]]}")


def test_push(large):
    path = large.one.make()
    for i in range(COUNT):
        maildir.add(path, raw_message(i, large.noise), "".join(c for c in "SRFD" if large.noise.random() < 0.3), i)
    wanted = large.one.read()
    assert len(wanted) == COUNT
    large.sync(large.one, "push")
    there = large.on_server()
    same(wanted, there)
    same(large.one.read(), there)


def test_pull_into_an_empty_maildir(large):
    large.sync(large.two, "pull")
    same(large.two.read(), large.one.read())


def test_changes_on_both_sides(large):
    """Flags change and messages go on the desk and on the server, others arrive; both replicas follow."""
    files = sorted(maildir.files(large.one.folder()).items())
    large.noise.shuffle(files)
    for file, letters in files[:CHANGED]:
        maildir.set_letters(file, set(letters) ^ set("SF"))
    for file, _ in files[CHANGED:CHANGED + REMOVED]:
        os.unlink(file)
    for i in range(500):
        maildir.add(large.one.folder(), raw_message(COUNT + i, large.noise), "S", COUNT + i)

    c = imap(large.server, large.user)
    c.select()
    assert c.store(f"1:{CHANGED}", "+FLAGS.SILENT", r"(\Answered)")[0] == "OK"
    assert c.store(f"{CHANGED + 1}:{2 * CHANGED}", "-FLAGS.SILENT", r"(\Seen \Draft)")[0] == "OK"
    assert c.store(f"{COUNT - REMOVED + 1}:{COUNT}", "+FLAGS.SILENT", r"(\Deleted)")[0] == "OK"
    assert c.expunge()[0] == "OK"
    for i in range(100):
        assert c.append("INBOX", None, None, raw_message(2 * COUNT + i, large.noise).replace(b"\n", b"\r\n"))[0] == "OK"
    c.logout()

    large.sync(large.one, "changes, one")
    there = large.on_server()
    same(large.one.read(), there)
    large.sync(large.two, "changes, two")
    same(large.two.read(), there)
    assert COUNT - 2 * REMOVED + 600 <= len(there) <= COUNT - REMOVED + 600
    wanted = {b"Subject: number %d\r\n" % i for i in [*range(COUNT, COUNT + 500), *range(2 * COUNT, 2 * COUNT + 100)]}
    subjects = {raw[raw.index(b"Subject: "):raw.index(b"Message-ID: ")] for raw, _ in there}
    assert wanted <= subjects


def test_nothing_is_left_to_do(large):
    before = sorted(maildir.files(large.one.folder()).items())
    large.sync(large.one, "nothing")
    assert sorted(maildir.files(large.one.folder()).items()) == before
    same(large.on_server(), large.one.read())


def test_the_store_is_whole(large):
    assert large.server.run("check", "--deep").returncode == 0

