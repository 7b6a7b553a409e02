"""The administrator's commands: with and without a server, as text, as JSON, with their exit statuses."""
import os
import signal
import smtplib
import subprocess

import pytest

from support.mail import kept
from support.wait import until


def test_without_and_with_server(fresh):
    for running in (False, True):
        if running:
            fresh.start()
        name = "eva" if running else "dora"
        fresh.add_account(name)
        accounts = [a["account"] for a in fresh.json("account", "list")]
        assert f"{name}@example.org" in accounts
        assert fresh.run("alias", "add", f"team-{name}@example.org", "ana@example.org", f"{name}@example.org").returncode == 0
        assert fresh.json("alias", "list")[-1]["targets"] == ["ana@example.org", f"{name}@example.org"]
        assert fresh.run("account", "quota", f"{name}@example.org", "10M").returncode == 0
        assert {a["quota_bytes"] for a in fresh.json("account", "list") if a["account"].startswith(name)} == {10 << 20}
        assert fresh.run("alias", "remove", f"team-{name}@example.org").returncode == 0
        assert fresh.run("account", "remove", f"{name}@example.org").returncode == 0


def test_mistakes_have_words_and_statuses(fresh):
    cases = [
        (["account", "add", "ana@example.org"], "long-enough\n", 1, "already"),
        (["account", "add", "x@nowhere.example"], "long-enough\n", 1, "add it first"),
        (["account", "add", "x@example.org"], "short\n", 2, "eight characters"),
        (["account", "remove", "nobody@example.org"], None, 1, "account"),
        (["domain", "remove", "example.org"], None, 1, "still has accounts"),
        (["story", "nobody@nowhere.example"], None, 1, "nothing is known"),
        (["queue", "show", "x"], None, 2, "no queue number"),
        (["nonsense"], None, 2, "Exit status"),
        (["account", "add"], None, 2, "Usage"),
        (["send"], None, 2, "no message"),
    ]
    for args, stdin, status, words in cases:
        done = fresh.run(*args, stdin=stdin or "", check=False)
        assert done.returncode == status, (args, done.stderr)
        assert words in done.stderr, (args, done.stderr)


def test_wrong_configuration_names_the_line(fresh):
    with open(fresh.conf, "a") as f:
        f.write("hostnam = x\n")
    done = fresh.run("check", check=False)
    assert done.returncode == 2
    assert "buzon.conf:" in done.stderr and "write 'hostname'" in done.stderr


def test_spanish(fresh):
    done = fresh.run("queue", "list", env={"LC_ALL": "es_ES.UTF-8", "LANGUAGE": "es"})
    assert "la cola está vacía" in done.stdout or not os.path.exists("/usr/lib/locale/C.utf8")


def test_story_of_a_message(fresh):
    fresh.start()
    with smtplib.SMTP("127.0.0.1", fresh.ports["smtp"]) as c:
        c.sendmail("x@remote.example", ["bob@example.org"], "From: x@remote.example\r\nMessage-ID: <1@r>\r\n\r\nhi\r\n")
        c.mail("x@remote.example")
        c.rcpt("nobody@example.org")
    steps = fresh.json("story", "<1@r>")
    assert [s["step"] for s in steps] == ["received", "stored"]
    assert steps[1]["facts"]["account"] == "bob@example.org"
    text = fresh.run("story", "bob@example.org").stdout
    assert "received from 127.0.0.1" in text and "kept for <bob@example.org>" in text
    refused = fresh.run("story", "nobody@example.org").stdout
    assert "refused with 550" in refused


def test_send_as_sendmail(fresh):
    fresh.start()
    done = fresh.run("send", "-t", "-f", "cron@example.org", stdin="To: bob@example.org\nSubject: from cron\n\nhello\n")
    assert done.returncode == 0
    assert fresh.json("story", "cron@example.org")[0]["facts"]["subject"] == "from cron"
    link = f"{fresh.dir}/sendmail"
    os.symlink(fresh.buzon, link)
    assert subprocess.run([link, "bob@example.org"], input="x\n", text=True, env={"PATH": ""},
                          capture_output=True).returncode in (2, 75)


def test_check_backup_restore(fresh):
    fresh.start()
    for i in range(20):
        with smtplib.SMTP("127.0.0.1", fresh.ports["smtp"]) as c:
            c.sendmail("x@remote.example", ["bob@example.org"], f"Subject: {i}\r\n\r\nhi\r\n")
    assert fresh.run("check", "--deep").returncode == 0
    fresh.run("dkim", "create", "example.org")
    target = f"{fresh.dir}/backup"
    fresh.run("backup", target)
    fresh.run("backup", target)
    fresh.stop()
    before, keys = fresh.json("account", "list"), fresh.json("dkim", "list")
    os.rename(fresh.data, fresh.data + ".old")
    os.mkdir(fresh.data)
    fresh.run("restore", target)
    assert fresh.json("account", "list") == before and fresh.json("dkim", "list") == keys
    for key in keys:
        assert os.stat(f'{fresh.data}/keys/{key["name"]}.pem').st_mode & 0o777 == 0o600
    assert fresh.run("check", "--deep").returncode == 0
    fresh.start()
    assert len(kept(fresh, "bob")) == 20


@pytest.mark.parametrize("running", [False, True])
def test_dkim(fresh, running):
    def states():
        return {k["selector"]: k["state"] for k in fresh.json("dkim", "list", "example.org")}

    def refused(*args):
        return fresh.run("dkim", *args, check=False).returncode

    if running:
        fresh.start()
    fresh.run("dkim", "create", "example.org", "--selector", "one", "--algorithm", "ed25519")
    fresh.run("dkim", "rotate", "example.org", "--selector", "two")
    fresh.run("dkim", "create", "example.org", "--selector", "three", "--algorithm", "ed25519", "--after", "2d")
    assert states() == {"one": "active", "two": "new", "three": "new"}
    fresh.run("dkim", "activate", "example.org", "two")
    assert states() == {"one": "retired", "two": "active", "three": "new"}
    assert refused("remove", "example.org", "one") == 1 and refused("remove", "example.org", "two") == 1
    assert refused("remove", "example.org", "four") == 1 and refused("create", "other.example") == 1
    assert refused("create", "example.org", "--selector", "two", "--algorithm", "ed25519") == 1
    assert refused("create", "example.org", "--selector", "a/b") == 2
    assert refused("create", "example.org", "--algorithm", "rsa512") == 2
    fresh.run("dkim", "remove", "example.org", "three")
    fresh.run("dkim", "remove", "example.org", "one", "--force")
    assert states() == {"two": "active"}
    assert os.listdir(f"{fresh.data}/keys") == ["two._domainkey.example.org.pem"]


def test_stop_and_reload(fresh):
    fresh.start()
    fresh.process.send_signal(signal.SIGHUP)
    until(lambda: "configuration taken anew" in fresh.log_text())
    with open(fresh.conf, "a") as f:
        f.write("nonsense = 1\n")
    fresh.process.send_signal(signal.SIGHUP)
    until(lambda: "the old configuration stays" in fresh.log_text())
    with smtplib.SMTP("127.0.0.1", fresh.ports["smtp"]) as c:
        assert c.noop()[0] == 250
    assert fresh.stop() == 0


def test_received_tells_how_mail_came(fresh):
    import imaplib
    import ssl
    fresh.start()
    cases = [("HELO", False, b" with SMTP id "), ("EHLO", False, b" with ESMTP id "), ("EHLO", True, b" with ESMTPS id ")]
    for hello, tls, _ in cases:
        with smtplib.SMTP("127.0.0.1", fresh.ports["smtp"]) as c:
            if tls:
                c.starttls(context=ssl._create_unverified_context())
            getattr(c, hello.lower())("c.example")
            c.docmd("MAIL FROM:<x@remote.example>")
            c.docmd("RCPT TO:<bob@example.org>")
            c.data("Subject: x\r\n\r\nhi\r\n")
    with imaplib.IMAP4_SSL("127.0.0.1", fresh.ports["imaps"], ssl_context=ssl._create_unverified_context()) as c:
        c.login("bob@example.org", "password-of-bob")
        c.select()
        for i, (_, _, words) in enumerate(cases, 1):
            assert words in c.fetch(str(i), "(BODY.PEEK[HEADER.FIELDS (RECEIVED)])")[1][0][1]
