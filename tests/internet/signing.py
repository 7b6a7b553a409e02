"""DNSSEC for zones: keys (ECDSA P-256), RRSIG, DS, NSEC and NSEC3 (RFC 4034, 5155, 6605). Signs when asked, remembers."""
import base64
import bisect
import hashlib
import struct
import time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .wire import TYPES, encode_name, labels_of

ALGORITHM = 13  # ECDSA P-256 with SHA-256, RFC 6605
DAY = 86400


def canonical_key(name):
    """Order of names in a signed zone, RFC 4034 §6.1."""
    return [label.encode("utf-8", "surrogateescape") for label in reversed(labels_of(name))]


def bitmap(types):
    """Type bit maps of NSEC and NSEC3, RFC 4034 §4.1.2."""
    windows = {}
    for number in types:
        windows.setdefault(number >> 8, bytearray(32))[(number & 255) >> 3] |= 0x80 >> (number & 7)
    out = b""
    for window in sorted(windows):
        bits = bytes(windows[window]).rstrip(b"\0")
        out += bytes([window, len(bits)]) + bits
    return out


def base32hex(raw):
    return base64.b32hexencode(raw).decode().rstrip("=").lower()


class Key:
    """One key for all zones of an internet: the DS records differ all the same, and starting is quick."""

    def __init__(self):
        self.private = ec.generate_private_key(ec.SECP256R1())
        point = self.private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]
        self.dnskey = struct.pack("!HBB", 257, 3, ALGORITHM) + point
        total = sum(octet << 8 if i % 2 == 0 else octet for i, octet in enumerate(self.dnskey))
        self.tag = (total + (total >> 16 & 0xFFFF)) & 0xFFFF  # RFC 4034 appendix B


class Signer:
    def __init__(self, zone_name, options, key):
        self.zone, self.options, self.key = zone_name, options, key
        self.dnskey, self.tag = key.dnskey, key.tag
        self.cache = {}

    def ds(self):
        digest = hashlib.sha256(encode_name(self.zone) + self.dnskey).digest()
        if "badds" in self.options:
            digest = hashlib.sha256(b"another key" + digest).digest()
        return struct.pack("!HBB", self.tag, ALGORITHM, 2) + digest

    def _dates(self, kind):
        now = int(time.time())
        if kind == "expired":
            return now - 9 * DAY, now - DAY
        if kind == "future":
            return now + DAY, now + 9 * DAY
        return now - 3600, now + 14 * DAY

    def sign(self, owner, rtype, ttl, rdatas, kind=""):
        """The RRSIG data for a set; `owner` is the wildcard's name when the answer was made from one."""
        key = (owner, rtype, kind, tuple(rdatas))
        if key not in self.cache:
            self.cache[key] = self._sign(owner, rtype, ttl, rdatas, kind)
        return self.cache[key]

    def _sign(self, owner, rtype, ttl, rdatas, kind):
        begin, end = self._dates(kind)
        labels = len(labels_of(owner)) - owner.startswith("*.")
        head = struct.pack("!HBBIIIH", rtype, ALGORITHM, labels, ttl, end, begin, self.tag) + encode_name(self.zone)
        name = encode_name(owner)
        records = b"".join(name + struct.pack("!HHIH", rtype, 1, ttl, len(r)) + r for r in sorted(rdatas))
        r, s = decode_dss_signature(self.key.private.sign(head + records, ec.ECDSA(hashes.SHA256())))
        signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
        if kind == "bogus":
            signature = bytes([signature[0] ^ 0x55]) + signature[1:]
        return head + signature


class NsecChain:
    """Proofs that something is not there, from the sorted owner names of the zone."""

    TYPE = TYPES["NSEC"]

    def __init__(self, zone):
        self.zone = zone
        self.names = sorted((n for n in zone.names if zone.names[n]), key=canonical_key)
        self.keys = [canonical_key(n) for n in self.names]

    def _record(self, i):
        name = self.names[i]
        types = set(self.zone.types_at(name)) | {TYPES["RRSIG"], TYPES["NSEC"]}
        return name, encode_name(self.names[(i + 1) % len(self.names)]) + bitmap(types)

    def covering(self, name):
        return self._record(bisect.bisect_right(self.keys, canonical_key(name)) - 1)

    def no_data(self, name):
        return [self.covering(name)]

    def no_name(self, name, closest):
        return self._distinct([self.covering(name), self.covering("*." + closest if closest != "." else "*.")])

    def wildcard(self, name, closest):
        return [self.covering(name)]

    def wildcard_no_data(self, name, closest):
        return self._distinct([self.covering(name), self.covering("*." + closest if closest != "." else "*.")])

    @staticmethod
    def _distinct(records):
        return list(dict(records).items())


class Nsec3Chain:
    """The same with hashed names: no salt, no extra iterations (RFC 9276)."""

    TYPE = TYPES["NSEC3"]

    def __init__(self, zone):
        self.zone = zone
        self.by_hash = {self.hash(n): n for n in zone.names}
        self.hashes = sorted(self.by_hash)

    @staticmethod
    def hash(name):
        return hashlib.sha1(encode_name(name)).digest()

    def _record(self, i):
        types = set(self.zone.types_at(self.by_hash[self.hashes[i]]))
        if types and types != {TYPES["NS"]}:
            types.add(TYPES["RRSIG"])
        following = self.hashes[(i + 1) % len(self.hashes)]
        owner = base32hex(self.hashes[i]) + "." + (self.zone.name if self.zone.name != "." else "")
        return owner, struct.pack("!BBHBB", 1, 0, 0, 0, len(following)) + following + bitmap(types)

    def _covering(self, name):
        return self._record(bisect.bisect_right(self.hashes, self.hash(name)) - 1)

    def _next_closer(self, name, closest):
        count = len(labels_of(closest)) + 1
        return ".".join(labels_of(name)[-count:]) + "."

    def no_data(self, name):
        return [self._covering(name)]

    def wildcard(self, name, closest):
        return [self._covering(self._next_closer(name, closest))]

    def no_name(self, name, closest):
        star = "*." + (closest if closest != "." else "")
        return list(dict([self._covering(closest), self._covering(self._next_closer(name, closest)),
                          self._covering(star)]).items())

    wildcard_no_data = no_name
