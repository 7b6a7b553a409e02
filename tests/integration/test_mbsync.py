"""mbsync: Maildirs on a desk and mailboxes on the server become the same, whichever side something changed on."""
import base64
import os
import re

import pytest

from support import maildir
from support.mail import imap, kept, message, put, subjects
from support.mbsync import Replica


def in_step(replica, server, user, folder="INBOX", far=None):
    """Both sides hold the same messages with the same flags; gives back their number."""
    there = maildir.as_maildir(kept(server, user, far or folder))
    assert replica.read(folder) == there
    return len(there)


def file_of(replica, subject, folder="INBOX"):
    for file in maildir.files(replica.folder(folder)):
        with open(file, "rb") as f:
            if f"\nSubject: {subject}\n".encode() in f.read():
                return file
    raise AssertionError(f"no file with the subject {subject}")


@pytest.mark.parametrize("how,mechanisms", [("clear", "LOGIN"), ("clear", "SCRAM-SHA-256"), ("starttls", "PLAIN"), ("tls", "LOGIN"),
                                            ("tls", "PLAIN"), ("tls", "SCRAM-SHA-256"), ("starttls", "*")])
def test_pull_and_push(desk, server, clear_server, how, mechanisms):
    server = clear_server if how == "clear" else server
    user = server.person()
    put(server, user, "INBOX", (message("from the server").encode(), r"\Seen \Flagged"))
    replica = Replica(desk, server, user, how=how, mechanisms=mechanisms)
    maildir.add(replica.make(), message("from the desk", body="üñî\n.\n\n").encode(), "FR")
    replica.sync()
    assert in_step(replica, server, user) == 2
    assert {tuple(sorted(m.flags)) for m in kept(server, user)} == {("\\Flagged", "\\Seen"), ("\\Answered", "\\Flagged")}
    before = maildir.files(replica.folder())
    replica.sync()
    assert maildir.files(replica.folder()) == before and len(kept(server, user)) == 2


def test_flags_both_ways(desk, server):
    user = server.person()
    put(server, user, "INBOX", *[(message(f"number {i}").encode(), "") for i in range(6)])
    replica = Replica(desk, server, user)
    replica.sync()
    maildir.set_letters(file_of(replica, "number 0"), "FS")
    maildir.set_letters(file_of(replica, "number 1"), "R")
    maildir.set_letters(file_of(replica, "number 2"), "D")
    c = imap(server, user)
    c.select()
    c.store("4", "+FLAGS", r"(\Seen \Answered)")
    c.store("5", "FLAGS", r"(\Draft)")
    c.logout()
    replica.sync()
    assert in_step(replica, server, user) == 6
    flags = [sorted(m.flags) for m in kept(server, user)]
    assert flags == [["\\Flagged", "\\Seen"], ["\\Answered"], ["\\Draft"], ["\\Answered", "\\Seen"], ["\\Draft"], []]
    maildir.set_letters(file_of(replica, "number 0"), "")
    replica.sync()
    assert in_step(replica, server, user) == 6 and kept(server, user)[0].flags == frozenset()


def test_deletions_both_ways(desk, server):
    user = server.person()
    put(server, user, "INBOX", *[(message(f"number {i}").encode(), "") for i in range(8)])
    replica = Replica(desk, server, user)
    replica.sync()
    os.unlink(file_of(replica, "number 0"))                             # gone from the desk
    maildir.set_letters(file_of(replica, "number 1"), "ST")             # marked on the desk
    c = imap(server, user)
    c.select()
    c.uid("STORE", "3", "+FLAGS", r"(\Deleted)")                        # gone from the server
    c.expunge()
    c.uid("STORE", "4", "+FLAGS", r"(\Deleted)")                        # marked on the server
    c.logout()
    replica.sync()
    assert in_step(replica, server, user) == 4
    assert subjects(kept(server, user)) == [f"number {i}" for i in range(4, 8)]


def test_conflicting_changes(desk, server):
    """One side deletes what the other one flags; afterwards both say the same."""
    user = server.person()
    put(server, user, "INBOX", *[(message(f"number {i}").encode(), "") for i in range(2)])
    replica = Replica(desk, server, user)
    replica.sync()
    os.unlink(file_of(replica, "number 0"))
    c = imap(server, user)
    c.select()
    c.store("1", "+FLAGS", r"(\Flagged)")
    c.logout()
    replica.sync()
    replica.sync()
    in_step(replica, server, user)


def test_moves_between_folders(desk, server):
    user = server.person()
    put(server, user, "INBOX", *[(message(f"number {i}").encode(), r"\Seen") for i in range(4)])
    replica = Replica(desk, server, user)
    replica.sync()
    replica.make("Work")
    # As mail programs move files: without the ,U= that holds the UID of the old folder.
    for i in (0, 1):
        file = file_of(replica, f"number {i}")
        name = re.sub(",U=[0-9]+", "", os.path.basename(file))
        os.rename(file, f"{replica.folder('Work')}/cur/{name}")
    c = imap(server, user)
    c.create("Far")
    c.select()
    c.uid("MOVE", "3", "Far")
    c.logout()
    replica.sync()
    assert in_step(replica, server, user) == 1 and subjects(kept(server, user)) == ["number 3"]
    assert in_step(replica, server, user, "Work") == 2
    assert subjects(kept(server, user, "Far")) == ["number 2"]
    assert in_step(replica, server, user, "Far") == 1
    assert all("\\Seen" in m.flags for m in kept(server, user, "Work"))


NAMES = ["Bücher", "Übersicht/März & April", "日本語", "Entwürfe (alt)", "a&b", "Ünter/Örd/ner"]


def utf7(name):
    """RFC 3501 §5.1.3; mbsync carries names over as they are on the wire."""
    out, odd = "", ""
    for c in name + "\0":
        if c.isascii() and odd:
            out += "&" + base64.b64encode(odd.encode("utf-16-be")).decode().rstrip("=").replace("/", ",") + "-"
            odd = ""
        if not c.isascii():
            odd += c
        elif c != "\0":
            out += "&-" if c == "&" else c
    return out


def test_utf8_folder_names(desk, server):
    """Made on the server, made on the desk; a program that speaks UTF-8 (RFC 6855) sees them as they are."""
    user = server.person()
    half = len(NAMES) // 2
    for name in NAMES[:half]:
        put(server, user, utf7(name), (message(f"in {utf7(name)}").encode(), ""))
    replica = Replica(desk, server, user)
    for name in NAMES[half:]:
        maildir.add(replica.make(utf7(name)), message(f"in {utf7(name)}").encode(), "S")
    replica.sync()
    for name in NAMES:
        assert in_step(replica, server, user, utf7(name)) == 1
        assert subjects(kept(server, user, utf7(name))) == [f"in {utf7(name)}"]
    c = imap(server, user)
    c._get_capabilities()       # imaplib still has those from before the sign-in
    c.enable("UTF8=ACCEPT")
    listed = [line.decode().split('"/" ')[1].strip('"') for line in c.list()[1]]
    c.logout()
    assert set(NAMES) <= set(listed)


def test_folders_come_and_go(desk, server):
    user = server.person()
    put(server, user, "Short/Lived", (message("one").encode(), ""))
    replica = Replica(desk, server, user)
    replica.sync()
    assert in_step(replica, server, user, "Short/Lived") == 1
    c = imap(server, user)
    c.select("Short/Lived")
    c.store("1", "+FLAGS", r"(\Deleted)")
    c.close()
    c.logout()
    replica.sync()              # mbsync removes folders only after it has seen them empty
    c = imap(server, user)
    c.delete("Short/Lived")
    c.logout()
    replica.sync()
    assert not os.path.exists(replica.folder("Short/Lived/cur"))
    c = imap(server, user)
    assert b"Lived" not in b" ".join(x for x in c.list()[1] if x)
    c.logout()


def test_only_one_direction(desk, server):
    user = server.person()
    put(server, user, "INBOX", (message("far").encode(), ""))
    replica = Replica(desk, server, user, more="Sync Pull\nCreate Near")
    maildir.add(replica.make(), message("near").encode(), "S")
    replica.sync()
    assert subjects(kept(server, user)) == ["far"] and len(maildir.files(replica.folder())) == 2
    replica.sync("-H")       # push what is there
    assert in_step(replica, server, user) == 2


def test_trash_and_new_arrivals(desk, server):
    """Deleted on the desk: a copy goes to Trash on the server before it is expunged."""
    user = server.person()
    put(server, user, "INBOX", *[(message(f"number {i}").encode(), "") for i in range(3)])
    replica = Replica(desk, server, user, patterns="INBOX")
    with open(replica.rc) as f:
        desk.write("mail.rc", f.read().replace("IMAPStore far\nAccount far\n", "IMAPStore far\nAccount far\nTrash Trash\n"))
    replica.sync()
    maildir.set_letters(file_of(replica, "number 1"), "T")
    put(server, user, "INBOX", (message("arrived meanwhile").encode(), ""))
    replica.sync()
    assert in_step(replica, server, user) == 3
    assert subjects(kept(server, user, "Trash")) == ["number 1"]


def test_arrival_dates_are_kept(desk, server):
    user = server.person()
    replica = Replica(desk, server, user)
    file = maildir.add(replica.make(), message("old").encode(), "S")
    os.utime(file, (1_000_000_000, 1_000_000_000))
    replica.sync()
    c = imap(server, user)
    c.select()
    assert b'" 9-Sep-2001 01:46:40 +0000"' in c.fetch("1", "INTERNALDATE")[1][0]
    c.logout()
    second = Replica(desk, server, user, "second")
    second.sync()
    [file] = maildir.files(second.folder())
    assert int(os.stat(file).st_mtime) == 1_000_000_000


def test_another_certificate_is_not_believed(desk, server, clear_server):
    replica = Replica(desk, server, "bob")
    with open(replica.rc) as f:
        desk.write("mail.rc", f.read().replace(server.chain, clear_server.chain))
    assert "certificate" in replica.sync(status=1).text
