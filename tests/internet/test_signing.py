"""Mail that leaves carries signatures that dkimpy, OpenDKIM and the records that `buzon dns` prints make good."""
import json
import shutil
import subprocess

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


def send(net, title, body, sender="ana@ours.example"):
    text = (f"From: Ana <{sender}>\r\nTo: x@there.example\r\nSubject: {title}\r\nMIME-Version: 1.0\r\n"
            f"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{body}")
    with net.smtp("mx.ours.example", port=587) as client:
        client.starttls()
        client.login("ana@ours.example", "password-of-ana")
        client.sendmail("ana@ours.example", ["x@there.example"], text.encode(), mail_options=["BODY=8BITMIME"])
    found = net.journal.wait("message", host="mx.there.example", kept=True, timeout=20,
                             path=lambda path: f"Subject: {title}\r\n".encode() in open(path, "rb").read())
    return found[-1].content


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
