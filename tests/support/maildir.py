"""Maildirs as mbsync keeps them: message files whose names end in their flags."""
import os
import re
import time

FLAGS = {"S": "\\Seen", "R": "\\Answered", "F": "\\Flagged", "D": "\\Draft", "T": "\\Deleted"}


def make(path):
    for name in ("cur", "new", "tmp"):
        os.makedirs(f"{path}/{name}", exist_ok=True)
    return path


def add(path, raw, letters="", number=0):
    """A message nobody has synchronised yet. letters: Maildir's flags; line ends become LF, as files have them."""
    name = f"{int(time.time())}.{number}_{os.getpid()}.desk"
    where = f"{path}/cur/{name}:2,{''.join(sorted(letters))}" if letters else f"{path}/new/{name}"
    with open(where, "wb") as f:
        f.write(raw.replace(b"\r\n", b"\n"))
    return where


def files(path):
    """{file: letters} of all messages."""
    found = {}
    for name in ("cur", "new"):
        for file in os.listdir(f"{path}/{name}"):
            if not file.startswith("."):
                found[f"{path}/{name}/{file}"] = file.split(":2,")[1] if ":2," in file else ""
    return found


def set_letters(file, letters):
    """What a mail program does to a flag; gives back the new name."""
    directory, name = os.path.split(file)
    new = f"{os.path.dirname(directory)}/cur/{name.split(':2,')[0]}:2,{''.join(sorted(letters))}"
    os.rename(file, new)
    return new


def canonical(raw):
    """Content without what mbsync adds (X-TUID), line ends as CRLF."""
    return re.sub(rb"(?m)^X-TUID: [^\r\n]*\r\n", b"", re.sub(rb"\r?\n", b"\r\n", raw))


def read(path):
    """Sorted (content, flags) pairs: two mailboxes without a difference have equal lists."""
    found = []
    for file, letters in files(path).items():
        with open(file, "rb") as f:
            found.append((canonical(f.read()), tuple(sorted(FLAGS[c] for c in letters if c in FLAGS))))
    return sorted(found)


def as_maildir(messages):
    """The same list of what support.mail.kept read from the server; keywords have no letter."""
    return sorted((canonical(m.raw), tuple(sorted(m.flags & set(FLAGS.values())))) for m in messages)
