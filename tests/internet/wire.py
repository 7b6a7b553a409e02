"""DNS on the wire: names, record data, questions and answers (RFC 1035, 3596, 6891). Names are lower-case text."""
import ipaddress
import struct
from dataclasses import dataclass, field

from .text import ScenarioError, to_bytes

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33, "DNAME": 39,
         "OPT": 41, "DS": 43, "RRSIG": 46, "NSEC": 47, "DNSKEY": 48, "NSEC3": 50, "NSEC3PARAM": 51, "TLSA": 52,
         "SPF": 99, "ANY": 255, "CAA": 257}
NAMES = {number: name for name, number in TYPES.items()}
RCODES = {"noerror": 0, "formerr": 1, "servfail": 2, "nxdomain": 3, "notimp": 4, "refused": 5}
QR, AA, TC, RD, RA, AD, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0020, 0x0010


def type_number(name):
    return TYPES[name] if name in TYPES else int(name[4:])


def type_name(number):
    return NAMES.get(number, f"TYPE{number}")


def labels_of(name):
    return [] if name == "." else name.rstrip(".").split(".")


def encode_name(name):
    out = b""
    for label in labels_of(name):
        raw = to_bytes(label)
        if not 0 < len(raw) < 64:
            raise ScenarioError(f"the name {name} has a label of {len(raw)} octets")
        out += bytes([len(raw)]) + raw
    if len(out) > 254:
        raise ScenarioError(f"the name {name[:40]}… is too long")
    return out + b"\0"


def decode_name(data, at):
    """(name in lower case, position after it); compression is followed for 32 jumps."""
    labels, end, jumps = [], None, 0
    while True:
        length = data[at]
        if length & 0xC0 == 0xC0:
            end = at + 2 if end is None else end
            at, jumps = (length & 0x3F) << 8 | data[at + 1], jumps + 1
            if jumps > 32:
                raise ValueError("compression loop")
        elif length == 0:
            return ".".join(labels) + ".", at + 1 if end is None else end
        else:
            label = data[at + 1:at + 1 + length]
            labels.append(label.decode("utf-8", "surrogateescape").lower())
            at += 1 + length


def text_chunks(words):
    """Several strings stay as they are; one long string is cut at 255 octets, as providers' forms do."""
    if len(words) == 2 and words[0].text == "huge":
        raw = (b"0123456789abcdef" * (int(words[1].text) // 16 + 1))[:int(words[1].text)]
    elif len(words) == 1:
        raw = to_bytes(words[0].text)
    else:
        return [to_bytes(w.text)[:255] for w in words]
    return [raw[i:i + 255] for i in range(0, len(raw), 255)] or [b""]


def build_rdata(rtype, words, absolute, certificate_data):
    """Record data from the words of a scenario. `absolute` completes names, `certificate_data` serves TLSA … of HOST."""
    texts = [w.text for w in words]
    if rtype in ("A", "AAAA"):
        return ipaddress.ip_address(texts[0]).packed
    if rtype in ("NS", "CNAME", "DNAME", "PTR"):
        return encode_name(absolute(texts[0]))
    if rtype == "MX":
        return struct.pack("!H", int(texts[0])) + encode_name(absolute(texts[1]))
    if rtype in ("TXT", "SPF"):
        return b"".join(bytes([len(chunk)]) + chunk for chunk in text_chunks(words))
    if rtype == "SRV":
        return struct.pack("!HHH", *map(int, texts[:3])) + encode_name(absolute(texts[3]))
    if rtype == "CAA":
        return bytes([int(texts[0]), len(texts[1])]) + texts[1].encode() + to_bytes(texts[2])
    if rtype == "TLSA":
        usage, selector, matching = map(int, texts[:3])
        return bytes([usage, selector, matching]) + certificate_data(selector, matching, texts[3:])
    if rtype == "DS":
        return struct.pack("!HBB", *map(int, texts[:3])) + bytes.fromhex("".join(texts[3:]))
    if rtype == "SOA":
        return encode_name(absolute(texts[0])) + encode_name(absolute(texts[1])) + \
            struct.pack("!5I", *map(int, texts[2:7]))
    if rtype.startswith("TYPE"):
        return bytes.fromhex("".join(t for t in texts if t != "\\#"))
    raise ScenarioError(f"records of type {rtype} cannot be written")


@dataclass
class Query:
    id: int
    flags: int
    name: str
    type: int
    question: bytes  # as it came, so that mixed case goes back as it was
    edns: bool = False
    size: int = 512
    dnssec: bool = False


def parse_query(data):
    ident, flags, questions, _, _, extra = struct.unpack_from("!6H", data)
    if flags & QR or questions != 1:
        raise ValueError("not a query")
    name, at = decode_name(data, 12)
    rtype, _klass = struct.unpack_from("!HH", data, at)
    query = Query(ident, flags, name, rtype, data[12:at + 4])
    at += 4
    for _ in range(extra):
        _, at = decode_name(data, at)
        number, size, ttl, length = struct.unpack_from("!HHIH", data, at)
        at += 10 + length
        if number == TYPES["OPT"]:
            query.edns, query.size, query.dnssec = True, max(size, 512), bool(ttl & 0x8000)
    return query


@dataclass
class Answer:
    rcode: int = 0
    flags: int = 0
    answer: list = field(default_factory=list)  # (name, type number, ttl, rdata)
    authority: list = field(default_factory=list)
    additional: list = field(default_factory=list)


def _records(records, out, offsets):
    for name, rtype, ttl, rdata in records:
        known = offsets.get(name)
        if known is None and len(out) < 0x3FFF:
            offsets[name] = len(out)
        out += struct.pack("!H", 0xC000 | known) if known is not None else encode_name(name)
        out += struct.pack("!HHIH", rtype, 1, ttl, len(rdata)) + rdata


def build(query, answer, size):
    """The answer's octets, at most `size`; what does not fit is cut off and TC set (RFC 2181 §9)."""
    flags = QR | (query.flags & (RD | CD)) | (query.flags & 0x7800) | answer.flags | answer.rcode
    opt = b"\0" + struct.pack("!HHIH", TYPES["OPT"], 1232, 0x8000 if query.dnssec else 0, 0) if query.edns else b""
    sections = (answer.answer, answer.authority, answer.additional)
    out = bytearray(struct.pack("!6H", query.id, flags, 1, *map(len, sections[:2]),
                                len(sections[2]) + bool(opt))) + query.question
    offsets = {query.name: 12}
    for section in sections:
        _records(section, out, offsets)
    if len(out) + len(opt) <= size:
        return bytes(out) + opt
    return struct.pack("!6H", query.id, flags | TC, 1, 0, 0, bool(opt)) + query.question + opt
