"""Mail that leaves carries signatures that dkimpy, OpenDKIM and the records that `buzon dns` prints make good."""
import glob
import json
import os
import shutil
import signal
import subprocess
import time

import pytest

dkim = pytest.importorskip("dkim")

SCENARIO = """
zone ours.example signed
peer buzon mx.ours.example 198.51.100.90
  domains ours.example
  accounts ana@ours.example
  conf relay { private-addresses = true }
host mx.there.example 198.51.100.10
  mx there.example
"""
BODIES = {
    "short": "hello\r\n",
    "empty": "",
    "blank lines": "a\r\n\r\n\r\n",
    "dots and blanks": ".\r\n..x  y \r\n\t\r\n",
    "long": "a line of a long message\r\n" * 20000,
    "utf-8": "señal\r\n",
}


@pytest.fixture(scope="module")
def peer(net):
    peer = net.peers["mx.ours.example"]
    peer.buzon("dkim", "create", "ours.example")
    return peer


def keys(peer):
    lines = peer.buzon("dkim", "list", "ours.example", "--json").stdout.splitlines()
    return {k["name"]: k for k in map(json.loads, lines)}


def look_up(peer):
    records = {name: k["record"] for name, k in keys(peer).items()}
    return lambda name, timeout=5: records.get(name.decode().rstrip("."), "").encode() or None


def submit(net, title, body):
    text = (f"From: Ana <ana@ours.example>\r\nTo: x@there.example\r\nSubject: {title}\r\nMIME-Version: 1.0\r\n"
            f"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{body}")
    with net.smtp("mx.ours.example", port=587) as client:
        client.starttls()
        client.login("ana@ours.example", "password-of-ana")
        client.sendmail("ana@ours.example", ["x@there.example"], text.encode(), mail_options=["BODY=8BITMIME"])


def facts(title):
    def has_title(path):
        with open(path, "rb") as f:
            return f"Subject: {title}\r\n".encode() in f.read()
    return {"host": "mx.there.example", "kept": True, "path": has_title}


def arrived(net, title):
    return net.journal.find("message", **facts(title))


def send(net, title, body):
    submit(net, title, body)
    return net.journal.wait("message", timeout=20, **facts(title))[-1].content


@pytest.mark.parametrize("title", BODIES)
def test_dkimpy_verifies(net, peer, title):
    message = send(net, title, BODIES[title])
    header = message.partition(b"\r\n\r\n")[0].lower()
    assert header.count(b"dkim-signature:") == 2 and b"return-path" not in header
    for at in range(2):
        verifier = dkim.DKIM(message)
        assert verifier.verify(idx=at, dnsfunc=look_up(peer)), verifier.signature_fields
        names = verifier.signature_fields[b"h"].lower().replace(b" ", b"").split(b":")
        assert names.count(b"from") == 2 and names.count(b"subject") == 2


def test_opendkim_verifies(net, peer, tmp_path):
    program = shutil.which("opendkim") or shutil.which("opendkim", path="/usr/sbin")
    if not program:
        pytest.skip("opendkim is not installed")
    (tmp_path / "message").write_bytes(send(net, "opendkim", "hello\r\n"))
    rsa = next(k for k in keys(peer).values() if k["algorithm"] == "rsa")
    # Its file of keys knows no spaces in a value.
    (tmp_path / "keys").write_text(f'{rsa["name"]} {rsa["record"].replace("; ", ";")}\n')
    (tmp_path / "conf").write_text(f"Mode v\nTestPublicKeys {tmp_path}/keys\n")
    done = subprocess.run([program, "-x", tmp_path / "conf", "-t", tmp_path / "message", "-vvv"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, text=True, check=False)
    assert f'(s={rsa["selector"]}, d=ours.example, 2048-bit key) succeeded' in done.stdout, done.stdout


def test_rotation(net, peer):
    before = {k["selector"] for k in keys(peer).values() if k["state"] == "active"}
    peer.buzon("dkim", "rotate", "ours.example")
    assert selectors(send(net, "before", "x\r\n")) == before
    peer.buzon("dkim", "activate", "ours.example")
    after = selectors(send(net, "after", "x\r\n"))
    assert len(after) == 2 and not after & before
    assert {k["selector"] for k in keys(peer).values() if k["state"] == "retired"} == before


def selectors(message):
    return {dkim.util.parse_tag_value(value)[b"s"].decode()
            for name, value in dkim.rfc822_parse(message)[0] if name.lower() == b"dkim-signature"}


def role_pid(peer, role):
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        pid = path.split("/")[2]
        try:
            with open(path) as f, open(f"/proc/{pid}/stat") as stat:
                words, parent = f.read().split("\0"), int(stat.read().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == peer.process.pid and words[1:3] == ["role", role]:
            return int(pid)
    raise AssertionError(f"there is no process of role {role}")


def until(what, seconds=30):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)


def test_keys_that_hang_delay_mail(net, peer):
    """Never unsigned while a key is active: the mail waits, the log says why, and it leaves signed when keys is back."""
    with_hang = role_pid(peer, "keys")
    os.kill(with_hang, signal.SIGSTOP)
    # Not by submission: its TLS needs keys as well.
    peer.buzon("send", "-f", "ana@ours.example", "x@there.example",
               input="From: ana@ours.example\r\nSubject: delayed\r\n\r\nx\r\n")
    until(lambda: "not signed for 'ours.example'" in peer.log_text())
    assert not arrived(net, "delayed")
    until(lambda: "role died" in peer.log_text() and role_pid_or_none(peer, "keys") not in (None, with_hang))
    until(lambda: retry(peer) and arrived(net, "delayed"))
    assert len(selectors(arrived(net, "delayed")[-1].content)) == 2


def role_pid_or_none(peer, role):
    try:
        return role_pid(peer, role)
    except AssertionError:
        return None


def retry(peer):
    peer.buzon("queue", "retry", "all", check=False)
    return True


def test_key_without_its_file(net, peer):
    """A file that is gone is no reason to send unsigned mail either; the log names the key."""
    active = next(k for k in keys(peer).values() if k["state"] == "active")
    path = f'{peer.dir}/data/keys/{active["name"]}.pem'
    os.rename(path, path + ".away")
    os.kill(peer.process.pid, signal.SIGHUP)
    until(lambda: "configuration taken anew" in peer.log_text())
    submit(net, "no file", "x\r\n")
    until(lambda: f"no usable key '{active['name']}'" in peer.log_text())
    assert not arrived(net, "no file")
    os.rename(path + ".away", path)
    os.kill(peer.process.pid, signal.SIGHUP)
    until(lambda: retry(peer) and arrived(net, "no file"))
