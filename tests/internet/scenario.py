"""Reads a scenario: zones, hosts, behaviours and peers from text. The language is described in docs/internet.md."""
import functools
import ipaddress
import os
import re
from dataclasses import dataclass, field

from . import protocols
from .rules import counters_of, parse_rule
from .text import ScenarioError, Word, quantity, split_words

RESOLVER, AUTHORITY = "192.0.2.54", "192.0.2.53"
RESOLVER6, AUTHORITY6 = "2001:db8::54", "2001:db8::53"
STATES = ("refused", "filtered", "unreachable", "prohibited")
ZONE_WORDS = ("signed", "nsec3", "expired", "future", "bogus", "nosig", "nods", "badds")
FAULTS = {"nxdomain": 0, "nodata": 0, "servfail": 0, "refused": 0, "formerr": 0, "notimp": 0, "timeout": 0, "slow": 1,
          "truncate": 0, "notcp": 0, "wrongid": 0, "wrongquestion": 0, "bogus": 0, "expired": 0, "nosig": 0,
          "garbage": 0, "empty": 0, "noedns": 0, "lame": 0, "stale": 0}
TYPES = ("A", "AAAA", "MX", "TXT", "CNAME", "DNAME", "PTR", "TLSA", "SRV", "CAA", "NS", "SOA", "DS", "SPF")


@dataclass
class Fault:
    name: str  # "*" means every name of the zone
    type: str  # "" means every type
    kind: str
    argument: str = ""
    times: int = 0  # 0: always
    after: int = 0
    transport: str = ""
    server: str = ""
    seen: int = 0


@dataclass
class Zone:
    name: str  # lower case, ends with a dot
    options: set = field(default_factory=set)
    ttl: int = 300
    records: list = field(default_factory=list)  # (name, type, [Word])
    servers: list = field(default_factory=list)  # (name, address, fault kind or "")
    faults: list = field(default_factory=list)
    automatic: bool = False


@dataclass
class Listener:
    port: int
    protocol: str
    arguments: list = field(default_factory=list)


@dataclass
class Host:
    name: str
    addresses: list = field(default_factory=list)
    state: str = ""
    dns: bool = True
    ptr: str = ""
    aliases: list = field(default_factory=list)
    listeners: list = field(default_factory=list)
    settings: dict = field(default_factory=dict)  # setting name: list of word lists, in order
    rules: list = field(default_factory=list)
    mx_for: list = field(default_factory=list)  # (domain, preference)

    def one(self, name, default=None):
        return self.settings[name][-1] if name in self.settings else default

    def all(self, name):
        return self.settings.get(name, [])


@dataclass
class Peer:
    kind: str
    name: str
    addresses: list
    settings: dict = field(default_factory=dict)


class Scenario:
    def __init__(self):
        self.seed, self.speed, self.waits = 1, 1, 1
        self.client_name, self.clients = "client.example", ["192.0.2.1", "2001:db8::1"]
        self.dns, self.resolver = [AUTHORITY, AUTHORITY6], [RESOLVER, RESOLVER6]
        self.zones, self.hosts, self.peers, self.behaviours = {}, {}, {}, {}

    def addresses(self):
        """Every address that this machine answers on, and those of clients and peers."""
        found = dict.fromkeys(self.clients + self.dns + self.resolver)
        for zone in self.zones.values():
            found.update(dict.fromkeys(address for _, address, _ in zone.servers))
        for host in self.hosts.values():
            if host.state in ("", "refused"):
                found.update(dict.fromkeys(host.addresses))
        for peer in self.peers.values():
            found.update(dict.fromkeys(peer.addresses))
        return [a for a in found if not ipaddress.ip_address(a).is_loopback]


def parse_file(path):
    with open(path, encoding="utf-8") as f:
        return parse(f.read(), os.path.dirname(os.path.abspath(path)), os.path.basename(path))


def parse(text, folder=".", source="scenario"):
    scenario = Scenario()
    blocks = _blocks(_expand(text.splitlines(), folder, source))
    for number, words, lines in sorted(blocks, key=lambda b: b[1][0].text != "behaviour"):
        _at(number, _statement, scenario, words, lines)
    _finish(scenario)
    return scenario


def _at(number, function, *arguments):
    try:
        return function(*arguments)
    except ScenarioError as why:
        raise why if str(why).startswith("line ") else ScenarioError(f"line {number}: {why}") from None
    except (ValueError, IndexError) as why:
        raise ScenarioError(f"line {number}: {why}") from None


def _expand(lines, folder, source):
    """(line number, text) with `include FILE` and `repeat NAME FROM..TO` ... `end` written out."""
    out, i = [], 0
    while i < len(lines):
        words = lines[i].split()
        if words[:1] == ["include"] and len(words) == 2:
            with open(os.path.join(folder, words[1]), encoding="utf-8") as f:
                out += _expand(f.read().splitlines(), folder, words[1])
        elif words[:1] == ["repeat"]:
            found = re.fullmatch(r"repeat\s+(\w+)\s+(\d+)\.\.(\d+)", lines[i].strip())
            end = _matching_end(lines, i)
            if not found or end is None:
                raise ScenarioError(f"line {i + 1}: write 'repeat NAME FROM..TO', then lines, then 'end'")
            for value in range(int(found[2]), int(found[3]) + 1):
                body = [_replace(line, found[1], value) for line in lines[i + 1:end]]
                out += [(i + 1 + n, text) for n, text in _expand(body, folder, source)]
            i = end
        else:
            out.append((i + 1, lines[i]))
        i += 1
    return out


def _matching_end(lines, start):
    depth = 0
    for i in range(start, len(lines)):
        word = lines[i].split()[:1]
        depth += (word == ["repeat"]) - (word == ["end"])
        if depth == 0:
            return i
    return None


def _replace(line, name, value):
    """{n}, and {n+1} {n/250} {n%250} {n*2} {n-1} for addresses."""
    def number(found):
        if not found[1]:
            return str(value)
        other = int(found[2])
        return str({"+": value + other, "-": value - other, "*": value * other,
                    "/": value // max(other, 1), "%": value % max(other, 1)}[found[1]])
    return re.sub(r"\{" + re.escape(name) + r"(?:([-+*/%])(\d+))?\}", number, line)


def _blocks(lines):
    """A line at the margin begins a block; indented lines belong to it."""
    blocks = []
    for number, line in lines:
        words = _at(number, split_words, line)
        if not words:
            continue
        if line[0] not in " \t":
            blocks.append((number, words, []))
        elif not blocks:
            raise ScenarioError(f"line {number}: an indented line belongs to a zone, host, behaviour or peer")
        else:
            blocks[-1][2].append((number, words))
    return blocks


def _statement(scenario, words, lines):
    name, rest = words[0].text, [w.text for w in words[1:]]
    if name not in STATEMENTS:
        raise ScenarioError(f"there is no statement '{name}'; statements are {', '.join(sorted(STATEMENTS))}, include, "
                            "repeat")
    STATEMENTS[name](scenario, rest, lines)


def _single(scenario, rest, lines, name, convert):
    if len(rest) != 1 or lines:
        raise ScenarioError(f"write '{name} VALUE'")
    setattr(scenario, name, convert(rest[0]))


def _client(scenario, rest, _lines):
    scenario.client_name = rest[0].lower().rstrip(".")
    scenario.clients = [_address(a) for a in rest[1:]] or scenario.clients


def _address(text):
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ScenarioError(f"'{text}' is no IP address") from None


@functools.lru_cache(maxsize=65536)
def ascii_name(text):
    """A domain in lower case with its A-labels, ending with a dot."""
    labels = [label if label.isascii() else label.encode("idna").decode() for label in text.rstrip(".").split(".")]
    return (".".join(labels) + ".").lower() if text.rstrip(".") else "."


def _zone(scenario, rest, lines):
    zone = scenario.zones.setdefault(ascii_name(rest[0]), Zone(ascii_name(rest[0])))
    words = iter(rest[1:])
    for word in words:
        if word == "ttl":
            zone.ttl = int(quantity(next(words, "")))
        elif word in ZONE_WORDS:
            zone.options.add(word)
        else:
            raise ScenarioError(f"a zone cannot be '{word}'; words are {', '.join(ZONE_WORDS)}, ttl")
    if zone.options - {"signed"}:
        zone.options.add("signed")
    for number, line in lines:
        _at(number, _zone_line, zone, line)


def _zone_line(zone, words):
    if words[0].text == "fault":
        zone.faults.append(_fault(zone, [w.text for w in words[1:]]))
    elif words[0].text == "ns":
        kind = words[3].text if len(words) > 3 else ""
        if kind and kind not in FAULTS:
            raise ScenarioError(f"a name server cannot be '{kind}'")
        zone.servers.append((within(words[1].text, zone.name), _address(words[2].text), kind))
    elif len(words) < 3 or (words[1].text.upper() not in TYPES and not re.fullmatch(r"TYPE\d+", words[1].text)):
        raise ScenarioError(f"write 'NAME TYPE DATA'; types are {', '.join(TYPES)} and TYPEnnn")
    else:
        zone.records.append((within(words[0].text, zone.name), words[1].text.upper(), words[2:]))


def within(name, zone):
    """A name as zone files write it: @ is the zone, a final dot means the name is whole."""
    if name == "@":
        return zone
    if name.endswith("."):
        return ascii_name(name)
    return ascii_name(name) + zone if zone != "." else ascii_name(name)


def _fault(zone, words):
    name = words.pop(0)
    fault = Fault("*" if name == "*" else within(name, zone.name), "", "")
    if words and (words[0].upper() in TYPES or words[0] in ("DNSKEY", "NSEC", "RRSIG")):
        fault.type = words.pop(0).upper()
    fault.kind = words.pop(0) if words else ""
    if fault.kind not in FAULTS:
        raise ScenarioError(f"there is no fault '{fault.kind}'; faults are {', '.join(FAULTS)}")
    if FAULTS[fault.kind]:
        fault.argument = words.pop(0)
        quantity(fault.argument)
    while words:
        word = words.pop(0)
        if word in ("times", "after"):
            setattr(fault, word, int(words.pop(0)))
        elif word in ("udp", "tcp"):
            fault.transport = word
        elif word == "at":
            fault.server = _address(words.pop(0))
        else:
            raise ScenarioError(f"'{word}' says nothing about a fault; words are times, after, udp, tcp, at")
    return fault


def _host(scenario, rest, lines):
    host = Host(ascii_name(rest[0]).rstrip("."))
    if host.name in scenario.hosts:
        raise ScenarioError(f"host {host.name} is described twice")
    for word in rest[1:]:
        if word in STATES:
            host.state = word
        elif word == "nodns":
            host.dns = False
        else:
            host.addresses.append(_address(word))
    scenario.hosts[host.name] = host
    lines = _with_behaviours(scenario, lines)
    counters = counters_of([words for _, words in lines])
    found = []
    for number, words in lines:
        if words[0].text == "listen":
            _at(number, _listen, host, [w.text for w in words[1:]], words[1:])
        elif any(w.is_mark(":") for w in words):
            found.append((number, words))
        else:
            _at(number, _setting, host, words)
    if not host.listeners and not host.state and host.addresses:
        host.listeners = [Listener(443, "https")] if host.all("serve") + host.all("mta-sts") else [Listener(25, "smtp")]
    for number, words in found:
        host.rules.append(_at(number, _rule, host, words, number, counters))
    for listener in host.listeners:
        for words in protocols.sugar(host, listener):
            host.rules.append(_rule(host, words, "default", counters))


def _with_behaviours(scenario, lines, depth=0):
    out = []
    for number, words in lines:
        if words[0].text != "use" or any(w.is_mark(":") for w in words):
            out.append((number, words))
            continue
        for word in words[1:]:
            if word.text not in scenario.behaviours or depth > 8:
                raise ScenarioError(f"line {number}: there is no behaviour '{word.text}'")
            out += _with_behaviours(scenario, scenario.behaviours[word.text], depth + 1)
    return out


def _listen(host, rest, words):
    protocol = rest[1] if len(rest) > 1 else "smtp"
    if protocol not in protocols.LISTEN:
        raise ScenarioError(f"nothing speaks '{protocol}'; protocols are {', '.join(sorted(protocols.LISTEN))}")
    host.listeners.append(Listener(int(rest[0]), protocol, words[2:]))


def _setting(host, words):
    name = words[0].text
    if name == "alias":
        host.aliases += [ascii_name(w.text).rstrip(".") for w in words[1:]]
    elif name == "ptr":
        host.ptr = words[1].text
    elif name == "mx":
        host.mx_for.append((ascii_name(words[1].text), int(words[2].text) if len(words) > 2 else 10))
    elif name in protocols.SETTINGS:
        fewest = protocols.SETTINGS[name]
        if len(words) - 1 < fewest:
            raise ScenarioError(f"'{name}' takes {fewest} words or more")
        protocols.check_setting(name, [w.text for w in words[1:]])
        host.settings.setdefault(name, []).append(words[1:])
    else:
        raise ScenarioError(f"a host has no setting '{name}'; settings are alias, listen, mx, ptr, use, "
                            f"{', '.join(sorted(protocols.SETTINGS))} (a rule has ' : ' between guards and actions)")


def _rule(host, words, number, counters):
    """A rule belongs to the first protocol of the host that knows its words."""
    spoken = list(dict.fromkeys(protocols.LISTEN[item.protocol] for item in host.listeners)) or [protocols.Smtp]
    why = None
    for protocol in spoken:
        try:
            return parse_rule(words, f"{host.name}:{number}", protocol, counters)
        except ScenarioError as error:
            why = why or error
    raise why


def _behaviour(scenario, rest, lines):
    scenario.behaviours[rest[0]] = lines


def _peer(scenario, rest, lines):
    if rest[0] not in ("buzon", "postfix", "opensmtpd"):
        raise ScenarioError("a peer is buzon, postfix or opensmtpd")
    peer = Peer(rest[0], ascii_name(rest[1]).rstrip("."), [_address(a) for a in rest[2:]])
    for _number, words in lines:
        peer.settings.setdefault(words[0].text, []).append([w.text for w in words[1:]])
    scenario.peers[peer.name] = peer


STATEMENTS = {
    "seed": lambda s, r, l: _single(s, r, l, "seed", int),
    "speed": lambda s, r, l: _single(s, r, l, "speed", quantity),
    "waits": lambda s, r, l: _single(s, r, l, "waits", quantity),
    "dns": lambda s, r, l: setattr(s, "dns", [_address(a) for a in r]),
    "resolver": lambda s, r, l: setattr(s, "resolver", [_address(a) for a in r]),
    "client": _client, "zone": _zone, "host": _host, "behaviour": _behaviour, "peer": _peer,
}


def _finish(scenario):
    """What follows from the rest: addresses and reverse names of hosts, MX records, delegation."""
    client = Host(scenario.client_name, scenario.clients)
    for peer in scenario.peers.values():
        if peer.kind != "buzon":  # what the peer delivers arrives here, by LMTP
            scenario.hosts[peer.name] = Host(peer.name, peer.addresses, dns=False, ptr="none",
                                             listeners=[Listener(24, "lmtp")], settings={"tls": [[Word("none")]]})
    present = {(n, t) for zone in scenario.zones.values() for n, t, _ in zone.records}
    for host in [client, *scenario.hosts.values(), *scenario.peers.values()]:
        _add_addresses(scenario, host, present)
    for host in scenario.hosts.values():
        for domain, preference in host.mx_for:
            _owner(scenario, domain).records.append((domain, "MX", [Word(str(preference)), Word(host.name + ".")]))
    for peer in scenario.peers.values():
        for domain in [d for line in peer.settings.get("domains", []) for d in line]:
            zone = _owner(scenario, ascii_name(domain))
            if (ascii_name(domain), "MX") not in {(n, t) for n, t, _ in zone.records}:
                zone.records.append((ascii_name(domain), "MX", [Word("10"), Word(peer.name + ".")]))
    _owner(scenario, "ns.sim.", "sim.")
    scenario.zones["sim."].options.add("signed")
    scenario.zones["sim."].records += [("ns.sim.", _family(a), [Word(a)]) for a in scenario.dns]
    for name in list(scenario.zones):
        top = name.rstrip(".").rpartition(".")[2] + "."
        for parent in (top, "."):
            if parent not in scenario.zones:
                scenario.zones[parent] = Zone(parent, {"signed"}, automatic=True)
    _name_servers(scenario)


def _family(address):
    return "AAAA" if ":" in address else "A"


def _owner(scenario, name, automatic=None):
    """The zone a name lies in; a name without one gets an unsigned zone of its last two labels."""
    labels = name.rstrip(".").split(".")
    for i in range(len(labels)):
        zone = scenario.zones.get(".".join(labels[i:]) + ".")
        if zone:
            return zone
    automatic = automatic or ".".join(labels[-2:]) + "."
    return scenario.zones.setdefault(automatic, Zone(automatic, automatic=True))


def _add_addresses(scenario, host, present):
    """`present` is what the zones say themselves: it is not added to."""
    names = [host.name, *getattr(host, "aliases", [])] if getattr(host, "dns", True) else []
    for name in names:
        zone = _owner(scenario, name + ".")
        for address in host.addresses:
            if not {(name + ".", _family(address)), (name + ".", "CNAME")} & present:
                zone.records.append((name + ".", _family(address), [Word(address)]))
    pointer = getattr(host, "ptr", "") or host.name
    if pointer == "none":
        return
    for address in host.addresses:
        arpa = "in-addr.arpa." if ":" not in address else "ip6.arpa."
        reverse = ipaddress.ip_address(address).reverse_pointer + "."
        zone = _owner(scenario, reverse, arpa)
        if (reverse, "PTR") not in present:
            present.add((reverse, "PTR"))  # the first host of an address names it
            zone.options.add("signed")
            zone.records.append((reverse, "PTR", [Word(pointer.rstrip(".") + ".")]))


def _name_servers(scenario):
    for zone in scenario.zones.values():
        for name, address, _ in zone.servers:
            owner = _owner(scenario, name)
            if (name, _family(address), [Word(address)]) not in owner.records:
                owner.records.append((name, _family(address), [Word(address)]))
