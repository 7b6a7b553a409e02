"""Several clients on one mailbox: what one does the others hear, in an order in which their numbers stay right."""
import random
import socket

import pytest

from support.follower import Follower
from support.mail import deliver, imap, kept, message, pop3, put


def picture(server, user, folder="INBOX"):
    return [(m.uid, m.flags) for m in kept(server, user, folder)]


@pytest.fixture
def filled(server):
    """An account with 20 messages in INBOX."""
    user = server.person()
    put(server, user, "INBOX", *[(message(f"number {i}").encode(), "") for i in range(20)])
    return user


def test_idle_hears_flags(server, filled):
    follower = Follower(server, filled)
    c = imap(server, filled)
    c.select()
    follower.idle()
    c.store("3", "+FLAGS", r"(\Flagged $Later)")
    follower.listen(lambda: follower.entries[2][1] == {"\\Flagged", "$Later"})
    c.store("1:20", "+FLAGS.SILENT", r"(\Seen)")
    follower.listen(lambda: all("\\Seen" in flags for _, flags in follower.entries))
    c.store("3", "FLAGS", "()")
    follower.listen(lambda: follower.entries[2][1] == frozenset())
    c.fetch("3", "(BODY[])")     # sets \Seen
    follower.listen(lambda: follower.entries[2][1] == {"\\Seen"})
    follower.done()
    assert follower.picture() == picture(server, filled)
    follower.close()
    c.logout()


def test_idle_hears_arrivals_and_expunges(server, filled):
    follower = Follower(server, filled)
    c = imap(server, filled)
    c.select()
    follower.idle()
    deliver(server, filled, message("from the world"))
    follower.listen(lambda: len(follower.entries) == 21)
    c.append("INBOX", r"(\Draft)", None, message("appended").encode())
    follower.listen(lambda: len(follower.entries) == 22)
    c.store("2,4,6,22", "+FLAGS", r"(\Deleted)")
    c.expunge()
    follower.listen(lambda: len(follower.entries) == 18)
    p = pop3(server, filled)
    p.dele(1)
    p.quit()
    follower.listen(lambda: len(follower.entries) == 17)
    follower.done()
    there = picture(server, filled)
    assert follower.picture() == there and len(there) == 17
    follower.close()
    c.logout()


def test_idle_hears_moves_in_both_folders(server, filled):
    c = imap(server, filled)
    c.create("Other")
    here, there = Follower(server, filled), Follower(server, filled, "Other")
    here.idle()
    there.idle()
    c.select()
    assert c.uid("MOVE", "5:9", "Other")[0] == "OK"
    here.listen(lambda: len(here.entries) == 15)
    there.listen(lambda: len(there.entries) == 5)
    assert c.uid("COPY", "1:3", "Other")[0] == "OK"
    there.listen(lambda: len(there.entries) == 8)
    here.done()
    there.done()
    assert here.picture() == picture(server, filled)
    assert there.picture() == picture(server, filled, "Other")
    for x in (here, there):
        x.close()
    c.logout()


def test_numbers_stay_while_a_command_needs_them(server, filled):
    """RFC 9051 §7.5.1: no EXPUNGE during FETCH, STORE and SEARCH; what another one expunged stays in place until NOOP."""
    follower = Follower(server, filled)
    c = imap(server, filled)
    c.select()
    c.store("1:5", "+FLAGS", r"(\Deleted)")
    c.expunge()
    follower.lines.clear()
    follower.ask("FETCH 6:20 (UID)")
    follower.ask("SEARCH ALL")
    follower.ask(r"STORE 10 +FLAGS (\Flagged)")
    assert not [line for line in follower.lines if b"EXPUNGE" in line]
    assert len(follower.entries) == 20
    follower.ask("NOOP")
    assert len(follower.entries) == 15
    assert follower.picture() == picture(server, filled)
    assert follower.entries[4][1] == {"\\Flagged"}
    follower.close()
    c.logout()


def test_a_deleted_folder_under_a_client(server, filled):
    c = imap(server, filled)
    c.create("Gone")
    c.append("Gone", None, None, message("x").encode())
    follower = Follower(server, filled, "Gone")
    follower.idle()
    assert c.delete("Gone")[0] == "OK"
    # It may be told by EXPUNGE or by BYE; it must not hang, and the other client goes on.
    follower.c.sock.settimeout(15)
    follower.c.send(b"DONE\r\n")
    try:
        while True:
            line = follower.c.readline()
            if not line or line.startswith((follower.idling + b" ", b"* BYE")):
                break
    except socket.timeout:
        raise AssertionError("no answer to DONE") from None
    assert c.noop()[0] == "OK"
    c.logout()


@pytest.mark.parametrize("seed", range(3))
def test_three_clients_at_random(server, filled, seed):
    """Each keeps its picture from what it hears; in the end all pictures, and the mailbox, are one."""
    dice = random.Random(seed)
    imap(server, filled).create("Other")
    actors = [Follower(server, filled) for _ in range(3)]
    listener = Follower(server, filled)
    listener.idle()
    for step in range(120):
        actor = dice.choice(actors)
        count = len(actor.entries)
        n = dice.randrange(1, count + 1) if count else 0
        flag = dice.choice(["\\Seen", "\\Flagged", "\\Answered", "$Later"])
        actions = [(3, lambda: actor.store(n, dice.choice("+-"), dice.random() < 0.5, flag)),
                   (2, lambda: actor.ask(f"STORE {n} +FLAGS (\\Deleted)")),
                   (1, lambda: actor.ask("EXPUNGE")),
                   (1, lambda: actor.ask(f"MOVE {n} Other")),
                   (1, lambda: actor.ask(f"COPY {n} INBOX")),
                   (2, lambda: actor.ask("NOOP")),
                   (2, lambda: actor.ask("FETCH 1:* (UID FLAGS)")),
                   (1, lambda: actor.ask("UID SEARCH UNSEEN"))]
        if not n or dice.random() < 0.15:
            deliver(server, filled, message(f"arrival {step}"))
            continue
        action = dice.choices([a for _, a in actions], [w for w, _ in actions])[0]
        try:
            action()
        except AssertionError as e:
            # RFC 2180 §4: what is gone, or half gone, may be refused; a wrong number may not be believed.
            if b" NO " not in (e.args[0] if e.args and isinstance(e.args[0], bytes) else b""):
                raise
    for actor in actors:
        actor.ask("NOOP")
        actor.ask("FETCH 1:* (UID)" if actor.entries else "NOOP")
        actor.ask("NOOP")
    listener.done()
    listener.ask("NOOP")
    there = picture(server, filled)
    for follower in (listener, *actors):
        assert follower.picture() == there
        follower.close()
