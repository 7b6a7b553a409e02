"""Zones in memory: which records a name has, what a query is answered with, and the proofs of DNSSEC around it."""
from .scenario import within
from .signing import Key, Nsec3Chain, NsecChain, Signer
from .text import Word
from .wire import AA, TYPES, Answer, build_rdata, encode_name, labels_of, type_number

DS, NS, SOA, CNAME, DNAME, DNSKEY = (TYPES[t] for t in ("DS", "NS", "SOA", "CNAME", "DNAME", "DNSKEY"))
CHASE = 16


def parent_name(name):
    return ".".join(labels_of(name)[1:]) + "."


class Zone:
    def __init__(self, description, certificate_data, servers, key):
        self.name, self.options, self.ttl = description.name, description.options, description.ttl
        self.description = description
        self.signed = "signed" in self.options
        self.signer = Signer(self.name, self.options, key) if self.signed else None
        self.names = {}  # name: {type: [rdata]}; a name with nothing of its own is there with an empty dict
        self.chain = None
        self.cuts = set()  # names where another zone begins
        for name, rtype, words in description.records:
            self.add(name, rtype, words, certificate_data)
        self._apex(servers)

    def add(self, name, rtype, words, certificate_data):
        rdata = build_rdata(rtype, words, lambda n: within(n, self.name), certificate_data)
        rdatas = self._at(name).setdefault(type_number(rtype), [])
        if rdata not in rdatas:
            rdatas.append(rdata)
        self.chain = None

    def remove(self, name, rtype=None):
        if rtype:
            self.names.get(name, {}).pop(type_number(rtype), None)
        elif name in self.names:
            self.names[name] = {}
        self.chain = None

    def _at(self, name):
        if name not in self.names:
            self.names[name] = {}
            if name != self.name and name != ".":
                self._at(parent_name(name))
        return self.names[name]

    def _apex(self, servers):
        apex = self._at(self.name)
        apex.setdefault(NS, [encode_name(n) for n in servers])
        soa = [Word(w) for w in ("ns.sim.", "hostmaster.sim.", "1", "3600", "600", "604800", "60")]
        apex.setdefault(SOA, [build_rdata("SOA", soa, lambda n: within(n, self.name), None)])
        if self.signed:
            apex[DNSKEY] = [self.signer.dnskey]
            if "nsec3" in self.options:
                apex[TYPES["NSEC3PARAM"]] = [b"\1\0\0\0\0"]

    def delegate(self, child):
        at = self._at(child.name)
        at[NS] = child.names[child.name][NS]
        if child.signed and "nods" not in child.options:
            at[DS] = [child.signer.ds()]
        self.cuts.add(child.name)

    def types_at(self, name):
        return self.names.get(name, {})

    def proofs(self):
        if not self.chain:
            self.chain = (Nsec3Chain if "nsec3" in self.options else NsecChain)(self)
        return self.chain

    def signature_kind(self, name, rtype):
        """How the signatures of a set are spoilt: by the zone's options or by a fault on the name."""
        for fault in self.description.faults:
            if fault.kind in ("bogus", "expired", "nosig") and fault.name in ("*", name) \
                    and fault.type in ("", next((t for t, n in TYPES.items() if n == rtype), "")):
                return fault.kind
        if rtype == DNSKEY:  # a zone with bad data has good keys, so that the data is what validators blame
            return ""
        return next((k for k in ("bogus", "expired", "future", "nosig") if k in self.options), "")

    def rrset(self, name, rtype, source=None, sign=True):
        """The records with their RRSIG; `source` is the wildcard that made them."""
        rdatas = self.names[source or name][rtype]
        return self.signed_set(name, rtype, rdatas, source, sign)

    def signed_set(self, name, rtype, rdatas, source=None, sign=True):
        ttl = 60 if rtype in (SOA, TYPES["NSEC"], TYPES["NSEC3"]) else self.ttl
        out = [(name, rtype, ttl, r) for r in rdatas]
        if not sign or not self.signed or (rtype == NS and name in self.cuts):
            return out
        kind = self.signature_kind(source or name, rtype)
        if kind != "nosig":
            out.append((name, TYPES["RRSIG"], ttl, self.signer.sign(source or name, rtype, ttl, rdatas, kind)))
        return out

    def denial(self, records, sign=True):
        out = self.rrset(self.name, SOA, sign=sign)
        for name, rdata in records:
            out += self.signed_set(name, self.proofs().TYPE, [rdata])
        return out


class Data:
    """All zones of the scenario."""

    def __init__(self, scenario, certificate_data):
        self.zones, key = {}, Key()
        for description in scenario.zones.values():
            servers = [name for name, _, _ in description.servers] or ["ns.sim."]
            self.zones[description.name] = Zone(description, certificate_data, servers, key)
        for zone in self.zones.values():
            if zone.name != ".":
                self.zone_of(parent_name(zone.name)).delegate(zone)

    def zone_of(self, name):
        labels = labels_of(name)
        for i in range(len(labels) + 1):
            zone = self.zones.get(".".join(labels[i:]) + ".")
            if zone:
                return zone
        raise KeyError(name)

    def is_secure(self, zone):
        """A validator with our anchor would call the zone's data secure."""
        while zone.name != ".":
            if not zone.signed or zone.options & {"nods", "nosig"}:
                return False
            zone = self.zone_of(parent_name(zone.name))
        return zone.signed

    def is_bogus(self, zone, name, rtype):
        if zone.name == "." or "nods" in zone.options or not zone.signed:
            return False
        if not self.is_secure(self.zone_of(parent_name(zone.name))):
            return False
        return bool(zone.options & {"badds", "nosig"}) or zone.signature_kind(name, rtype) != ""

    def values(self, name, rtype):
        """Plain look-up for rules and the launcher: the data of a name, through aliases; None when it is not there."""
        answer = self.resolve(name.lower().rstrip(".") + ".", type_number(rtype), dnssec=False)
        found = [r for _, t, _, r in answer.answer if t == type_number(rtype)]
        return found if found or answer.rcode == 0 else None

    def resolve(self, name, rtype, dnssec):
        """The whole answer with aliases followed, as a forwarder gives it."""
        answer = Answer(flags=AA)
        for _ in range(CHASE):
            zone = self.zone_of(parent_name(name) if rtype == DS and name != "." else name)
            target = self._step(zone, name, rtype, answer, dnssec and zone.signed)
            if target is None:
                break
            name = target
        return answer

    def _step(self, zone, name, rtype, answer, sign):
        """Adds what one zone says to the answer; returns the name an alias leads to."""
        source, closest = name, name
        if name not in zone.names:
            while closest not in zone.names:
                dname = zone.types_at(parent_name(closest)).get(DNAME)
                closest = parent_name(closest)
                if dname:
                    return self._dname(zone, name, closest, answer, sign)
            source = "*." + (closest if closest != "." else "")
            if source not in zone.names:
                answer.rcode = 3
                answer.authority = zone.denial(zone.proofs().no_name(name, closest) if sign else [], sign)
                return None
        types = zone.names[source]
        wildcard = source if source != name else None
        if wildcard and sign and (rtype in types or CNAME in types):
            for owner, rdata in zone.proofs().wildcard(name, closest):
                answer.authority += zone.signed_set(owner, zone.proofs().TYPE, [rdata])
        if rtype in types or (rtype == TYPES["ANY"] and types):
            for number in [rtype] if rtype in types else list(types):
                answer.answer += zone.rrset(name, number, wildcard, sign)
            return None
        if CNAME in types:
            answer.answer += zone.rrset(name, CNAME, wildcard, sign)
            return _name_in(types[CNAME][0])
        records = []
        if sign:
            records = zone.proofs().wildcard_no_data(name, closest) if wildcard else zone.proofs().no_data(name)
        answer.authority = zone.denial(records, sign)
        return None

    def _dname(self, zone, name, owner, answer, sign):
        """RFC 6672 §3.1: the DNAME and, for those who do not know it, the CNAME it makes."""
        target = name[:-len(owner)] + _name_in(zone.names[owner][DNAME][0])
        answer.answer += zone.rrset(owner, DNAME, sign=sign)
        answer.answer.append((name, CNAME, zone.ttl, encode_name(target)))
        return target

    def referral(self, child):
        """What the parent's servers say about a zone that has servers of its own."""
        parent = self.zone_of(parent_name(child.name))
        answer = Answer()
        answer.authority = [(child.name, NS, parent.ttl, r) for r in parent.names[child.name][NS]]
        if parent.signed and DS in parent.names[child.name]:
            answer.authority += parent.rrset(child.name, DS)
        elif parent.signed:
            for owner, rdata in parent.proofs().no_data(child.name):
                answer.authority += parent.signed_set(owner, parent.proofs().TYPE, [rdata])
        for server, _, _ in child.description.servers:
            zone = self.zone_of(server)
            for rtype in (TYPES["A"], TYPES["AAAA"]):
                answer.additional += [(server, rtype, zone.ttl, r) for r in zone.types_at(server).get(rtype, [])]
        return answer


def _name_in(rdata):
    labels, at = [], 0
    while rdata[at]:
        labels.append(rdata[at + 1:at + 1 + rdata[at]].decode("utf-8", "surrogateescape"))
        at += 1 + rdata[at]
    return ".".join(labels) + "."

