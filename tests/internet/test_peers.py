"""Real servers inside: Postfix and a second buzon exchange mail; DANE and MTA-like faults are seen by Postfix."""
import os
import re
import time

import pytest

from internet import peers

POSTFIX = """
zone post.example
zone good.example signed
  _25._tcp.mx TLSA 3 1 1 of mx.good.example
host mx.good.example 198.51.100.10
  mx good.example
zone wrong.example signed
  _25._tcp.mx TLSA 3 1 1 wrong
host mx.wrong.example 198.51.100.11
  mx wrong.example
zone stripped.example signed
  _25._tcp.mx TLSA 3 1 1 of mx.stripped.example
host mx.stripped.example 198.51.100.12
  mx stripped.example
  tls none
host mx.grey.example 198.51.100.13
  mx grey.example
  rcpt n<=1 : reply 450 4.2.0 "Greylisted"
peer postfix mx.post.example 198.51.100.80
  domains post.example
"""
MESSAGE = b"From: a@post.example\r\nSubject: hello\r\n\r\nbody\r\n"


def wait(what, seconds=15):
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)
    return found


@pytest.fixture
def postfix(make_net):
    net = make_net(POSTFIX)
    return net, net.peers["mx.post.example"]


def test_postfix(postfix):
    net, peer = postfix
    inward = net.smtp("mx.post.example")
    inward.sendmail("a@client.example", ["x@post.example"], MESSAGE)
    assert b"for <x@post.example>" in net.journal.wait_message(host="mx.post.example")[0].content
    domains = ("good", "wrong", "stripped", "grey")
    outward = net.smtp("mx.post.example", source="198.51.100.80")
    outward.sendmail("a@post.example", [f"ana@{d}.example" for d in domains], MESSAGE)
    good = net.journal.wait_message(host="mx.good.example")[0]
    assert good.tls["version"] == "TLSv1.3" and good.client == "198.51.100.80"
    wait(lambda: re.search(r"Verified TLS connection established to mx.good.example", peer.log_text()))
    wait(lambda: re.search(r"to=<ana@wrong.example>.*Server certificate not verified", peer.log_text()))
    wait(lambda: re.search(r"to=<ana@stripped.example>.*TLS is required, but was not offered", peer.log_text()))
    assert net.journal.wait_message(host="mx.grey.example", timeout=20)
    assert not net.journal.messages(host="mx.wrong.example") and not net.journal.messages(host="mx.stripped.example")


@pytest.fixture
def program(buzon, monkeypatch):
    """The program under test for the peer, as --buzon or $BUZON say."""
    if buzon:
        monkeypatch.setenv("BUZON", os.path.abspath(buzon))


def test_a_second_buzon(make_net, program):
    net = make_net("peer buzon mx.buzon.example 198.51.100.90 2001:db8::90\n  domains buzon.example\n"
                   "  accounts ana@buzon.example\n")
    for address in ("198.51.100.90", "2001:db8::90"):
        client = net.smtp("mx.buzon.example", address=address)
        client.starttls()
        client.sendmail("a@client.example", ["ana@buzon.example"], MESSAGE)
        client.quit()
    inbox = net.peers["mx.buzon.example"].imap("ana@buzon.example")
    assert inbox.select("INBOX") == ("OK", [b"2"])
    assert b"Subject: hello" in inbox.fetch("1", "BODY[]")[1][0][1]
    inbox.logout()
    peer = net.peers["mx.buzon.example"]
    peer.kill()
    with pytest.raises(ConnectionRefusedError):
        net.connect("mx.buzon.example", 25)
    peer.serve()
    assert peer.imap("ana@buzon.example").select("INBOX") == ("OK", [b"2"])


def test_postfix_delivers_to_buzon_with_dane(make_net, program):
    net = make_net("peers.net")
    client = net.smtp("mx.post.example", source="198.51.100.80")
    client.sendmail("a@post.example", ["ana@buzon.example"], MESSAGE)
    log = net.peers["mx.post.example"].log_text
    wait(lambda: re.search(r"to=<ana@buzon.example>.*status=sent", log()))
    assert "Verified TLS connection established to mx.buzon.example" in log()


def test_opensmtpd(make_net):
    net = make_net("peer opensmtpd mx.open.example 198.51.100.70\n  domains open.example\n"
                   "host mx.good.example 198.51.100.10\n  mx good.example\n")
    assert isinstance(net.peers["mx.open.example"], peers.OpenSmtpd)
    net.smtp("mx.open.example").sendmail("a@client.example", ["x@open.example"], MESSAGE)
    assert net.journal.wait_message(host="mx.open.example")
    net.smtp("mx.open.example", source="198.51.100.70").sendmail("a@open.example", ["x@good.example"], MESSAGE)
    assert net.journal.wait_message(host="mx.good.example")[0].client == "198.51.100.70"
