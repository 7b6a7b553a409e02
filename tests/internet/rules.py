"""The rule language: STAGE GUARD... : ACTION, ACTION...  Rules of a host are read from top to bottom; see docs/internet.md.

This module knows nothing of SMTP: a protocol names its stages, facts and actions, and a session answers questions
(`fact`, `scope`). Rules remember what they counted in `Memory`, one for each host.
"""
import collections
import fnmatch
import ipaddress
import random
import re
import time
from dataclasses import dataclass, field

from .text import ScenarioError, is_quantity, quantity

SCOPES = ("session", "client", "from", "rcpt", "domain", "triplet", "helo", "host")
COUNTERS = ("n", "age")
OPERATORS = ("!=", "<=", ">=", "!~", "=", "<", ">", "~")
GUARD = re.compile(r"(!?)([a-z0-9][a-z0-9.:_-]*)((?:/[a-z0-9.]+)*)(!=|<=|>=|!~|=|<|>|~|$)(.*)", re.S)

# name: (fewest words, most words, does it end the search for a rule). Every protocol knows these.
COMMON_ACTIONS = {
    "wait": (1, 3, False), "note": (1, 1, False), "count": (1, 1, False), "mark": (1, 3, False), "unmark": (1, 1, False),
    "drip": (1, 1, False), "raw": (1, 99, True), "flood": (1, 2, True), "stall": (0, 0, True), "ignore": (0, 0, True),
    "close": (0, 0, True), "reset": (0, 0, True), "default": (0, 0, True), "reply": (1, 99, True),
}


class Clock:
    """The time of rules: runs at its own speed and can be moved on, so that a greylist of 300 s takes no 300 s."""

    def __init__(self, speed=1):
        self.speed, self.offset, self.started = speed, 0.0, time.monotonic()

    def now(self):
        return (time.monotonic() - self.started) * self.speed + self.offset

    def advance(self, seconds):
        self.offset += seconds


@dataclass
class Guard:
    key: str
    op: str
    value: str
    negated: bool = False
    scope: str = "host"
    window: float = 0
    pattern: object = None

    def holds(self, value):
        return self._compare(value) != self.negated

    def _compare(self, value):
        if self.op == "":
            return bool(value) and value != "no"
        if self.op in ("~", "!~"):
            return bool(self.pattern.search("" if value is None else str(value))) == (self.op == "~")
        if self.op in ("=", "!="):
            return any(_equal(value, wanted) for wanted in self.value.split(",")) == (self.op == "=")
        if value is None:
            return False
        have, want = float(value), float(quantity(self.value))
        return {"<": have < want, "<=": have <= want, ">": have > want, ">=": have >= want}[self.op]


def _equal(value, wanted):
    if isinstance(value, bool):
        return wanted.lower() == ("yes" if value else "no")
    if value is None:
        return wanted.lower() in ("no", "none", "")
    if isinstance(value, (int, float)):
        return is_quantity(wanted) and float(value) == float(quantity(wanted))
    if isinstance(value, ipaddress.IPv4Address | ipaddress.IPv6Address):
        return value in ipaddress.ip_network(wanted, strict=False)
    if isinstance(value, (set, frozenset, list, tuple)):
        return any(_equal(v, wanted) for v in value)
    return fnmatch.fnmatchcase(str(value).lower(), wanted.lower())


@dataclass
class Action:
    name: str
    words: list

    def texts(self):
        return [w.text for w in self.words]


@dataclass
class Rule:
    id: str
    stages: frozenset
    guards: list
    actions: list
    ends: bool  # one of the actions replies or closes, so no later rule is asked
    plain: list = field(default_factory=list)  # guards without memory
    counting: list = field(default_factory=list)

    def __post_init__(self):
        self.counting = [g for g in self.guards if g.key in COUNTERS]
        self.plain = [g for g in self.guards if g.key not in COUNTERS]


class Memory:
    """What the rules of one host remember: how often each matched and since when, named counters, marks on clients."""

    def __init__(self, clock, seed):
        self.clock, self.random = clock, random.Random(seed)
        self.hits, self.first = collections.Counter(), {}
        self.moments = collections.defaultdict(collections.deque)
        self.marks = {}

    def hit(self, key, window=0):
        """Counts one more and returns the count: of all time, or within the last `window` seconds."""
        now = self.clock.now()
        if not window:
            self.first.setdefault(key, now)
            self.hits[key] += 1
            return self.hits[key]
        moments = self.moments[key, window]
        moments.append(now)
        while moments and moments[0] <= now - window:
            moments.popleft()
        return len(moments)

    def age(self, key):
        return self.clock.now() - self.first.setdefault(key, self.clock.now())

    def mark(self, name, client, seconds):
        self.marks[name, client] = self.clock.now() + seconds if seconds else float("inf")

    def unmark(self, name, client):
        self.marks.pop((name, client), None)

    def marked(self, client):
        now = self.clock.now()
        return {name for (name, who), until in self.marks.items() if who == client and until > now}


def first_match(rules, stage, session, memory):
    """Yields the rules that hold at this stage, in order, up to and with the first that ends the search."""
    for rule in rules:
        if (stage in rule.stages or "any" in rule.stages) and matches(rule, session, memory):
            yield rule
            if rule.ends:
                return


def matches(rule, session, memory):
    if not all(guard.holds(_value(guard, session, memory)) for guard in rule.plain):
        return False
    # Every counter of the rule is moved before any is asked, so that their order in the line does not matter.
    values = []
    for guard in rule.counting:
        key = (rule.id, guard.scope, session.scope(guard.scope))
        if guard.key == "age":
            values.append(memory.age(("age", *key)))
        else:
            values.append(memory.hit(key, guard.window))
    return all(guard.holds(value) for guard, value in zip(rule.counting, values))


def _value(guard, session, memory):
    if guard.key == "time":
        return memory.clock.now()
    if guard.key == "chance":
        return memory.random.random() < quantity(guard.value)
    if guard.key == "marked":
        return memory.marked(session.scope("client"))
    if guard.key.startswith("count:"):
        return memory.hits["count", guard.key[6:], guard.scope, session.scope(guard.scope)]
    return session.fact(guard.key)


def count(name, session, memory):
    """The action `count`: the counter is kept for every scope at once, a guard chooses one with /SCOPE."""
    for scope in SCOPES:
        memory.hits["count", name, scope, session.scope(scope)] += 1


def parse_rule(words, rule_id, protocol, counters):
    """`protocol` has stages, facts and actions; `counters` are the names that `count` uses in this host."""
    if words and re.fullmatch(r"\[.+\]", words[0].text) and not words[0].quoted:
        rule_id, words = words[0].text[1:-1], words[1:]
    colon = next((i for i, w in enumerate(words) if w.is_mark(":")), None)
    if not colon:
        raise ScenarioError("a rule is STAGE GUARDS : ACTIONS")
    stages = frozenset(words[0].text.split(","))
    unknown = stages - set(protocol.STAGES) - {"any"}
    if unknown:
        raise ScenarioError(f"there is no stage '{min(unknown)}'; the stages are {', '.join(protocol.STAGES)}, any")
    guards = [parse_guard(w.text, protocol, counters) for w in words[1:colon]]
    actions = parse_actions(words[colon + 1:], protocol)
    table = {**COMMON_ACTIONS, **protocol.ACTIONS}
    return Rule(rule_id, stages, guards, actions, any(table[a.name][2] for a in actions))


def parse_guard(text, protocol, counters):
    found = GUARD.fullmatch(text)
    if not found:
        raise ScenarioError(f"'{text}' is no guard")
    negated, key, path, op, value = found.groups()
    guard = Guard(key, op, value, bool(negated))
    for part in path.split("/")[1:]:
        if part in SCOPES:
            guard.scope = part
        elif is_quantity(part) and key == "n":
            guard.window = quantity(part)
        else:
            raise ScenarioError(f"'{part}' in '{text}' is neither a scope ({', '.join(SCOPES)}) nor a span of time")
    if key in counters:
        guard.key = "count:" + key
    elif key not in COUNTERS and key not in ("time", "chance", "marked") and key not in protocol.FACTS \
            and not key.startswith(protocol.FACT_PREFIXES):
        raise ScenarioError(f"there is no guard '{key}'; guards are {', '.join(sorted(protocol.FACTS))}, n, age, time, "
                            "chance, marked and the counters of 'count'")
    if key == "chance":
        guard.op, _ = "", quantity(value)
    _check_operand(guard, text)
    return guard


def _check_operand(guard, text):
    if guard.op in ("<", "<=", ">", ">="):
        quantity(guard.value)
    elif guard.op in ("~", "!~"):
        try:
            guard.pattern = re.compile(guard.value, re.I | re.S)
        except re.error as why:
            raise ScenarioError(f"'{text}' has no valid pattern: {why}") from None
    elif guard.key == "client" and guard.op:
        for network in guard.value.split(","):
            try:
                ipaddress.ip_network(network, strict=False)
            except ValueError:
                raise ScenarioError(f"'{network}' is no address or network") from None


def parse_actions(words, protocol):
    table = {**COMMON_ACTIONS, **protocol.ACTIONS}
    groups, current = [], []
    for word in [*words, None]:
        if word is None or word.is_mark(","):
            if not current:
                raise ScenarioError("an action is missing")
            groups.append(current)
            current = []
        else:
            current.append(word)
    actions = []
    for name, *rest in groups:
        if name.text not in table:
            raise ScenarioError(f"there is no action '{name.text}'; actions are {', '.join(sorted(table))}")
        fewest, most, _ = table[name.text]
        if not fewest <= len(rest) <= most:
            raise ScenarioError(f"action '{name.text}' takes {fewest} to {most} words, here are {len(rest)}")
        actions.append(Action(name.text, rest))
    return actions


def counters_of(lines):
    """Names used by `count` in the words of a host's lines; they may be used as guards anywhere in the host."""
    names = set()
    for words in lines:
        for i, word in enumerate(words[:-1]):
            if word.is_mark("count"):
                names.add(words[i + 1].text)
    return names
