"""The language: what it reads, and what it says about mistakes."""
import os
import re

import pytest

from internet import ScenarioError
from internet.rules import Clock, Memory
from internet.scenario import parse
from internet.text import quantity, split_words, to_bytes

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


@pytest.mark.parametrize("line, wanted", [
    ("a b", ["a", "b"]), ('a "b c" d', ["a", "b c", "d"]), ("a, b,c", ["a", ",", "b,c"]), ("a # b", ["a"]),
    ('local="john smith"', ["local=john smith"]), (r'"\r\n\x41\"\\"', ["\r\nA\"\\"]), ('"a,", b', ["a,", ",", "b"]), ("", [])])
def test_words(line, wanted):
    assert [w.text for w in split_words(line)] == wanted


def test_bytes_and_characters():
    assert to_bytes(split_words(r'"\xe9é"')[0].text) == b"\xe9\xc3\xa9"


@pytest.mark.parametrize("text, wanted", [("10", 10), ("300s", 300), ("5m", 300), ("2h", 7200), ("250ms", .25), ("64k", 65536),
                                          ("1.5s", 1.5), ("20%", .2)])
def test_quantities(text, wanted):
    assert quantity(text) == wanted


@pytest.mark.parametrize("text, said", [
    ("hast a 198.51.100.1", "line 1: there is no statement 'hast'"),
    ("  indented", "line 1: an indented line belongs to"),
    ("host a.example 198.51.100.300", "line 1: '198.51.100.300' is no IP address"),
    ("host a.example\nhost a.example", "line 2: host a.example is described twice"),
    ("host a.example\n  mailbox x", "line 2: a host has no setting 'mailbox'"),
    ("host a.example\n  listen 25 smpt", "line 2: nothing speaks 'smpt'"),
    ("host a.example\n  rctp : reply 550", "line 2: there is no stage 'rctp'"),
    ("host a.example\n  rcpt locl=x : reply 550", "line 2: there is no guard 'locl'"),
    ("host a.example\n  rcpt : replay 550", "line 2: there is no action 'replay'"),
    ("host a.example\n  rcpt : wait", "line 2: action 'wait' takes 1 to 3 words"),
    ("host a.example\n  rcpt : reply 550 ,", "line 2: an action is missing"),
    ("host a.example\n  rcpt n/moon<=2 : reply 550", "line 2: 'moon' in 'n/moon<=2' is neither a scope"),
    ("host a.example\n  rcpt n<=many : reply 550", "line 2: 'many' is no number"),
    ("host a.example\n  rcpt arg~( : reply 550", "line 2: 'arg~(' has no valid pattern"),
    ("host a.example\n  rcpt client=home : reply 550", "line 2: 'home' is no address or network"),
    ('host a.example\n  rcpt : reply "550', "line 2: a quote is not closed"),
    ("host a.example\n  tls golden", "line 2: tls cannot be 'golden'"),
    ("host a.example\n  use nothing", "line 2: there is no behaviour 'nothing'"),
    ("host a.example\n  limit speed 3", "line 2: there is no limit 'speed'"),
    ("host a.example\n  get path=/ : reply 404", "line 2: there is no stage 'get'"),
    ("zone a.example sighed", "line 1: a zone cannot be 'sighed'"),
    ("zone a.example\n  @ MXX 10 a", "line 2: write 'NAME TYPE DATA'"),
    ("zone a.example\n  fault x broken", "line 2: there is no fault 'broken'"),
    ("repeat i 1..3\nhost a{i}.example", "line 1: write 'repeat NAME FROM..TO'"),
    ("peer exim mx.example 198.51.100.1", "line 1: a peer is buzon, postfix or opensmtpd"),
])
def test_mistakes(text, said):
    with pytest.raises(ScenarioError) as why:
        parse(text)
    assert str(why.value).startswith(said)


def test_repeat_and_arithmetic():
    text = "repeat i 248..251\nhost h{i}.example 44.1.{i/250}.{i%250}\n  rcpt : reply 250 \"{to}\"\nend\n"
    hosts = parse(text).hosts
    assert [h.addresses[0] for h in hosts.values()] == ["44.1.0.248", "44.1.0.249", "44.1.1.0", "44.1.1.1"]
    assert hosts["h250.example"].rules[0].actions[0].words[1].text == "{to}"


def test_repeat_inside_a_block_and_nested():
    text = "host a.example 198.51.100.1\n  repeat i 1..2\n  repeat j 1..2\n  alias x{i}{j}.example\n  end\n  end\n"
    assert parse(text).hosts["a.example"].aliases == ["x11.example", "x12.example", "x21.example", "x22.example"]


def test_include(tmp_path):
    (tmp_path / "more.net").write_text("host b.example 198.51.100.2\n")
    assert "b.example" in parse("include more.net\n", str(tmp_path)).hosts


def test_what_follows_from_hosts():
    scenario = parse("host mx.a.example 44.1.1.1 2001:db8::1\n  mx a.example 5\n  alias other.a.example\n")
    records = {(n, t, " ".join(w.text for w in d)) for z in scenario.zones.values() for n, t, d in z.records}
    assert {("a.example.", "MX", "5 mx.a.example."), ("mx.a.example.", "A", "44.1.1.1"), ("other.a.example.", "A", "44.1.1.1"),
            ("mx.a.example.", "AAAA", "2001:db8::1"), ("1.1.1.44.in-addr.arpa.", "PTR", "mx.a.example.")} <= records
    assert {".", "example.", "a.example.", "arpa.", "in-addr.arpa."} <= set(scenario.zones)


def test_rule_ids_and_short_forms():
    host = parse("host a.example 198.51.100.1\n  greylist 60s\n  [V3] rcpt : reply 550\n").hosts["a.example"]
    assert [r.id for r in host.rules] == ["V3", "a.example:default"]


def test_windows_of_a_counter():
    clock = Clock()
    memory = Memory(clock, 1)
    assert [memory.hit("k", 60) for _ in range(3)] == [1, 2, 3]
    clock.advance(61)
    assert memory.hit("k", 60) == 1


def test_marks_end():
    clock = Clock()
    memory = Memory(clock, 1)
    memory.mark("banned", "192.0.2.1", 10)
    assert memory.marked("192.0.2.1") == {"banned"} and not memory.marked("192.0.2.2")
    clock.advance(11)
    assert not memory.marked("192.0.2.1")


def test_examples_of_the_manual_are_right():
    with open(os.path.join(ROOT, "docs/internet.md"), encoding="utf-8") as f:
        blocks = re.findall(r"^```(\w*)\n(.*?)^```", f.read(), re.S | re.M)
    example, behaviours, peers = [text for language, text in blocks if not language]
    with open(os.path.join(ROOT, "tests/internet/scenarios/example.net"), encoding="utf-8") as f:
        assert [line for line in f.read().splitlines() if not line.startswith("#")] == example.splitlines()
    rules = parse("host a.example 198.51.100.1\n" + "".join(f"  {line}\n" for line in behaviours.splitlines()))
    assert len(rules.hosts["a.example"].rules) == len(behaviours.splitlines())
    assert len(parse(peers).peers) == 3
