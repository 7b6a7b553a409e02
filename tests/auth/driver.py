"""Runs build/src/protocols/auth_driver: the evaluators without a server around them."""
import os
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CORPUS = os.path.join(os.path.dirname(ROOT), "shared", "corpus")
PLAIN = set(range(0x21, 0x7f)) - {ord("\\")}


def escape(text):
    """Bytes or text as a word of a driver line."""
    data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    return "".join(chr(b) if b in PLAIN else f"\\x{b:02x}" for b in data)


def corpus(*parts):
    """A path in the shared test data, or None when it is not there."""
    for base in (CORPUS, os.path.join(os.path.dirname(os.path.dirname(ROOT)), "shared", "corpus")):
        path = os.path.join(base, *parts)
        if os.path.exists(path):
            return path
    return None


def zone_lines(zone):
    """zone: {name: [(type, value)]}; values as presented, TXT as text or bytes."""
    lines = []
    for name, records in zone.items():
        for kind, value in records:
            word = escape(value) if kind in ("TXT", "CNAME", "PTR") else value
            lines.append(f"zone {escape(name.rstrip('.'))} {kind} {word}")
    return lines


class Driver:
    def __init__(self, buzon):
        build = os.path.dirname(os.path.dirname(os.path.dirname(buzon))) if buzon else os.path.join(ROOT, "build")
        self.path = os.path.join(build, "src/protocols/auth_driver")

    def run(self, command, options, zone=None, message=b""):
        """The output as {word: [rest, ...]}."""
        lines = [f"option {k} {escape(v)}" for k, v in options.items()] + zone_lines(zone or {})
        data = "\n".join(lines).encode() + b"\ndata\n" + message
        done = subprocess.run([self.path, command], input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=60)
        assert done.returncode == 0, (done.returncode, done.stdout, done.stderr[-3000:])
        out = {}
        for line in done.stdout.decode("utf-8", "replace").splitlines():
            word, _, rest = line.partition(" ")
            out.setdefault(word, []).append(rest)
        out["raw"] = done.stdout
        return out
