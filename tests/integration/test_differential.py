"""buzon and Dovecot, side by side: the same random commands on the same mail must get the same answers.

Commands come from a seed (--differential-seed N, --differential-steps N), so that every run can be had again. Two sessions of one account
work at once. Every difference is a bug of ours or stands in KNOWN, with the reason. Skipped without Dovecot.

Two things are compared after each command: the answer, without what each server may choose for itself (wording,
UIDVALIDITY, the values of MODSEQ, the order of flags), and what the client now believes: EXISTS, EXPUNGE, VANISHED
and FETCH move a model of the mailbox, which must be what the server has.
"""
import email.utils
import random
import re

import pytest

from support import dovecot
from support.imap_wire import Atom, Imap
from support.mail_samples import samples as all_samples
from support.server import Server

SYSTEM = ["\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft"]
KEYWORDS = ["$Forwarded", "alpha", "Beta", "$Junk"]
NAMES = ["INBOX", "Sent", "Trash", "Archive", "work", "work/a", "work/a/b", "Other"]
FIELDS = ["From", "Subject", "X-None", "TO", "message-id"]
SIMPLE = ["FLAGS", "UID", "RFC822.SIZE", "INTERNALDATE", "ENVELOPE", "BODYSTRUCTURE", "BODY", "RFC822.HEADER",
          "RFC822.TEXT", "RFC822"]
PATHS = ["1", "2", "1.1", "2.1", "2.2", "3", "1.2", "2.1.1", "3.1.2", "9", "1.1.1.1"]
STRINGS = ["fox", "ana", "mundo", "multipart", "needle", "example.org", "\"\"", "quick brown", "Caf", "zzz", "line 39"]
DATES = ["1-Jan-2020", "22-Nov-2026", "23-Nov-2026", "24-Nov-2026", "31-Dec-2019"]

# Other codes of NO and BAD may be given by one of them alone.
CODES = {"READ-WRITE", "READ-ONLY", "TRYCREATE", "APPENDUID", "COPYUID", "MODIFIED"}



def samples():
    """Without the multipart whose boundary never comes: one text here, a multipart with an empty text in Dovecot."""
    return [m for m in all_samples() if b"--b15--" not in m]


# ---- commands ------------------------------------------------------------------------------------

class Maker:
    """Random commands; weights are chosen so that mailboxes stay filled."""

    def __init__(self, rng):
        self.r, self.highest, self.names, self.selected = rng, 1, set(), []

    def pick(self, values):
        return self.r.choice(values)

    def some(self, values, least=1, most=3):
        return self.r.sample(values, self.r.randint(least, min(most, len(values))))

    def number(self, uid):
        """A number that is too high is BAD here, as RFC 9051 says; Dovecot takes some of them."""
        return "*" if self.r.random() < 0.12 else str(self.r.randint(1, 24 if uid else max(self.highest, 1)))

    def set(self, uid=False):
        r = self.r.random()
        if r < 0.25:
            return "1:*"
        one = lambda: self.number(uid) if self.r.random() < 0.6 else f"{self.number(uid)}:{self.number(uid)}"
        out = ",".join(one() for _ in range(self.r.randint(1, 3)))
        return out + ",4000000000:*" if uid and r > 0.95 else out

    def name(self):
        return self.pick(NAMES)

    def section(self):
        part = self.pick(["", "", "HEADER", "TEXT", "HEADER.FIELDS", "HEADER.FIELDS.NOT"] + PATHS)
        if part in PATHS and self.r.random() < 0.4:
            part += "." + self.pick(["MIME", "HEADER", "TEXT", "HEADER.FIELDS"])
        if "FIELDS" in part:
            part += f" ({' '.join(self.some(FIELDS))})"
        partial = self.pick(["", "", "", "<0.10>", "<5.100>", "<100000.5>", "<0.4294967295>"])
        return f"BODY{self.pick(['.PEEK', '.PEEK', ''])}[{part}]{partial}"

    def binary(self):
        part, leaf = self.pick(PATHS), self.pick(PATHS[3:5] + PATHS[6:])
        return self.pick([f"BINARY.PEEK[{part}]", f"BINARY.SIZE[{leaf}]", f"BINARY[{part}]", f"BINARY.PEEK[{part}]<2.10>"])

    def fetch(self):
        uid = self.r.random() < 0.4
        r = self.r.random()
        if r < 0.1:
            items = self.pick(["ALL", "FAST", "FULL"])
        else:
            items = [self.pick(SIMPLE) if self.r.random() < 0.5 else self.section() for _ in range(self.r.randint(1, 4))]
            if r > 0.85:
                items = [self.binary()]
            items = f"({' '.join(items)})" if len(items) > 1 or r > 0.4 else items[0]
        return f"{'UID ' if uid else ''}FETCH {self.set(uid)} {items}"

    def flags(self):
        return f"({' '.join(self.some(SYSTEM + KEYWORDS, 0))})"

    def store(self):
        uid = self.r.random() < 0.4
        what = self.pick(["", "+", "+", "-"]) + "FLAGS" + self.pick(["", "", ".SILENT"])
        return f"{'UID ' if uid else ''}STORE {self.set(uid)} {what} {self.flags()}"

    def key(self, depth=2):
        r = self.r.random()
        if depth and r < 0.12:
            return f"NOT {self.key(depth - 1)}"
        if depth and r < 0.24:
            return f"OR {self.key(depth - 1)} {self.key(depth - 1)}"
        if depth and r < 0.3:
            return f"({self.key(depth - 1)} {self.key(depth - 1)})"
        return self.pick([
            lambda: self.pick(["ALL", "ANSWERED", "DELETED", "DRAFT", "FLAGGED", "SEEN", "UNANSWERED", "UNDELETED", "UNDRAFT",
                               "UNFLAGGED", "UNSEEN"]),
            lambda: f"{self.pick(['KEYWORD', 'UNKEYWORD'])} {self.pick(KEYWORDS)}",
            lambda: f"{self.pick(['FROM', 'TO', 'CC', 'BCC', 'SUBJECT', 'TEXT', 'TEXT'])} {self.quote(self.pick(STRINGS[:6] + STRINGS[7:]))}",
            lambda: f"BODY {self.quote(self.pick(['fox', 'mundo', 'needle', 'quick brown', 'zzz', 'line 39', 'Reporting']))}",
            lambda: f"HEADER {self.pick(FIELDS + ['Cc', 'Sender'])} {self.quote(self.pick(STRINGS))}",
            lambda: f"{self.pick(['BEFORE', 'ON', 'SINCE', 'SENTBEFORE', 'SENTON', 'SENTSINCE'])} {self.pick(DATES)}",
            lambda: f"{self.pick(['LARGER', 'SMALLER'])} {self.pick([0, 150, 300, 1000, 5000])}",
            lambda: self.set(), lambda: f"UID {self.set(True)}",
        ])()

    def quote(self, s):
        return s if s.startswith('"') else f'"{s}"'

    def search(self):
        returns = ""
        if self.r.random() < 0.3:
            returns = f"RETURN ({' '.join(self.some(['MIN', 'MAX', 'ALL', 'COUNT'], 0, 4))}) "
        keys = " ".join(self.key() for _ in range(self.r.randint(1, 3)))
        return f"{self.pick(['', 'UID '])}SEARCH {returns}{keys}"

    def copy(self):
        uid = self.r.random() < 0.4
        return f"{'UID ' if uid else ''}{self.pick(['COPY', 'MOVE'])} {self.set(uid)} {self.name()}"

    def append(self):
        date = self.pick(["", '"23-Nov-2026 10:00:00 +0100" ', '" 1-Jan-2020 00:00:00 +0000" '])
        flags = self.pick(["", self.flags() + " "])
        return [f"APPEND {self.name()} {flags}{date}", ("literal", self.pick(samples()))]

    def mailbox(self):
        """A parent that nobody made is a mailbox here and only a name in Dovecot: so parents come first, and what
        has children is neither deleted nor renamed."""
        free = [n for n in NAMES[4:] if n not in self.names and (n.rpartition("/")[0] or "INBOX") in self.names]
        leaves = [n for n in NAMES[4:] if n in self.names and n not in self.selected and
                  not any(m.startswith(n + "/") for m in self.names)]
        return self.pick([
            lambda: f"CREATE {self.pick(free or NAMES[:4])}", lambda: f"DELETE {self.pick(leaves or ['nosuch'])}",
            lambda: f"RENAME {self.pick(leaves or ['nosuch'])} {self.pick(free + NAMES[:1])}",
            lambda: f"SUBSCRIBE {self.pick(NAMES[:4])}", lambda: f"UNSUBSCRIBE {self.name()}",
        ])()

    def list(self):
        pattern = self.pick(["*", "%", "work/%", "work*", "*a*", "I*", "inbox", "\"\"", "%/%", "work/%/%", "w%k"])
        if self.r.random() < 0.25:
            return f'LIST ({self.pick(["", "SUBSCRIBED", "SUBSCRIBED RECURSIVEMATCH", "SPECIAL-USE"])}) "" {pattern}'
        if self.r.random() < 0.2:
            return f'LIST "" {pattern} RETURN ({self.pick(["CHILDREN", "SUBSCRIBED", "SUBSCRIBED CHILDREN"])})'
        return f'{self.pick(["LIST", "LIST", "LSUB"])} {self.pick([chr(34) * 2, chr(34) * 2, "work/"])} {pattern}'

    def status(self):
        return f"STATUS {self.name()} ({' '.join(self.some(['MESSAGES', 'UIDNEXT', 'UNSEEN', 'SIZE'], 1, 4))})"

    def odd(self):
        return self.pick([
            "FETCH 0 FLAGS", "FETCH 1:0 FLAGS", "FETCH 1 ()", "FETCH 1 NOTHING", "FETCH", "FETCH 1",
            "UID FETCH x FLAGS", "STORE 1 +FLAGS \\Seen", "STORE 1 +FLAGS \\Seen \\Flagged", "SEARCH",
            "SEARCH NOT", "SEARCH OR ALL", "SEARCH NOSUCH", "SEARCH BEFORE 1-Foo-2020", "COPY 1", "COPY 999999 INBOX",
            "FETCH 999999 FLAGS", "UID FETCH 999999 FLAGS", "UID STORE 999999 +FLAGS (\\Seen)", "UID COPY 999999 INBOX",
            "SELECT nosuch", "EXAMINE nosuch/", "STATUS nosuch (MESSAGES)", "STATUS INBOX (FOO)",
            "STATUS INBOX ()", "STATUS INBOX", "CREATE INBOX", "DELETE INBOX", "DELETE nosuch", "RENAME nosuch x", "NOSUCH",
            "UID NOOP", "UID", "UID EXPUNGE", "FETCH 1 BODY[HEADER.FIELDS ()]", "FETCH 1 BODY[1.MIME.1]",
            "FETCH 1 BODY[MIME]", "FETCH 1,,2 FLAGS", "FETCH 1: FLAGS",
            "FETCH * UID", "SEARCH CHARSET x-none ALL", "SEARCH CHARSET UTF-8 TEXT fox", "SEARCH RETURN (FOO) ALL",
            "ENABLE CONDSTORE", "STORE 1 +FLAGS (\\Recent)", "STORE 1 FLAGS (\\Nosuch)", "SUBSCRIBE nosuch",
            "COPY 1 nosuch", "MOVE 1 nosuch", "APPEND nosuch {3+}\r\nabc", "APPEND INBOX \"bad date\" {3+}\r\nabc",
            "CHECK", "NAMESPACE", "UNSELECT", "CLOSE", "LIST \"\" (a* w*)", "LIST (FOO) \"\" *",
        ])

    def command(self):
        return self.pick([self.fetch] * 8 + [self.store] * 5 + [self.search] * 6 + [self.copy] * 2 + [self.append] * 2 +
                         [self.mailbox, self.list, self.list, self.status, self.odd, self.odd] +
                         [lambda: self.pick(["EXPUNGE", "UID EXPUNGE " + self.set(True), "NOOP", "CHECK"]),
                          lambda: f"{self.pick(['SELECT', 'SELECT', 'EXAMINE'])} {self.pick(NAMES[:5] + ['INBOX'] * 3)}"])()


# ---- answers without what each server chooses ------------------------------------------------------

def plain(value):
    if isinstance(value, list):
        return tuple(plain(v) for v in value)
    if isinstance(value, Atom):
        return value.upper().encode()
    return value


def flags_of(value):
    return frozenset(str(f).lower() for f in value if str(f).lower() != "\\recent")


def numbers(text):
    out = set()
    for piece in filter(None, str(text).split(",")):
        first, _, last = piece.partition(":")
        out.update(range(int(first), int(last or first) + 1))
    return frozenset(out)


def structure(value):
    """Case of types and parameter names is free; NIL for an empty list of parameters as well."""
    if isinstance(value, list):
        return tuple(structure(v) for v in value)
    return (value.encode() if isinstance(value, Atom) else value).lower()


def item(name, value):
    if name == "FLAGS":
        return flags_of(value)
    if name in ("BODYSTRUCTURE", "BODY"):
        return structure(value)
    if name.startswith(("BODY[", "BINARY[")) and value == "NIL":
        return b""  # a part that is not there: NIL or empty, clients take both
    if name == "INTERNALDATE":
        return email.utils.parsedate_to_datetime(value.decode().strip().replace("-", " ", 2)).timestamp()
    return plain(value)


def fetch_items(values):
    data = values[0]
    return {re.sub(r"(?<=\().*(?=\))", lambda m: m.group(0).upper(), str(k)).upper(): item(str(k).upper(), v)
            for k, v in zip(data[::2], data[1::2])}


def listed(values):
    # \\NonExistent and \\Noselect are the same to a client; \\Marked and \\UnMarked are Dovecot's guess.
    attributes = {str(f).lower() for f in values[0]} - {"\\marked", "\\unmarked"}
    if "\\nonexistent" in attributes:
        attributes = attributes - {"\\nonexistent"} | {"\\noselect"}
    name = values[2].decode() if isinstance(values[2], bytes) else str(values[2])
    return name, frozenset(attributes), str(values[3:])


def code_of(reply):
    name, _, rest = (reply.code or "").partition(" ")
    name = name.upper()
    if name not in CODES:
        return None
    if name == "APPENDUID":
        return name, rest.split()[1]
    if name == "COPYUID":
        return name, numbers(rest.split()[1]), numbers(rest.split()[2])
    if name == "MODIFIED":
        return name, numbers(rest)
    return name


def copyuid(reply):
    for word, _, values in reply.untagged:
        if word == "OK" and values[0] and values[0].upper().startswith("COPYUID"):
            _, _, source, target = values[0].split()
            return numbers(source), numbers(target)
    return None


# ---- what a client believes ------------------------------------------------------------------------

class Model:
    """The mailbox as the untagged responses told it: for each message its UID and flags, None: not told yet."""

    def __init__(self):
        self.open, self.flags, self.uids = False, [], []

    def forget(self, at):
        del self.flags[at], self.uids[at]

    def apply(self, reply):
        for word, number, values in reply.untagged:
            if word == "EXISTS":
                if number < len(self.flags):
                    raise AssertionError(f"EXISTS {number} with {len(self.flags)} known and no EXPUNGE")
                more = number - len(self.flags)
                self.flags += [None] * more
                self.uids += [None] * more
            elif word == "EXPUNGE":
                self.forget(number - 1)
            elif word == "VANISHED" and not isinstance(values[0], list):
                for uid in sorted(numbers(values[0])):
                    if uid not in self.uids:
                        raise AssertionError(f"VANISHED {uid}, but {self.uids} are known")
                    self.forget(self.uids.index(uid))
            elif word == "FETCH":
                items = fetch_items(values)
                if number > len(self.flags):
                    raise AssertionError(f"FETCH of {number}, but {len(self.flags)} messages are known")
                if "FLAGS" in items:
                    self.flags[number - 1] = items["FLAGS"]
                if "UID" in items:
                    if self.uids[number - 1] not in (None, int(items["UID"])):
                        raise AssertionError(f"message {number} had UID {self.uids[number - 1]}, now {items['UID']}")
                    self.uids[number - 1] = int(items["UID"])


class Side:
    """One session on one of the two servers."""

    def __init__(self, client, user, password):
        self.client, self.model, self.saved = client, Model(), {}
        reply = client.run(f"LOGIN {user} {password}")
        assert reply.status == "OK", reply

    def run(self, command):
        text = command if isinstance(command, str) else command[0]
        word = text.split()[0].upper()
        reply = self.client.run(command)
        if word in ("SELECT", "EXAMINE"):
            if reply.status != "BAD":
                self.model = Model()
            self.model.open = self.model.open if reply.status == "BAD" else reply.status == "OK"
        elif word in ("CLOSE", "UNSELECT") and reply.status == "OK":
            self.model = Model()
        self.model.apply(reply)
        if ".SILENT" in text.upper():
            self.model.flags = [None] * len(self.model.flags)
        if None in self.model.uids:
            self.model.apply(self.client.run(f"FETCH {self.model.uids.index(None) + 1}:* (UID)"))
        return reply

    def names(self):
        return {listed(v)[0] for w, _, v in self.client.run('LIST "" *').untagged if w == "LIST"}

    def truth(self):
        """Flags as a FETCH tells them now, for the messages this session has heard of."""
        reply = self.client.run("FETCH 1:* (UID FLAGS)") if self.model.flags else None
        if not reply or reply.status != "OK":
            return []
        rows = {n: fetch_items(v) for w, n, v in reply.untagged if w == "FETCH"}
        return [(int(rows[n]["UID"]), rows[n]["FLAGS"]) for n in sorted(rows) if "UID" in rows[n]]

    def remember(self, mailbox):
        """What a client would keep before it goes away: to be called right after NOOP."""
        reply = self.client.run(f"STATUS {mailbox} (UIDVALIDITY UIDNEXT HIGHESTMODSEQ)")
        items = reply.all("STATUS")[0][2][1]
        status = dict(zip([str(k) for k in items[::2]], [int(v) for v in items[1::2]]))
        self.saved[mailbox] = status, dict(self.truth())

    def resume(self, mailbox, how):
        """SELECT with QRESYNC: what is told must turn what was kept into what is so."""
        status, known = self.saved.pop(mailbox)
        uids = f" {min(known)}:{max(known)}" if known and how == "uids" else ""
        self.model = Model()
        reply = self.client.run(f"SELECT {mailbox} (QRESYNC ({status['UIDVALIDITY']} {status['HIGHESTMODSEQ']}{uids}))")
        if reply.status != "OK":
            raise Difference(f"SELECT {mailbox} with QRESYNC: {reply}")
        self.model.open = True
        self.model.apply(reply)
        for word, _, values in reply.untagged:
            if word == "VANISHED":
                for uid in numbers(values[1]):
                    known.pop(uid, None)
            elif word == "FETCH":
                items = fetch_items(values)
                known[int(items["UID"])] = items["FLAGS"]
        truth = dict(self.truth())
        if status["UIDVALIDITY"] != int(codes_value(reply, "UIDVALIDITY")[0]):
            return
        for uid in set(known) | set(truth):
            if uid < status["UIDNEXT"] and known.get(uid) != truth.get(uid):
                raise Difference(f"after QRESYNC UID {uid} has {truth.get(uid)}; told {known.get(uid)}: {short(reply)}")


def in_set(text, number, highest):
    for piece in text.split(","):
        ends = [highest if e == "*" else int(e) for e in piece.split(":")]
        if min(ends) <= number <= max(ends):
            return True
    return False


def fetch_answer(reply, command, known):
    """What was asked for, by message. Flags told without being asked are for the model."""
    words = command.upper().split("FETCH ", 1)[-1].split(" ", 1)
    if reply.status == "BAD" or len(words) < 2:
        return {}
    by_uid, asked = command.upper().startswith("UID"), words[1].split("[")[0]
    asks_flags = re.search(r"FLAGS|ALL|FAST|FULL", words[1])
    asks_more = re.sub(r"\b(UID|FLAGS)\b|[() ]", "", words[1])
    out = {}
    for word, number, values in reply.untagged:
        if word != "FETCH":
            continue
        items = fetch_items(values)
        items.pop("MODSEQ", None)
        if asks_more and not set(items) - {"UID", "FLAGS"}:
            continue
        if not asks_more and not in_set(words[0], int(items.get("UID", 0)) if by_uid else number, known):
            continue
        if not asks_flags:
            items.pop("FLAGS", None)
        if not by_uid and "UID" not in re.findall(r"\w+", asked):
            items.pop("UID", None)
        out.setdefault(number, {}).update(items)
    return out


def answer(reply, command, known):
    """The comparable part of a reply."""
    text = command if isinstance(command, str) else command[0]
    words = text.upper().split()
    word = words[1] if words and words[0] == "UID" and len(words) > 1 else (words or [""])[0]
    out = {"status": reply.status, "code": code_of(reply)}
    if word == "FETCH":
        out["fetch"] = fetch_answer(reply, text, known)
    if word == "SEARCH" and reply.status == "OK":
        out["search"] = [frozenset(v for v in values if v.isdigit()) for w, _, values in reply.untagged if w == "SEARCH"]
        out["esearch"] = [extended(values) for w, _, values in reply.untagged if w == "ESEARCH"]
    if word in ("LIST", "LSUB"):
        out["list"] = sorted((listed(v) for w, _, v in reply.untagged if w in ("LIST", "LSUB")), key=str)
    if word == "STATUS":
        out["status_items"] = [plain(v[1:]) for w, _, v in reply.untagged if w == "STATUS"]
    if word in ("SELECT", "EXAMINE"):
        out["exists"] = [n for w, n, _ in reply.untagged if w == "EXISTS"]
        out["codes"] = {c: codes_value(reply, c) for c in ("UIDNEXT", "UNSEEN")}
    if word == "MOVE":
        out["moved"] = copyuid(reply)
        if reply.status == "OK":
            out["code"] = None
    return out


def codes_value(reply, name):
    return [v[0].split()[1] for w, _, v in reply.untagged if w == "OK" and v[0] and v[0].upper().startswith(name + " ")]


def extended(values):
    values = [v for v in values if not isinstance(v, list)]
    out = {"UID": "UID" in values}
    values = [v for v in values if v != "UID"]
    for k, v in zip(values[::2], values[1::2]):
        out[str(k).upper()] = numbers(v) if str(k).upper() == "ALL" else str(v)
    return out


# ---- the run ---------------------------------------------------------------------------------------

class Difference(AssertionError):
    pass


def explain(ours, theirs):
    out = []
    for k in sorted(set(ours) | set(theirs), key=str):
        if ours.get(k) != theirs.get(k):
            x, y = ours.get(k), theirs.get(k)
            if isinstance(x, dict) and isinstance(y, dict):
                out.append(f" {k}:\n" + explain(x, y))
            else:
                out.append(f"  {k}:\n    buzon   {x!r}\n    dovecot {y!r}"[:3000])
            if len(out) == 4:
                break
    return "\n".join(out)


class Pair:
    """The same session on both."""

    def __init__(self, buzon, other, user, log):
        self.log, self.behind, self.read_only, self.selected = log, True, False, "INBOX"
        self.ours = Side(Imap(buzon.ports["imaps"], tls=True), f"{user}@example.org", f"password-of-{user}")
        self.theirs = Side(Imap(other.imap, host=other.host), user, "secret")

    def close(self):
        self.ours.client.close()
        self.theirs.client.close()

    def step(self, command, others, who):
        """Messages that come in from elsewhere are seen at different moments; both are told of them first."""
        text = command if isinstance(command, str) else command[0]
        if self.behind:
            self.run("NOOP", who)
            self.behind = False
        if self.read_only and re.search("STORE|MOVE|EXPUNGE|CLOSE", text):
            return
        # Of messages that are gone Dovecot copies none, buzon the others; SEARCH looks at the newest flags here, at
        # those that were told there.
        if re.match("COPY|MOVE|(UID )?SEARCH", text):
            self.run("NOOP", who)
        if re.match("(UID )?(APPEND|COPY|MOVE|RENAME)", text):
            for other in others:
                other.behind = True
        if re.match("SELECT|EXAMINE", text):
            self.selected = text.split()[1]
            self.read_only = text.startswith("EXAMINE")
        self.run(command, who)

    def run(self, command, who=""):
        self.log.append(f"{who}{command!r}"[:300])
        a, b = self.ours.run(command), self.theirs.run(command)
        left, right = (answer(r, command, len(s.model.flags)) for r, s in ((a, self.ours), (b, self.theirs)))
        if left != right:
            soften(command if isinstance(command, str) else command[0], a, b, left, right)
        if left != right:
            raise Difference(f"{command!r}\n{explain(left, right)}\n  buzon:   {short(a)}\n  dovecot: {short(b)}")

    def resume(self, mailbox, how):
        self.log.append(f"resume {mailbox} {how}")
        self.ours.resume(mailbox, how)
        self.theirs.resume(mailbox, how)
        self.selected, self.read_only, self.behind = mailbox, False, False

    def remember(self):
        self.log.append(f"remember {self.selected}")
        self.ours.remember(self.selected)
        self.theirs.remember(self.selected)

    def compare_models(self):
        """After NOOP both must have told the same, and what they told must be so."""
        self.run("NOOP")
        a, b = self.ours.model.flags, self.theirs.model.flags
        if len(a) != len(b):
            raise Difference(f"buzon told of {len(a)} messages, dovecot of {len(b)}")
        ours, theirs = self.ours.truth(), self.theirs.truth()
        for side, told, truth in (("buzon", a, ours), ("dovecot", b, theirs)):
            for i, (t, (uid, flags)) in enumerate(zip(told, truth)):
                if t is not None and t != flags:
                    raise Difference(f"{side} has {set(flags)} for message {i + 1} (UID {uid}) and told {set(t)}")
        if ours != theirs:
            diff = [(i + 1, x, y) for i, (x, y) in enumerate(zip(ours, theirs)) if x != y]
            raise Difference(f"the mailboxes differ: {diff[:3]} of {len(ours)} and {len(theirs)}")
        self.ours.model.flags = [f for _, f in ours]
        self.theirs.model.flags = [f for _, f in theirs]


def short(reply):
    return (b"".join(reply.raw)[-600:]).decode("utf-8", "replace")


# ---- what differs on purpose: each takes its own kind of difference out of both answers ---------------

def expunged_elsewhere(text, a, b, left, right):
    """RFC 2180 §4.1 leaves the choice: buzon answers NO [EXPUNGEISSUED] (OK to UID commands) without the
    messages that are gone, Dovecot OK with empty ones."""
    if "EXPUNGEISSUED" in (a.code or "") + (b.code or "") and {a.status, b.status} <= {"OK", "NO"}:
        left["status"] = right["status"]
        gone = set(right.get("fetch", {})) - set(left.get("fetch", {}))
        for number in gone:
            del right["fetch"][number]


def part_of_a_leaf(text, a, b, left, right):
    """Part 1.1 below a part that is no multipart: nothing here, the part itself in Dovecot. RFC 9051 §6.4.5"""
    for number, items in left.get("fetch", {}).items():
        for k in [k for k, v in items.items() if v in (b"", b"NIL", b"0") and re.match(r"(BODY|BINARY)\S*\[[\d.]+1", k)]:
            items.pop(k)
            right["fetch"].get(number, {}).pop(k, None)


def no_empty_line(text, a, b, left, right):
    """Fields of a header that no empty line ends: none is made up here. RFC 9051 §7.5.2"""
    for number, items in left.get("fetch", {}).items():
        for k, v in items.items():
            other = right["fetch"].get(number, {}).get(k)
            if "FIELDS" in k and isinstance(other, bytes) and v + b"\r\n" == other:
                items[k] = other


def folded_with_tab(text, a, b, left, right):
    """ENVELOPE: a fold is undone by taking out CRLF (RFC 5322 §2.2.3); Dovecot makes a space of the tab behind it."""
    for number, items in left.get("fetch", {}).items():
        if "ENVELOPE" in items:
            subject = items["ENVELOPE"][1].replace(b"\t", b" ")
            items["ENVELOPE"] = (items["ENVELOPE"][0], subject, *items["ENVELOPE"][2:])


def list_attributes(text, a, b, left, right):
    """What was not asked for, RFC 9051 §6.3.9.5: buzon always tells of children and special use. The separator asked
    for in LSUB or with selection options: buzon tells it."""
    if re.match("(LIST|LSUB) ", text) and left.get("list") and left["status"] == right["status"]:
        free = {"\\haschildren", "\\hasnochildren", "\\archive", "\\drafts", "\\junk", "\\sent", "\\trash"}
        if text.endswith('""'):
            left["list"] = right["list"] = []
        if text.upper().startswith("LSUB") or re.match("LIST \\(|.*RETURN", text.upper()):
            for side in (left, right):
                side["list"] = [(n, attributes - free, rest) for n, attributes, rest in side["list"]]


def nothing_to_copy(text, a, b, left, right):
    """COPY of UIDs that do not exist to a mailbox that does not exist: NO [TRYCREATE] here; Dovecot looks at the
    messages first."""
    if left["code"] == "TRYCREATE" and "No messages found" in (b.text or ""):
        left.update(right)


def binary_of_a_container(text, a, b, left, right):
    """BINARY of message/rfc822 or a multipart: as it is here (it has no encoding of its own); Dovecot decodes what is
    in it. RFC 3516 §4.2"""
    for number, items in left.get("fetch", {}).items():
        for k in [k for k, v in items.items() if k.startswith("BINARY") and re.search(rb"m90@|--in8|--deep", v)]:
            items.pop(k)
            right["fetch"].get(number, {}).pop(k, None)


def unknown_encoding(text, a, b, left, right):
    """UNKNOWN-CTE: Dovecot ends there, buzon goes on with the other messages."""
    if "UNKNOWN-CTE" in (a.code or "") and "UNKNOWN-CTE" in (b.code or ""):
        left["fetch"] = right["fetch"] = {}


KNOWN = [nothing_to_copy, binary_of_a_container, unknown_encoding, expunged_elsewhere, part_of_a_leaf, no_empty_line, folded_with_tab, list_attributes]


def soften(text, a, b, left, right):
    for known in KNOWN:
        known(text, a, b, left, right)


def converse(buzon, other, user, seed, steps, log):
    rng = random.Random(seed)
    maker = Maker(rng)
    pairs = [Pair(buzon, other, user, log) for _ in range(2)]
    for message in rng.sample(samples(), rng.randint(8, 16)):
        pairs[0].run(["APPEND INBOX " + rng.choice(["", "(\\Seen) ", "(alpha \\Deleted) "]) + '"23-Nov-2026 10:00:00 +0000" ',
                      ("literal", message)])
    for name in ["INBOX", "Sent", "Trash", "Archive", "Drafts", "Junk"]:  # Dovecot makes them when they are first opened
        pairs[0].run(f"SUBSCRIBE {name}")
        pairs[0].run(f"SELECT {name}")
    if seed % 3 == 0:
        pairs[0].run("ENABLE QRESYNC")
    if seed % 2 == 0:
        pairs[1].run("ENABLE CONDSTORE")
    for pair in pairs:
        pair.run("SELECT INBOX")
    for step in range(steps):
        which = rng.randrange(2)
        maker.highest = len(pairs[which].ours.model.flags)
        try:
            maker.selected = [p.selected for p in pairs]
            maker.names = pairs[0].theirs.names()
            pairs[which].step(maker.command(), pairs, f"{which}: ")
            if rng.random() < 0.5 and pairs[which].ours.model.open:
                pairs[which].compare_models()
                if seed % 3 == 0 and rng.random() < 0.2:
                    pairs[which].remember()
            saved = sorted(set(pairs[0].ours.saved) & maker.names)
            if seed % 3 == 0 and saved and rng.random() < 0.08:
                pairs[0].resume(rng.choice(saved), rng.choice(["plain", "uids"]))
                pairs[0].compare_models()
        except Difference as e:
            yield step, e
    for pair in pairs:
        pair.close()


EXTRA = "limits { connections-per-minute = 100000 connections-per-client = 5000 errors-after-sign-in = 1000 }"
SEEDS = [1, 2, 3, 6]


def pytest_generate_tests(metafunc):
    if "seed" in metafunc.fixturenames:
        seed = metafunc.config.getoption("--differential-seed")
        metafunc.parametrize("seed", SEEDS if seed is None else [seed])


@pytest.fixture(scope="module")
def other():
    if not dovecot.has_imap():
        pytest.skip("dovecot with IMAP is not installed")
    d = dovecot.Dovecot()
    yield d
    d.close()


@pytest.fixture(scope="module")
def ours(buzon, other):
    s = Server(buzon, accounts=[], extra=EXTRA)
    s.start()
    yield s
    s.close()


def test_same_answers(ours, other, seed, request):
    log = []
    ours.add_account(f"u{seed}")
    for step, difference in converse(ours, other, f"u{seed}", seed, request.config.getoption("--differential-steps"), log):
        pytest.fail(f"seed {seed}, step {step}: {difference}\n" + "\n".join(log[-15:]))
