"""Kills relay, core and the whole tree while mail leaves: every recipient has it or its sender was told, once."""
import functools
import random
import re
import sys
import time

import pytest

from crash.kills import Kills, line
from crash.ledger import Ledger
from crash.load import Load
from crash.outgoing import RECIPIENTS_MAX, NextTimes, Outgoing, OutgoingWorker, Verdict
from crash.sink import Sink
from support.imap import Imap
from support.server import Server

SENDERS = ("ana", "bob", "dora")
ACCOUNTS = (*SENDERS, "probe")
KILLS = 8
DRAIN_S = 240
RECIPIENT = re.compile(rb"^Final-Recipient: *\S+; *(\S+?)\r$", re.M | re.I)
ACTION = re.compile(rb"^Action: *(\w+)", re.M | re.I)
# Way out: domains of recipients, where the sink listens, settings of relay. Literals are hosts without the DNS, and each
# is a destination of its own.
WAYS = {
    "smart-host": (["one.example", "two.example"], "127.0.0.1",
                   'smart-host = "127.0.0.1:{port}" clear = true'),
    "hosts": ([f"[127.0.0.{n}]" for n in range(2, 6)], "0.0.0.0", "port = {port} private-addresses = true"),
}
WRONGS = ("lost", "torn", "told twice", "told wrongly", "repeated", "content", "strange")


class QueueKills(Kills):
    """Of those that have to do with mail on its way out; worker too, as notifications pass it."""
    WEIGHTS = {"relay": 4, "core": 4, "worker": 1}

    def __init__(self, server, ledger, random):
        super().__init__(server, ledger, random)
        self.times = []

    def choose(self):
        roles = [r for r in self.server.status()["roles"] if r["role"] in self.WEIGHTS]
        name = self.random.choices(sorted(self.WEIGHTS), [w for _, w in sorted(self.WEIGHTS.items())])[0]
        if name != "worker":
            self.times.append(time.time())
        return self.random.choice([r for r in roles if r["role"] == name])

    def down(self, only_head):
        self.times.append(time.time())
        super().down(only_head)


def notices(server):
    """{recipient: [who was told, …]} of failures, as they lie in the mailboxes of the senders."""
    found = {}
    for account in SENDERS:
        c = Imap(server, account, timeout=60)
        _, uidnext, count = c.select("INBOX", readonly=True)
        rows = c.rows(f"1:{uidnext}", "BODY.PEEK[]") if count else []
        c.close()
        assert len(rows) == count
        for _, _, text in rows:
            recipients, actions = RECIPIENT.findall(text), ACTION.findall(text)
            assert recipients and set(actions) == {b"failed"} and len(actions) == len(recipients), text[:3000]
            for r in recipients:
                found.setdefault(r.decode(), []).append(f"{account}@example.org")
    return found


def run_kills(kills, times, count):
    """Now and then all that waits is tried by hand, so that kills meet the second attempts too."""
    for n in range(1, count + 1):
        time.sleep(kills.random.uniform(0.1, 0.7))
        times.look()
        if n % 3 == 0:
            times.retry()
            time.sleep(kills.random.uniform(0, 0.2))
        if n % 4 == 0:
            kills.tree()
        else:
            kills.role()


def drain(server, times):
    """How long it took until nothing was left."""
    begin = time.monotonic()
    while time.monotonic() < begin + DRAIN_S:
        if not times.look():
            return time.monotonic() - begin
        times.retry()
        time.sleep(1)
    raise AssertionError(f"the queue is not empty after {DRAIN_S} s: {server.json('queue', 'list')[:5]}")


def allowed(kills, sink):
    """Deliveries that may be repeated: at each kill, all recipients of a message for each connection."""
    return len(kills.times) * sink.most * RECIPIENTS_MAX


def report(way, kills, verdict, times, sink, seed, drained):
    n = verdict.counts
    return [
        f"{way}, seed {seed}: {sum(kills.killed.values())} kills: "
        + ", ".join(f"{k} {name}" for name, k in sorted(kills.killed.items())),
        f"  {n['acknowledged']} messages acknowledged, {n['unknown']} unknown, {n['recipients']} recipients: "
        f"{n['delivered']} delivered, {n['returned']} returned",
        f"  {len(sink.attempts)} attempts, {sum(sink.refusals.values())} put off, {sink.dropped} dropped after the dot, "
        f"at most {sink.most} connections; {len(times.seen)} recipients seen waiting for their time",
        f"  {n['repeated']} deliveries repeated after {len(kills.times)} kills (at most {allowed(kills, sink)} allowed), "
        f"first delivery at most {max(verdict.gaps, default=0):.3f} s before the kill",
        "  " + ", ".join(f"{k} {verdict.number(k)}" for k in WRONGS) + f", tried early {len(times.violations)}",
        f"  recovery of a role: {line(kills.role_times)}; of the tree: {line(kills.tree_times)}; "
        f"queue empty after {drained:.1f} s"]


def go(server, sink, kills, load, times, count):
    server.start()
    kills.probe.wait()
    load.start()
    run_kills(kills, times, count)
    stuck = load.stop()
    assert not load.failures, load.failures[0]
    assert not stuck, f"{stuck[0].thread.name} does not end"
    drained = drain(server, times)
    told = notices(server)
    # The numbers are gone on disk too.
    assert server.stop() == 0
    assert not server.json("queue", "list")
    return drained, told


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_lost_on_its_way_out(request, buzon, capsys, way):
    domains, address, relay = WAYS[way]
    count, seed = request.config.getoption("--kills") or KILLS, request.config.getoption("--seed")
    sink, outgoing = Sink(address), Outgoing()
    server = Server(buzon, accounts=ACCOUNTS, extra='dns { server = "127.0.0.1@9" }\n'
                    f"relay {{ {relay.format(port=sink.port)} }}")
    kills, times = QueueKills(server, Ledger(), random.Random(seed)), NextTimes(server, sink)
    load = Load(server, None, seed, [functools.partial(OutgoingWorker, account=a, outgoing=outgoing, domains=domains)
                                      for a in SENDERS])
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)
    try:
        drained, told = go(server, sink, kills, load, times, count)
        verdict = Verdict(outgoing, sink, told, kills.times)
        with capsys.disabled():
            print("\n" + "\n".join(report(way, kills, verdict, times, sink, seed, drained)))
        assert not verdict.violations, "\n".join(f"{k}: {t}" for k, t in verdict.violations[:20])
        assert not times.violations, "\n".join(times.violations[:20])
        assert verdict.counts["repeated"] <= allowed(kills, sink)
        check = server.run("check", "--deep", check=False)
        assert check.returncode == 0, check.stdout + check.stderr
        assert verdict.counts["returned"] and times.seen and sink.dropped, "some kind of load did nothing"
    except AssertionError:
        print(f"seed {seed}")
        server.keep_log()
        raise
    finally:
        load.running = False
        sys.setswitchinterval(interval)
        server.close()
        sink.close()
