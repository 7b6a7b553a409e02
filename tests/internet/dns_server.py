"""The DNS of the simulated internet, over UDP and TCP.

One server holds the root and every zone. At its `dns` addresses it answers as the authority for all of them (and as a
forwarder that does not validate); at its `resolver` addresses like a validating resolver: AD for secure answers,
SERVFAIL for bogus ones. Name servers of a zone's own (`ns NAME ADDRESS FAULT`) answer for that zone alone.
"""
import asyncio
import os
import socket
import struct

from . import wire
from .text import quantity

DO_NOT_ANSWER = object()


class DnsServer:
    def __init__(self, scenario, data, journal, waits):
        self.data, self.journal, self.waits = data, journal, waits
        self.resolvers, self.authorities = set(scenario.resolver), set(scenario.dns)
        self.own = {}  # address: {zone name: fault kind} for servers of one zone
        for zone in scenario.zones.values():
            for _, address, kind in zone.servers:
                self.own.setdefault(address, {})[zone.name] = kind
        self.addresses = [*scenario.dns, *scenario.resolver, *(a for a in self.own if a not in self.authorities)]
        self.servers = []

    async def start(self):
        loop = asyncio.get_running_loop()
        for address in dict.fromkeys(self.addresses):
            udp = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
            udp.bind((address, 53))
            udp.setblocking(False)
            loop.add_reader(udp, self._readable, udp, address)
            tcp = await asyncio.start_server(lambda r, w, a=address: self._tcp(r, w, a), address, 53)
            self.servers += [udp, tcp]

    def _readable(self, udp, address):
        for _ in range(64):
            try:
                packet, peer = udp.recvfrom(4096)
            except OSError:
                return
            query, reply, wait = self._handle(packet, address, peer, "udp")
            if reply is DO_NOT_ANSWER:
                continue
            if wait:
                asyncio.get_running_loop().call_later(wait, self._send, udp, reply, peer)
            else:
                self._send(udp, reply, peer)

    @staticmethod
    def _send(udp, reply, peer):
        try:
            udp.sendto(reply, peer)
        except OSError:
            pass  # the one who asked has gone

    async def _tcp(self, reader, writer, address):
        peer = writer.get_extra_info("peername")
        try:
            while True:
                length, = struct.unpack("!H", await reader.readexactly(2))
                query, reply, wait = self._handle(await reader.readexactly(length), address, peer, "tcp")
                if reply is None:
                    break
                if reply is DO_NOT_ANSWER:
                    continue
                await asyncio.sleep(wait)
                writer.write(struct.pack("!H", len(reply)) + reply)
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()

    def _handle(self, packet, address, peer, transport):
        """(query, octets of the answer, seconds to wait)"""
        try:
            query = wire.parse_query(packet)
        except (ValueError, IndexError, struct.error):
            return None, DO_NOT_ANSWER, 0
        fault = self._fault(query, address, transport)
        self.journal.write("dns", server=address, client=peer[0], transport=transport, name=query.name,
                           type=wire.type_name(query.type), fault=fault.kind if fault else None, dnssec=query.dnssec)
        wait = 0
        if fault and fault.kind == "slow":
            wait, fault = quantity(fault.argument) * self.waits, None
        return query, self._reply(query, address, transport, fault), wait

    def _fault(self, query, address, transport):
        own = self.own.get(address)
        zone = self.data.zone_of(query.name)
        if own is not None and own.get(zone.name):
            return _AddressFault(own[zone.name])
        for fault in zone.description.faults:
            if fault.kind in ("bogus", "expired", "nosig") or fault.name not in ("*", query.name):
                continue
            if fault.type not in ("", wire.type_name(query.type)) or fault.transport not in ("", transport) \
                    or fault.server not in ("", address):
                continue
            fault.seen += 1
            if fault.seen > fault.after and (not fault.times or fault.seen <= fault.after + fault.times):
                return fault
        return None

    def _reply(self, query, address, transport, fault):
        size = 65535 if transport == "tcp" else min(query.size, 1232) if query.edns else 512
        kind = fault.kind if fault else ""
        if kind in SPOILT:
            return SPOILT[kind](self, query, address, transport, size)
        if query.flags & 0x7800:
            return wire.build(query, wire.Answer(wire.RCODES["notimp"]), size)
        answer = self._answer(query, address)
        if kind == "stale":
            answer.flags &= ~wire.AA
        return wire.build(query, answer, size)

    def _answer(self, query, address):
        own = self.own.get(address)
        zone = self.data.zone_of(query.name)
        if own is not None and address not in self.authorities and zone.name not in own:
            return wire.Answer(wire.RCODES["refused"])
        if address in self.resolvers:
            return self._as_resolver(query, zone)
        if zone.description.servers and own is None and not query.flags & wire.RD and query.type != wire.TYPES["DS"]:
            return self.data.referral(zone)
        answer = self.data.resolve(query.name, query.type, query.dnssec)
        answer.flags |= wire.RA if own is None else 0
        return answer

    def _as_resolver(self, query, zone):
        """Walks the aliases once more to know whether each step was secure."""
        answer = self.data.resolve(query.name, query.type, query.dnssec)
        answer.flags = wire.RA
        names = [query.name]
        for owner, number, _, rdata in answer.answer:
            if number == wire.TYPES["CNAME"]:
                names.append(wire.decode_name(rdata, 0)[0])
        if len(names) > 12:
            return wire.Answer(wire.RCODES["servfail"], wire.RA)
        steps = [(self.data.zone_of(name), name) for name in names]
        if not query.flags & wire.CD and any(self.data.is_bogus(z, name, query.type) for z, name in steps):
            return wire.Answer(wire.RCODES["servfail"], wire.RA)
        if (query.dnssec or query.flags & wire.AD) and all(self.data.is_secure(z) for z, _ in steps):
            answer.flags |= wire.AD
        return answer

    def _rcode(self, query, address, kind, size):
        return wire.build(query, wire.Answer(wire.RCODES[kind], wire.RA), size)

    def _lie(self, query, address, rcode):
        """A denial that is signed where the zone is, though the name exists."""
        zone = self.data.zone_of(query.name)
        answer = wire.Answer(rcode, wire.AA | wire.RA, authority=zone.denial([]))
        return answer

    def _truncated(self, query, address, transport, size):
        if transport == "tcp":
            return wire.build(query, self._answer(query, address), size)
        return wire.build(query, self._answer(query, address), 12)

    def _changed(self, query, address, size, ident=0, name=None):
        packet = bytearray(wire.build(query, self._answer(query, address), size))
        packet[0] ^= ident
        if name and len(packet) > 13:
            packet[13] ^= 1  # the first letter of the question: another name
        return bytes(packet)


class _AddressFault:
    def __init__(self, kind):
        self.kind = kind


SPOILT = {
    "timeout": lambda s, q, a, t, size: DO_NOT_ANSWER,
    "servfail": lambda s, q, a, t, size: s._rcode(q, a, "servfail", size),
    "refused": lambda s, q, a, t, size: s._rcode(q, a, "refused", size),
    "formerr": lambda s, q, a, t, size: s._rcode(q, a, "formerr", size),
    "notimp": lambda s, q, a, t, size: s._rcode(q, a, "notimp", size),
    "nxdomain": lambda s, q, a, t, size: wire.build(q, s._lie(q, a, 3), size),
    "nodata": lambda s, q, a, t, size: wire.build(q, s._lie(q, a, 0), size),
    "empty": lambda s, q, a, t, size: wire.build(q, wire.Answer(0, wire.RA), size),
    "lame": lambda s, q, a, t, size: wire.build(q, wire.Answer(
        0, 0, authority=[(".", wire.TYPES["NS"], 3600, wire.encode_name("ns.sim."))]), size),
    "truncate": lambda s, q, a, t, size: s._truncated(q, a, t, size),
    "notcp": lambda s, q, a, t, size: None if t == "tcp" else s._truncated(q, a, t, size),
    "wrongid": lambda s, q, a, t, size: s._changed(q, a, size, ident=0x40),
    "wrongquestion": lambda s, q, a, t, size: s._changed(q, a, size, name=True),
    "garbage": lambda s, q, a, t, size: struct.pack("!H", q.id) + os.urandom(30),
    "noedns": lambda s, q, a, t, size: wire.build(_plain(q), wire.Answer(wire.RCODES["formerr"]), size) if q.edns
    else wire.build(q, s._answer(q, a), size),
}


def _plain(query):
    return wire.Query(query.id, query.flags, query.name, query.type, query.question)
