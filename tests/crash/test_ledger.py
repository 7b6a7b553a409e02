"""The crash test's own bookkeeping: what it must notice, and what it must let pass."""
import pytest

from crash import ledger as module
from crash.ledger import GONE, Change, Ledger, Refused, digest


class Interrupted(Exception):
    pass


@pytest.fixture
def ledger(monkeypatch):
    monkeypatch.setattr(module, "GRACE", 0)
    return Ledger()


def run(ledger, changes, outcome="acknowledged", atomic=False):
    error = {"acknowledged": None, "refused": Refused, "unknown": Interrupted}[outcome]
    try:
        with ledger.attempt("test", changes, atomic):
            if error:
                raise error()
    except (Refused, Interrupted):
        pass


def message(ledger, token="one", outcome="acknowledged", place="INBOX"):
    m = ledger.new("ana", token, token.encode())
    run(ledger, [Change(m, place=place)], outcome)
    return m


def finish(ledger, **boxes):
    """boxes: mailbox = tokens; UIDs from 1 on."""
    ledger.finish({"ana": {box: [(uid, token, (), digest(token.encode())) for uid, token in enumerate(tokens, 1)]
                           for box, tokens in boxes.items()}})
    return sorted({kind for kind, _ in ledger.violations})


@pytest.mark.parametrize("outcome, found, expected", [
    ("acknowledged", ["one"], []),
    ("acknowledged", [], ["lost"]),
    ("acknowledged", ["one", "one"], ["duplicate"]),
    ("unknown", ["one"], []),
    ("unknown", [], []),
    ("unknown", ["one", "one"], ["duplicate"]),
    ("refused", [], []),
    ("refused", ["one"], ["resurrected"]),
])
def test_delivery(ledger, outcome, found, expected):
    message(ledger, outcome=outcome)
    assert finish(ledger, INBOX=found) == expected


@pytest.mark.parametrize("outcome, inbox, other, expected", [
    ("acknowledged", [], ["one"], []),
    ("acknowledged", ["one"], [], ["resurrected"]),
    ("acknowledged", ["one"], ["one"], ["duplicate", "resurrected"]),
    ("acknowledged", [], [], ["lost"]),
    ("unknown", [], ["one"], []),
    ("unknown", ["one"], [], []),
    ("unknown", ["one"], ["one"], ["duplicate", "resurrected"]),
    ("unknown", [], [], ["lost"]),
    ("refused", [], ["one"], ["resurrected"]),
])
def test_move(ledger, outcome, inbox, other, expected):
    run(ledger, [Change(message(ledger), place="Other")], outcome)
    assert finish(ledger, INBOX=inbox, Other=other) == expected


@pytest.mark.parametrize("outcome, found, expected", [
    ("acknowledged", [], []),
    ("acknowledged", ["one"], ["resurrected"]),
    ("unknown", [], []),
    ("unknown", ["one"], []),
    ("refused", [], ["lost"]),
])
def test_expunge(ledger, outcome, found, expected):
    run(ledger, [Change(message(ledger), place=GONE)], outcome)
    assert finish(ledger, INBOX=found) == expected


def test_what_was_seen_does_not_come_or_go_again(ledger):
    m = message(ledger, outcome="unknown")
    ledger.saw("ana", "INBOX", [(1, "one", [])], complete=True)
    assert m.settled()
    assert finish(ledger, INBOX=[]) == ["lost"]
    ledger.violations.clear()
    n = message(ledger, "two", outcome="unknown")
    ledger.saw("ana", "INBOX", [(1, "one", [])], complete=True)
    assert n.places == {GONE}
    assert finish(ledger, INBOX=["one", "two"]) == ["resurrected"]


def test_an_old_session_may_still_be_at_it(ledger, monkeypatch):
    monkeypatch.setattr(module, "GRACE", 60)
    m = message(ledger)
    run(ledger, [Change(m, place="Other")], "unknown")
    ledger.saw("ana", "INBOX", [(1, "one", [])], complete=True)
    assert m.places == {"INBOX", "Other"}
    ledger.saw("ana", "Other", [(1, "one", [])], complete=True)
    assert m.places == {"Other"}


def test_flags(ledger):
    m = message(ledger)
    run(ledger, [Change(m, flags=lambda f: f | {"\\seen"})])
    run(ledger, [Change(m, flags=lambda f: f | {"\\flagged"})], "unknown")
    for flags, expected in (["\\seen", "\\recent"], 0), (["\\seen", "\\flagged"], 1), (["\\flagged"], 2):
        ledger.saw("ana", "INBOX", [(1, "one", flags)], complete=True)
        assert ledger.number("flags") == expected


def test_a_group_goes_whole(ledger):
    pair = [message(ledger, "one"), message(ledger, "two")]
    run(ledger, [Change(m, place=GONE) for m in pair], "unknown", atomic=True)
    assert finish(ledger, INBOX=["one"]) == ["torn"]


def test_uids(ledger):
    ledger.saw_mailbox("ana", "INBOX", 7, 5, 0)
    message(ledger)
    ledger.saw_uid("ana", "INBOX", 5, "one")
    assert not ledger.violations
    ledger.saw_uid("ana", "INBOX", 5, "two")            # used again
    message(ledger, "three")
    ledger.saw_uid("ana", "INBOX", 4, "three")          # below what was next
    ledger.saw_mailbox("ana", "INBOX", 8, 9, 0)         # another UIDVALIDITY
    ledger.saw_mailbox("ana", "INBOX", 7, 3, 5)         # UIDNEXT went back
    assert ledger.number("uid") == 4


def test_content_and_strangers(ledger):
    ledger.new("ana", "one", b"other bytes")
    message(ledger, "two")
    assert finish(ledger, INBOX=["one", "two", "three"]) == ["content", "resurrected", "strange"]
