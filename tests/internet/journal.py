"""What happened, one JSON object a line: written by the engine as it happens, read by tests."""
import base64
import json
import os
import time


class Writer:
    """Lines are on disk before the event they describe is answered, so a test that saw a reply finds its line."""

    def __init__(self, directory):
        self.directory = directory
        self.file = open(os.path.join(directory, "journal"), "ab", buffering=0)
        os.makedirs(os.path.join(directory, "messages"), exist_ok=True)
        self.messages = 0

    def write(self, kind, **facts):
        line = {"kind": kind, "at": round(time.time(), 4), **facts}
        self.file.write(json.dumps(line, ensure_ascii=True, default=_plain).encode() + b"\n")

    def keep(self, octets):
        """Stores a message or a request body and returns its path."""
        self.messages += 1
        path = os.path.join(self.directory, "messages", f"{self.messages:06d}")
        with open(path, "wb") as f:
            f.write(octets)
        return path


def _plain(value):
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


class Event(dict):
    """A line of the journal; its fields are attributes too."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    @property
    def content(self):
        """The octets of a message or request, read from their file."""
        with open(self["path"], "rb") as f:
            return f.read()


class Reader:
    def __init__(self, directory):
        self.path = os.path.join(directory, "journal")
        self.position, self.rest, self.events = 0, b"", []

    def read(self):
        """All events so far."""
        try:
            with open(self.path, "rb") as f:
                f.seek(self.position)
                data = f.read()
        except FileNotFoundError:
            data = b""
        self.position += len(data)
        *lines, self.rest = (self.rest + data).split(b"\n")
        self.events += [Event(json.loads(line)) for line in lines if line]
        return self.events

    def find(self, kind=None, **facts):
        """Events of this kind whose fields have these values; a value may be a function that answers yes or no."""
        def fits(event):
            return all((wanted(event.get(name)) if callable(wanted) else event.get(name) == wanted)
                       for name, wanted in facts.items())
        return [e for e in self.read() if kind in (None, e["kind"]) and fits(e)]

    def messages(self, **facts):
        """Messages that a host took."""
        return self.find("message", **{"kept": True, **facts})

    def footprint(self, client=None):
        """What mail hosts saw of a client, as their postmasters would count it: call it when the sessions have ended."""
        sessions = [e for e in self.find("session") if "rcpts" in e and client in (None, e["client"])]
        return {"connections": len(sessions),
                **{name: sum(e[name] for e in sessions) for name in ("commands", "errors", "messages", "rcpts", "unknown_rcpts")}}

    def wait(self, kind, number=1, timeout=10, **facts):
        """Waits until there are so many events of this kind, and returns them."""
        end = time.monotonic() + timeout
        while True:
            found = self.find(kind, **facts)
            if len(found) >= number:
                return found
            if time.monotonic() > end:
                raise AssertionError(f"{len(found)} of {number} events '{kind}' {facts} after {timeout} s; the journal "
                                     "ends:\n" + "\n".join(map(str, self.events[-20:])))
            time.sleep(0.01)

    def wait_message(self, number=1, timeout=10, **facts):
        return self.wait("message", number, timeout, **{"kept": True, **facts})
