"""Kills a random role under load, and every fifth time the whole tree: nothing acknowledged is lost or there twice."""
import random
import sys
import time

from crash.keepers import ExpungeWorker, MoveWorker, PopWorker, StoreWorker, SweepWorker
from crash.kills import Kills, line, percentile
from crash.ledger import Ledger, digest
from crash.load import Load
from crash.senders import QUEUE, AppendWorker, LmtpWorker, SmtpWorker, SubmissionWorker
from support.imap import Imap
from support.server import Server
from support.texts import as_sent, token_of

ACCOUNTS = ("ana", "bob", "carl", "dora", "probe")
KINDS = [SmtpWorker, SmtpWorker, LmtpWorker, AppendWorker, SubmissionWorker, SweepWorker, MoveWorker, StoreWorker,
         ExpungeWorker, PopWorker]
DONE = ("smtp", "lmtp", "append", "submission", "move", "store", "expunge", "pop3")
KILLS = 20
CHUNK = 300
RECOVERY_P99 = 2.0      # seconds, with the processors for ourselves
# No name is resolved: what is submitted for remote recipients stays in the queue.
EXTRA = 'dns { server = "127.0.0.1@9" }'


def mailbox_of(c, name):
    """[(UID, token, flags, digest)]"""
    _, uidnext, count = c.select(name, readonly=True)
    rows = []
    for first in range(1, uidnext if count else 1, CHUNK):
        rows += c.rows(f"{first}:{first + CHUNK - 1}", "BODY.PEEK[]")
    assert len(rows) == count, f"{name}: {len(rows)} fetched of {count}"
    return [(uid, token_of(text), flags, digest(as_sent(text))) for uid, flags, text in rows]


def all_mail(server):
    """{account: {mailbox: rows}}, and the queue as an account of its own."""
    found = {}
    for account in ACCOUNTS:
        c = Imap(server, account, timeout=60)
        found[account] = {name: mailbox_of(c, name) for name in c.mailboxes()}
        c.close()
    queue = server.json("queue", "list")
    found[QUEUE] = {QUEUE: [(q["queue"], q["recipient"].partition("@")[0], None, None) for q in queue]}
    return found


def run_kills(kills, count):
    for n in range(1, count + 1):
        time.sleep(kills.random.uniform(0.05, 0.4))
        if n % 5 == 0:
            kills.tree()
        else:
            kills.role()


def report(ledger, kills, seed, seconds, found):
    rows = [f"seed {seed}: {sum(kills.killed.values())} kills in {seconds:.0f} s: "
            + ", ".join(f"{n} {k}" for k, n in sorted(kills.killed.items()))]
    rows += ledger.table()
    total = sum(n for (_, outcome), n in ledger.counts.items() if outcome == "acknowledged")
    rows.append(f"  {total} acknowledged, {len(ledger.messages)} messages, "
                f"{sum(len(b) for boxes in found.values() for b in boxes.values())} found")
    rows.append("  " + ", ".join(f"{k} {ledger.number(k)}" for k in
                ("lost", "duplicate", "resurrected", "refused", "torn", "flags", "content", "uid", "strange")))
    rows.append(f"  recovery of a role: {line(kills.role_times)}")
    rows.append(f"  recovery of the tree: {line(kills.tree_times)}")
    return rows


def test_nothing_acknowledged_is_lost(request, buzon, capsys):
    count, seed = request.config.getoption("--kills") or KILLS, request.config.getoption("--seed")
    server, ledger = Server(buzon, extra=EXTRA, accounts=ACCOUNTS), Ledger()
    kills = Kills(server, ledger, random.Random(seed))
    load = Load(server, ledger, seed, KINDS)
    # Ten threads that each hold the interpreter for 5 ms would measure the interpreter.
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)
    try:
        server.start()
        kills.probe.wait()
        begin = time.monotonic()
        load.start()
        run_kills(kills, count)
        time.sleep(0.5)
        stuck = load.stop()
        seconds = time.monotonic() - begin
        kills.processors.ends(server.tree()[1:])
        left = kills.processors.left()
        assert not load.failures, load.failures[0]
        assert not stuck, f"{stuck[0].thread.name} does not end"
        # What was under way ends with the processes; a clean stop loses nothing either.
        assert server.stop() == 0
        server.start()
        found = all_mail(server)
        assert server.stop() == 0
        ledger.finish(found)
        rows = report(ledger, kills, seed, seconds, found)
        rows.append(f"  {left:.0%} of the processors were left to us")
        with capsys.disabled():
            print("\n" + "\n".join(rows))
        assert not ledger.violations, "\n".join(f"{k}: {t}" for k, t in ledger.violations[:20])
        check = server.run("check", "--deep", check=False)
        assert check.returncode == 0, check.stdout + check.stderr
        assert all(ledger.counts[kind, "acknowledged"] for kind in DONE), "some kind of load did nothing"
        for times in (kills.role_times, kills.tree_times):
            assert percentile(times, 0.99) < RECOVERY_P99 / left
    except AssertionError:
        print(f"seed {seed}")
        server.keep_log()
        raise
    finally:
        load.running = False
        sys.setswitchinterval(interval)
        server.close()
