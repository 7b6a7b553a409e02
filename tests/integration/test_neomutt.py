"""neomutt: sends by SMTP and keeps a copy by IMAP; reads a mailbox, flags, moves, deletes, on a terminal with keys pushed."""
import email
import email.policy
import uuid

import pytest

from support.mail import NAME, deliver, imap, kept, message, put, subjects


def rc(desk, server, user, how="tls", more=""):
    """smtp_authenticators: left alone, this one takes SCRAM-SHA-256-PLUS, cannot bind to the channel, and gives up."""
    s = "s" if how == "tls" else ""
    smtp = server.ports["submissions" if how == "tls" else "submission"]
    desk.write("empty", "")
    return desk.write("muttrc", f"""
set realname="A Person" from="{user}@example.org" use_from=yes hostname=example.org use_envelope_from=no
set smtp_url="smtp{s}://{user}%40example.org@{NAME}:{smtp}/" smtp_pass="password-of-{user}" smtp_authenticators="plain"
set imap_user="{user}@example.org" imap_pass="password-of-{user}"
set folder="imap{s}://{NAME}:{server.ports['imap' + s]}/" spoolfile="+INBOX" record="+Sent" postponed="+Drafts" trash=""
set ssl_force_tls=yes ssl_starttls=yes ssl_verify_host=yes ssl_verify_dates=yes
set ssl_ca_certificates_file="{server.chain}" certificate_file="{server.chain}"
set header_cache="{desk.path('cache')}" message_cachedir="{desk.path('bodies')}"
set confirmappend=no confirmcreate=no delete=yes move=no quit=yes wait_key=no abort_nosubject=no mark_old=no
set imap_check_subscribed=no mail_check=0 timeout=2 sleep_time=0 beep=no help=no alias_file="{desk.path('empty')}"
set send_charset="us-ascii:utf-8" charset=utf-8
{more}
""")


def keys(desk, configuration, pushed):
    """Runs it on a terminal until the keys have made it quit."""
    status, shown = desk.on_terminal("neomutt", "-F", configuration, "-e", f"push '{pushed}'", timeout=60)
    assert status == 0, shown[-2000:]
    return shown


def flags(server, user, folder="INBOX"):
    return {subjects([m])[0]: m.flags for m in kept(server, user, folder)}


@pytest.mark.parametrize("how", ["tls", "starttls"])
def test_sends(desk, server, how):
    one, two, token = server.person(), server.person(), uuid.uuid4().hex
    paper = desk.write("paper.bin", bytes(range(256)) * 200)
    desk.run("neomutt", "-F", rc(desk, server, one, how), "-s", f"¿Qué? {token}", "-a", paper, "--", f"{two}@example.org",
             stdin="Grüße\n.\n.x\nFrom here\n")
    [got] = kept(server, two)
    parsed = email.message_from_bytes(got.raw, policy=email.policy.default)
    assert parsed["Subject"] == f"¿Qué? {token}"
    text, attached = parsed.iter_parts()
    assert text.get_content().replace("\r\n", "\n") == "Grüße\n.\n.x\nFrom here\n"
    assert attached.get_content() == bytes(range(256)) * 200


def test_reads_flags_and_deletes(desk, server):
    user = server.person()
    deliver(server, user, *[message(f"number {i}", body=f"body {i}\r\n") for i in range(6)])
    shown = keys(desk, rc(desk, server, user), "<first-entry><display-message><exit>"
                 "<search>~s number.1<enter><flag-message>"
                 "<search>~s number.2<enter><delete-message><sync-mailbox>"
                 "<search>~s number.3<enter><set-flag>r<quit>")
    assert "number 5" in shown
    assert flags(server, user) == {"number 0": {"\\Seen"}, "number 1": {"\\Flagged"}, "number 3": {"\\Answered", "\\Seen"},
                                   "number 4": set(), "number 5": set()}


def test_moves_and_copies(desk, server):
    user = server.person()
    deliver(server, user, *[message(f"number {i}") for i in range(8)])
    keys(desk, rc(desk, server, user), "<tag-pattern>~s number.[0-2]<enter><tag-prefix><save-message>=Archive<enter>"
         "<untag-pattern>.<enter><search>~s number.5<enter><copy-message>=Made.By.Mutt<enter><sync-mailbox><quit>")
    assert subjects(kept(server, user)) == [f"number {i}" for i in range(3, 8)]
    assert subjects(kept(server, user, "Archive")) == ["number 0", "number 1", "number 2"]
    assert subjects(kept(server, user, "Made.By.Mutt")) == ["number 5"]


def test_trash_folder(desk, server):
    user = server.person()
    deliver(server, user, *[message(f"number {i}") for i in range(4)])
    keys(desk, rc(desk, server, user, more='set trash="+Trash"'), "<delete-pattern>~s number.[12]<enter><sync-mailbox><quit>")
    assert subjects(kept(server, user)) == ["number 0", "number 3"]
    assert subjects(kept(server, user, "Trash")) == ["number 1", "number 2"]


def test_cache_of_headers_follows(desk, server):
    """The second run starts from the cache (CONDSTORE, QRESYNC where it can) and must see what others did meanwhile."""
    user = server.person()
    deliver(server, user, *[message(f"number {i}") for i in range(20)])
    configuration = rc(desk, server, user, more="set imap_condstore=yes imap_qresync=yes")
    keys(desk, configuration, "<quit>")
    c = imap(server, user)
    c.select()
    c.store("3:5", "+FLAGS", r"(\Deleted)")
    c.expunge()
    c.store("1:2", "+FLAGS", r"(\Flagged)")
    c.logout()
    deliver(server, user, message("number 20"))
    keys(desk, configuration, "<tag-pattern>~F<enter><tag-prefix><save-message>=Archive<enter><untag-pattern>.<enter>"
         "<delete-pattern>~s number.20<enter><sync-mailbox><quit>")
    assert subjects(kept(server, user, "Archive")) == ["number 0", "number 1"]
    assert [subjects([m])[0] for m in kept(server, user)] == [f"number {i}" for i in range(5, 20)]


def test_searches_on_the_server(desk, server):
    """=b and =s are asked of the server (SEARCH) and not of the messages."""
    user = server.person()
    put(server, user, "INBOX", *[(message(f"number {i}", body=f"the word is needle{i}, ñandú\r\n").encode(), "") for i in range(6)])
    keys(desk, rc(desk, server, user), "<tag-pattern>=b needle4<enter><tag-prefix><flag-message><untag-pattern>.<enter>"
         "<tag-pattern>=h \"Subject: number 2\"<enter><tag-prefix><set-flag>r<untag-pattern>.<enter><sync-mailbox><quit>")
    found = flags(server, user)
    assert [k for k, v in sorted(found.items()) if "\\Flagged" in v] == ["number 4"]
    assert [k for k, v in sorted(found.items()) if "\\Answered" in v] == ["number 2"]


def test_folders_with_umlauts(desk, server):
    user = server.person()
    deliver(server, user, message("one"))
    keys(desk, rc(desk, server, user), "<save-message>=Bücher/Über<enter><sync-mailbox><quit>")
    assert subjects(kept(server, user, "B&APw-cher/&ANw-ber")) == ["one"]
    keys(desk, rc(desk, server, user), "<change-folder>=Bücher/Über<enter><flag-message><sync-mailbox><quit>")
    assert kept(server, user, "B&APw-cher/&ANw-ber")[0].flags >= {"\\Flagged"}


def test_postponed_and_resumed(desk, server):
    user, other = server.person(), server.person()
    configuration = rc(desk, server, user, more='set editor="true" fast_reply=yes abort_unmodified=no')
    keys(desk, configuration, f"<mail>{other}@example.org<enter>later<enter><postpone-message><quit>")
    [draft] = kept(server, user, "Drafts")
    assert subjects([draft]) == ["later"]
    keys(desk, configuration, "<recall-message><send-message><quit>")
    assert kept(server, user, "Drafts") == []
    [got], [copy] = kept(server, other), kept(server, user, "Sent")
    assert subjects([got]) == ["later"] and "\\Seen" in copy.flags
    assert email.message_from_bytes(copy.raw)["Message-ID"] == email.message_from_bytes(got.raw)["Message-ID"]
