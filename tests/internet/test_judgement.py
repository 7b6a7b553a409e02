"""Mail from outside, judged end to end by a buzon: a table of messages, each with the field, folder or reply it must get."""
import base64
import hashlib
import json
import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass

import pytest

from .testing import internet

SCENARIO = """
zone buzon.example
zone good.example
  @ TXT "v=spf1 ip4:44.128.0.10 -all"
  _dmarc TXT "v=DMARC1; p=reject"
  s1._domainkey TXT "v=DKIM1; k=rsa; p={key}"
  old._domainkey TXT "v=DKIM1; p="
  lame._domainkey TXT "v=DKIM1; k=rsa; p={key}"
  fault lame._domainkey servfail
  news TXT "v=spf1 ip4:44.128.0.10 -all"
zone quar.example
  @ TXT "v=spf1 ip4:44.128.0.10 -all"
  _dmarc TXT "v=DMARC1; p=quarantine"
zone watch.example
  @ TXT "v=spf1 ip4:44.128.0.10 -all"
  _dmarc TXT "v=DMARC1; p=none"
zone trying.example
  _dmarc TXT "v=DMARC1; p=reject; t=y"
zone sub.example
  _dmarc TXT "v=DMARC1; p=none; sp=reject"
  a A 44.128.0.99
zone nobody.example
  _dmarc TXT "v=DMARC1; p=none; np=reject"
  real A 44.128.0.99
zone strict.example
  mail TXT "v=spf1 ip4:44.128.0.10 -all"
  _dmarc TXT "v=DMARC1; p=reject; aspf=s"
zone relaxed.example
  mail TXT "v=spf1 ip4:44.128.0.10 -all"
  _dmarc TXT "v=DMARC1; p=reject"
zone spf.example
  soft TXT "v=spf1 ~all"
  neutral TXT "v=spf1 ?all"
  fail TXT "v=spf1 -all"
  wrong TXT "v=spf1 nonsense:x -all"
  twice TXT "v=spf1 -all"
  twice TXT "v=spf1 +all"
  loop TXT "v=spf1 include:loop.spf.example -all"
  sick TXT "v=spf1 -all"
  fault sick servfail
zone undecided.example
  @ TXT "v=spf1 ip4:44.128.0.10 -all"
  _dmarc TXT "v=DMARC1; p=reject"
  fault @ TXT servfail
zone sick.example
  fault * servfail
zone silent.example
  fault * timeout
zone g00d.example
  @ TXT "v=spf1 ip4:44.128.0.66 -all"
zone evil.example
  @ TXT "v=spf1 ip4:44.128.0.66 -all"
  s1._domainkey TXT "v=DKIM1; k=rsa; p={key}"
  good.example TXT "v=spf1 ip4:44.128.0.66 -all"
zone helo.example
  @ TXT "v=spf1 ip4:44.128.0.10 -all"
  _dmarc TXT "v=DMARC1; p=reject"
peer buzon mx.buzon.example 44.128.0.90
  domains buzon.example
  accounts ana@buzon.example
  conf limits {{ connections-per-minute = 100000 connections-per-client = 5000 }}
  conf authentication {{ time = 3s reply-language = {language} }}
host out.good.example 44.128.0.10
host relay.forward.example 44.128.0.66
  ptr none
"""
GOOD, OTHER = "44.128.0.10", "44.128.0.66"
OURS = "mx.buzon.example"


# ---- messages --------------------------------------------------------------------------------------------------

def letter(sender, *fields, body="hello\r\n"):
    """A function of the subject: the table names each message by it."""
    return lambda subject: "".join([*(f"{f}\r\n" for f in fields), f"From: {sender}\r\n", f"Subject: {subject}\r\n",
                                    "\r\n", body])


def bare(text):
    return lambda subject: text.replace("SUBJECT", f"Subject: {subject}")


def signed(domain, message, selector="s1", extra="", body_hash_of=None, change=lambda text: text):
    """RFC 6376, simple/simple: enough of a signer for every mistake a signature can have."""
    def make(subject):
        text = message(subject)
        head, _, body = text.partition("\r\n\r\n")
        lines = head.split("\r\n")
        covered = [next(line for line in lines if line.startswith(name)) for name in ("From:", "Subject:")]
        digest = base64.b64encode(hashlib.sha256((body_hash_of or body).encode()).digest()).decode()
        start = (f"DKIM-Signature: v=1; a=rsa-sha256; c=simple/simple; d={domain}; s={selector}; {extra}h=from:subject; "
                 f"bh={digest}; b=")
        data = "".join(f"{line}\r\n" for line in covered) + start
        done = subprocess.run(["openssl", "dgst", "-sha256", "-sign", KEY.path], input=data.encode(), check=True,
                              stdout=subprocess.PIPE)
        return change(start + base64.b64encode(done.stdout).decode() + "\r\n" + text)
    return make


class KEY:
    """One RSA key for all signatures."""
    path = public = None

    @classmethod
    def make(cls, directory):
        cls.path = str(directory / "dkim.pem")
        subprocess.run(["openssl", "genrsa", "-out", cls.path, "2048"], check=True, stderr=subprocess.DEVNULL)
        der = subprocess.run(["openssl", "rsa", "-in", cls.path, "-pubout", "-outform", "DER"], check=True,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        cls.public = base64.b64encode(der).decode()


# ---- the table -------------------------------------------------------------------------------------------------

@dataclass
class Case:
    name: str
    source: str
    sender: str
    message: object
    has: tuple = ()          # in our field
    reply: tuple = (250, "")
    folder: str = "INBOX"
    lacks: tuple = ()        # in the whole header
    keeps: tuple = ()        # in the whole header
    helo: str = "out.good.example"


def refused(code, words):
    return {"reply": (code, words), "folder": ""}


HONEST = letter("Ana <a@good.example>")
FAILS = refused(550, "5.7.26")
CASES = [
    # direct
    Case("direct", GOOD, "a@good.example", HONEST, ("spf=pass", "dmarc=pass", "iprev=pass (out.good.example)", "dkim=none")),
    Case("direct and signed", GOOD, "a@good.example", signed("good.example", HONEST),
         ("spf=pass", "dkim=pass", "header.d=good.example", "dmarc=pass")),
    Case("null path", GOOD, "", letter("a@helo.example"), ("spf=pass", "smtp.helo=helo.example", "dmarc=pass"),
         helo="helo.example"),
    Case("no reverse name", OTHER, "a@g00d.example", letter("a@g00d.example"), ("iprev=permerror", "spf=pass")),
    # sub-domains, alignment
    Case("sub-domain sends, parent aligned", GOOD, "a@news.good.example", HONEST, ("spf=pass", "dmarc=pass")),
    Case("parent sends for sub-domain", GOOD, "a@good.example", letter("a@news.good.example"),
         ("dmarc=pass", "header.from=news.good.example")),
    Case("sp=reject", OTHER, "a@evil.example", letter("a@a.sub.example"), **FAILS),
    Case("p=none above sp=reject", OTHER, "a@evil.example", letter("a@sub.example"), ("dmarc=fail",)),
    Case("np=reject, no such name", OTHER, "a@evil.example", letter("a@ghost.nobody.example"), **FAILS),
    Case("np=reject, the name is there", OTHER, "a@evil.example", letter("a@real.nobody.example"), ("dmarc=fail",)),
    Case("relaxed alignment", GOOD, "a@mail.relaxed.example", letter("a@relaxed.example"), ("dmarc=pass",)),
    Case("strict alignment", GOOD, "a@mail.strict.example", letter("a@strict.example"), **FAILS),
    # what DMARC asks for
    Case("p=reject", OTHER, "a@evil.example", HONEST, **FAILS),
    Case("p=quarantine", OTHER, "a@evil.example", letter("a@quar.example"), ("dmarc=fail", "policy.dmarc=quarantine"),
         folder="Junk"),
    Case("p=none", OTHER, "a@evil.example", letter("a@watch.example"), ("dmarc=fail", "policy.dmarc=none")),
    Case("p=reject t=y", OTHER, "a@evil.example", letter("a@trying.example"), ("dmarc=fail",), folder="Junk"),
    Case("no policy", OTHER, "a@evil.example", letter("a@spf.example"), ("dmarc=none",)),
    # forwarded
    Case("forwarded, signature whole", OTHER, "a@good.example", signed("good.example", HONEST),
         ("spf=fail", "dkim=pass", "dmarc=pass"), helo="relay.forward.example"),
    Case("forwarded, body changed", OTHER, "a@good.example",
         signed("good.example", HONEST, change=lambda t: t + "-- \r\nthe list\r\n"), **refused(550, "DKIM: fail")),
    Case("forwarded, subject changed", OTHER, "a@good.example",
         signed("good.example", HONEST, change=lambda t: t.replace("Subject: ", "Subject: [list] ")),
         **refused(550, "DKIM: fail")),
    Case("forwarded, unsigned", OTHER, "a@good.example", HONEST, **refused(550, "SPF: fail")),
    # signatures
    Case("signature of another domain", OTHER, "a@evil.example", signed("evil.example", HONEST),
         **refused(550, "pass for another domain")),
    Case("provider with own domain", OTHER, "a@evil.example", signed("good.example", signed("evil.example", HONEST)),
         ("header.d=good.example", "header.d=evil.example", "dmarc=pass")),
    Case("expired", OTHER, "a@evil.example", signed("good.example", HONEST, extra="t=1000000000; x=1000000001; "), **FAILS),
    Case("revoked key", OTHER, "a@evil.example", signed("good.example", HONEST, selector="old"), **FAILS),
    Case("no key", OTHER, "a@evil.example", signed("good.example", HONEST, selector="none"), **FAILS),
    Case("revoked key, SPF passes", GOOD, "a@good.example", signed("good.example", HONEST, selector="old"),
         ("dkim=permerror", "spf=pass", "dmarc=pass")),
    Case("l= with text behind it", OTHER, "a@evil.example",
         signed("good.example", HONEST, extra="l=7; ", change=lambda t: t + "buy now\r\n"), **FAILS),
    Case("key cannot be looked up", OTHER, "a@evil.example", signed("good.example", HONEST, selector="lame"),
         **refused(451, "4.7.26")),
    Case("From added above the signed one", OTHER, "a@good.example",
         signed("good.example", HONEST, change=lambda t: "From: ceo@bank.example\r\n" + t), **refused(550, "5.7.1 .*From")),
    # SPF
    Case("softfail", OTHER, "a@soft.spf.example", letter("a@soft.spf.example"), ("spf=softfail",)),
    Case("neutral", OTHER, "a@neutral.spf.example", letter("a@neutral.spf.example"), ("spf=neutral",)),
    Case("fail alone", OTHER, "a@fail.spf.example", letter("a@fail.spf.example"), ("spf=fail", "dmarc=none")),
    Case("no record", OTHER, "a@without.spf.example", letter("a@without.spf.example"), ("spf=none",)),
    Case("nonsense in the record", OTHER, "a@wrong.spf.example", letter("a@wrong.spf.example"), ("spf=permerror",)),
    Case("two records", OTHER, "a@twice.spf.example", letter("a@twice.spf.example"), ("spf=permerror",)),
    Case("a record that includes itself", OTHER, "a@loop.spf.example", letter("a@loop.spf.example"), ("spf=permerror",)),
    Case("SPF cannot be looked up", OTHER, "a@sick.spf.example", letter("a@sick.spf.example"), ("spf=temperror",)),
    # DNS faults
    Case("SPF sick, p=reject", GOOD, "a@undecided.example", letter("a@undecided.example"), **refused(451, "4.7.26")),
    Case("all of the domain sick", GOOD, "a@sick.example", letter("a@sick.example"), ("spf=temperror", "dmarc=temperror")),
    Case("a DNS that does not answer", GOOD, "a@silent.example", letter("a@silent.example"),
         ("spf=temperror", "dmarc=temperror")),
    # look-alikes
    Case("look-alike", OTHER, "a@g00d.example", letter("Good <a@g00d.example>"), ("spf=pass", "dmarc=none",
                                                                               "header.from=g00d.example")),
    Case("name as a sub-domain of another", OTHER, "a@good.example.evil.example", letter("a@good.example.evil.example"),
         ("header.from=good.example.evil.example",), lacks=("header.from=good.example\r",)),
    Case("address in the display name", OTHER, "a@evil.example", letter('"ceo@good.example" <a@evil.example>'),
         ("header.from=evil.example",)),
    Case("address in a comment", OTHER, "a@evil.example", letter("a@good.example (a@evil.example)"), **FAILS),
    Case("upper case", OTHER, "a@evil.example", letter("A@GOOD.Example"), **FAILS),
    # From
    Case("two From", GOOD, "a@good.example", letter("a@good.example", "From: b@good.example"),
         **refused(550, "5.7.1 .*several From")),
    Case("no From", GOOD, "a@good.example", bare("SUBJECT\r\n\r\nx\r\n"), **refused(550, "5.7.1 .*no From")),
    Case("empty From", GOOD, "a@good.example", letter(""), **refused(550, "5.7.1")),
    Case("encoded address", GOOD, "a@good.example", letter("=?utf-8?q?a=40good.example?="), **refused(550, "5.7.1")),
    Case("two addresses without a comma", OTHER, "a@evil.example", letter("<a@evil.example> <a@good.example>"),
         **refused(550, "5.7.1")),
    Case("two authors, one wronged", OTHER, "a@evil.example", letter("a@evil.example, a@good.example"), **FAILS),
    Case("a group of one", GOOD, "a@good.example", letter("us: a@good.example;"), ("dmarc=pass",)),
    # fields in our name
    Case("forged field", OTHER, "a@evil.example",
         letter("a@evil.example", f"Authentication-Results: {OURS}; dmarc=pass header.from=bank.example"),
         ("header.from=evil.example",), lacks=("bank.example",)),
    Case("forged in odd spelling", OTHER, "a@evil.example",
         letter("a@evil.example", "X-One: 1", f"authentication-results : (c) {OURS.upper()} 1;\r\n\tspf=pass smtp.mailfrom="
                "bank.example", "X-Two: 2", f'Authentication-Results: "{OURS}"; dkim=pass header.d=bank.example'),
         ("header.from=evil.example",), lacks=("bank.example",), keeps=("X-One: 1", "X-Two: 2")),
    Case("field of another host", OTHER, "a@evil.example",
         letter("a@evil.example", "Authentication-Results: other.example; dkim=pass header.d=kept.example"),
         ("header.from=evil.example",), keeps=("header.d=kept.example",)),
    Case("forged and signed", GOOD, "a@good.example",
         signed("good.example", letter("a@good.example", f"Authentication-Results: {OURS}; spf=fail")),
         ("dkim=pass", "dmarc=pass"), lacks=("spf=fail",)),
]


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    KEY.make(tmp_path_factory.mktemp("key"))
    with internet(SCENARIO.format(key=KEY.public, language="en")) as started:
        yield started


def send(net, case):
    """What was answered to the end of the message."""
    client = net.smtp(OURS, source=case.source)
    client.ehlo(case.helo)
    assert client.mail(case.sender)[0] == 250
    assert client.rcpt("ana@buzon.example")[0] == 250
    code, text = client.data(case.message(case.name).encode())
    client.close()
    return code, text.decode()


def header_of(net, folder, subject):
    client = net.peers[OURS].imap("ana@buzon.example")
    assert client.select(folder)[0] == "OK"
    found = client.search(None, "SUBJECT", f'"{subject}"')[1][0].split()
    headers = [client.fetch(n, "(BODY.PEEK[HEADER])")[1][0][1].decode() for n in found]
    client.logout()
    return [h for h in headers if f"Subject: {subject}\r\n" in h]


@pytest.mark.parametrize("case", CASES, ids=[c.name.replace(" ", "-") for c in CASES])
def test_judgement(net, case):
    start = time.monotonic()
    code, text = send(net, case)
    assert time.monotonic() - start < 8
    assert (code, bool(re.search(case.reply[1], text))) == (case.reply[0], True), (code, text)
    if not case.folder:
        return
    headers = header_of(net, case.folder, case.name)
    assert len(headers) == 1
    ours = re.match(r"Return-Path: <[^>]*>\r\nAuthentication-Results: mx\.buzon\.example;(?:[^\r]|\r\n[ \t])*\r\n", headers[0])
    assert ours, headers[0]
    unfolded = re.sub(r"\s+", " ", ours.group(0))
    for part in case.has:
        assert part in unfolded, unfolded
    for part in case.lacks:
        assert part not in headers[0], headers[0]
    for part in case.keeps:
        assert part in headers[0], headers[0]


def test_story(net):
    case = Case("story", OTHER, "s@evil.example", letter("a@quar.example"))
    assert send(net, case)[0] == 250
    told = net.peers[OURS].buzon("story", "s@evil.example").stdout
    assert "judged (junk, rule: DMARC quarantine)" in told and "DMARC: fail quar.example" in told and "in Junk of" in told
    assert send(net, Case("story", OTHER, "t@evil.example", HONEST))[0] == 550
    end = time.monotonic() + 10  # a refusal is told after its reply
    while (done := net.peers[OURS].buzon("--json", "story", "t@evil.example", check=False)).returncode:
        assert time.monotonic() < end, done.stderr
    assert {json.loads(line)["step"] for line in done.stdout.splitlines()} == {"judged", "refused"}


def test_auth_command(net, tmp_path):
    path = tmp_path / "message"
    path.write_text(signed("good.example", HONEST)("a file").replace("\r\n", "\n"), newline="\n")
    dns = net.scenario.dns[0]
    args = ["auth", str(path), "--ip", OTHER, "--helo", "relay.forward.example", "--from", "a@good.example", "--dns", dns]
    peer = net.peers[OURS]
    shown = peer.buzon(*args).stdout
    for part in ("spf    fail", "dkim   pass", "dmarc  pass", "Questions to the DNS:", "dkim   TXT   s1._domainkey.good.example",
                 "Authentication-Results: mx.buzon.example;"):
        assert part in shown, shown
    facts = [json.loads(line) for line in peer.buzon("--json", *args).stdout.splitlines()]
    assert {f["mechanism"]: f["result"] for f in facts if "mechanism" in f} == \
        {"iprev": "permerror", "helo": "none", "spf": "fail", "dkim": "pass", "dmarc": "pass"}
    assert any(f.get("question") == "TXT" and f["name"] == "_dmarc.good.example" for f in facts)
    spanish = peer.run("env", "LC_ALL=es_ES.UTF-8", "LANGUAGE=es", peer.program, "-c", peer.conf, *args).stdout
    assert "Preguntas al DNS:" in spanish
    path.write_text(HONEST("unsigned"))
    assert peer.buzon(*args, check=False).returncode == 1


def test_without_relay(make_net):
    """Nobody asks the DNS: mail is kept at once, with temporary errors."""
    net = make_net(SCENARIO.format(key=KEY.public or "x", language="es"))
    case = Case("words", OTHER, "a@evil.example", HONEST)
    code, text = send(net, case)
    assert code == 550 and "pide rechazar" in text
    status = json.load(open(f"{net.peers[OURS].dir}/data/run/status.json"))
    relays = [r["pid"] for r in status["roles"] if r["role"] == "relay"]
    for pid in relays:
        os.kill(pid, signal.SIGSTOP)
    start = time.monotonic()
    assert send(net, Case("stopped", GOOD, "a@other.example", letter("a@other.example")))[0] == 250
    assert time.monotonic() - start < 8
    assert "dmarc=temperror" in header_of(net, "INBOX", "stopped")[0]
