"""Mail to domains with an MTA-STS policy (RFC 8461): who gets it, who does not, and what the story says of it."""
import json
import re
import time

import pytest

RECORD = "  _mta-sts TXT \"v=STSv1; id={id}\"\n"
ZONE = "zone {d}\n" + RECORD
SIGNED = "zone {d} signed\n" + RECORD
HOST = "host {h} {a}\n  mx {d}\n"
WEB = "host mta-sts.{d} {w}\n"
ENFORCE = WEB + "  mta-sts enforce {h}\n"
TESTING = WEB + "  mta-sts testing {h}\n"
ENFORCED, TESTED, NO_FILE = "MTA-STS policy, mode enforce, id a1", "MTA-STS policy, mode testing, id a1", \
    "the MTA-STS policy cannot be fetched: "

# name, scenario, what becomes of the mail ("tls", "clear", "waits: PATTERN of the last error"), what the story says.
CASES = [
    ("good", ZONE + HOST + ENFORCE, "tls", ENFORCED + ".*TLSv1.3 \\(verified\\)"),
    ("wildcard", ZONE + HOST + WEB + "  mta-sts enforce *.{d}\n", "tls", ENFORCED),
    ("wrong-name", ZONE + HOST + "  tls wrong-name\n" + ENFORCE, "waits: 4.7.5.*MTA-STS policy of wrong-name.example", ENFORCED),
    ("self-signed", ZONE + HOST + "  tls self-signed\n" + ENFORCE, "waits: 4.7.5.*MTA-STS", ENFORCED),
    ("expired", ZONE + HOST + "  tls expired\n" + ENFORCE, "waits: 4.7.5.*MTA-STS", ENFORCED),
    ("other-ca", ZONE + HOST + "  tls other-ca\n" + ENFORCE, "waits: 4.7.5.*MTA-STS", ENFORCED),
    ("stripped", ZONE + HOST + "  tls none\n" + ENFORCE, "waits: 4.7.10.*MTA-STS", ENFORCED),
    ("refused-tls", ZONE + HOST + "  starttls : reply 454 4.7.0 \"not now\"\n" + ENFORCE, "waits: 4.7.10.*MTA-STS", ENFORCED),
    ("broken-tls", ZONE + HOST + "  tls broken\n" + ENFORCE, "waits: 4.7.5.*MTA-STS", ENFORCED),
    ("other-mx", ZONE + HOST + WEB + "  mta-sts enforce elsewhere.example\n",
     "waits: 4.7.5.*does not name the mail server mx.other-mx.example", ENFORCED),
    ("deep-mx", ZONE + HOST + WEB + "  mta-sts enforce *.example\n", "waits: 4.7.5.*does not name", ENFORCED),
    ("second-mx", ZONE + HOST + "host mx2.{d} {b}\n  mx {d} 20\n" + WEB + "  mta-sts enforce mx2.{d}\n", "tls",
     "does not name the mail server mx.second-mx.example"),
    ("testing", ZONE + HOST + TESTING, "tls", TESTED),
    ("testing-name", ZONE + HOST + "  tls wrong-name\n" + TESTING, "tls", TESTED + ".*this one is not"),
    ("testing-clear", ZONE + HOST + "  tls none\n" + TESTING, "clear", TESTED + ".*there is none"),
    ("testing-mx", ZONE + HOST + WEB + "  mta-sts testing elsewhere.example\n", "tls", "does not name this host"),
    ("none", ZONE + HOST + "  tls none\n" + WEB + "  mta-sts none\n", "clear", "(?!.*MTA-STS)"),
    ("no-record", "zone {d}\n" + HOST + "  tls none\n" + ENFORCE, "clear", "(?!.*MTA-STS)"),
    ("two-records", ZONE + RECORD.replace("{id}", "a2") + HOST + "  tls none\n" + ENFORCE, "clear", "(?!.*MTA-STS)"),
    ("no-host", ZONE + HOST + "  tls none\n", "clear", NO_FILE + "the policy host has no address"),
    ("web-refused", ZONE + HOST + "  tls none\n" + "host mta-sts.{d} {w} refused\n", "clear", NO_FILE),
    ("web-expired", ZONE + HOST + "  tls none\n" + ENFORCE + "  tls expired\n", "clear", NO_FILE + ".*certificate has expired"),
    ("web-wrong-name", ZONE + HOST + "  tls none\n" + ENFORCE + "  tls wrong-name\n", "clear", NO_FILE),
    ("web-self-signed", ZONE + HOST + "  tls none\n" + ENFORCE + "  tls self-signed\n", "clear", NO_FILE),
    ("web-old-tls", ZONE + HOST + "  tls none\n" + ENFORCE + "  tls versions 1.0..1.1\n", "clear", NO_FILE),
    ("web-404", ZONE + HOST + "  tls none\n" + WEB + "  serve /x reply 200 x\n", "clear", NO_FILE + "the policy host answered 404"),
    ("web-redirect", ZONE + HOST + "  tls none\n" + WEB +
     "  serve /.well-known/mta-sts.txt redirect https://mta-sts.good.example/.well-known/mta-sts.txt\n", "clear",
     NO_FILE + "the policy host answered 302"),
    ("web-html", ZONE + HOST + "  tls none\n" + WEB + "  serve /.well-known/mta-sts.txt type text/html, policy enforce {h}\n",
     "clear", NO_FILE + "what the policy host sends is not text/plain"),
    ("web-huge", ZONE + HOST + "  tls none\n" + WEB + "  serve /.well-known/mta-sts.txt huge 1M\n", "clear",
     NO_FILE + "the answer is longer than 64 KiB"),
    ("web-junk", ZONE + HOST + "  tls none\n" + WEB + "  serve /.well-known/mta-sts.txt reply 200 junk\n", "clear",
     NO_FILE + "the policy has a line that is not"),
    ("web-close", ZONE + HOST + "  tls none\n" + WEB + "  serve /.well-known/mta-sts.txt close\n", "clear", NO_FILE),
    # RFC 8461 §2: a host that DANE vouches for needs no authority, and one that DANE refuses gets nothing.
    ("dane", SIGNED + "  _25._tcp.mx TLSA 3 1 1 of {h}\n" + HOST + "  tls self-signed\n" + ENFORCE, "tls", "verified by DANE"),
    ("dane-wrong", SIGNED + "  _25._tcp.mx TLSA 3 1 1 wrong\n" + HOST + ENFORCE, "waits: 4.7.5", ENFORCED),
    ("dane-testing", SIGNED + "  _25._tcp.mx TLSA 3 1 1 wrong\n" + HOST + TESTING, "waits: 4.7.5", TESTED),
    ("v6", ZONE + HOST + "host mta-sts.{d} 2001:db8:7::1\n  mta-sts enforce {h}\n", "tls", ENFORCED),
]
PEER = """peer buzon mx.buzon.example 44.128.0.1
  domains buzon.example
  accounts ana@buzon.example
  conf relay { private-addresses = true }
"""


def fill(name, lines, number):
    return lines.format(d=f"{name}.example", h=f"mx.{name}.example", id="a1", a=f"44.1.{number}.1", b=f"44.1.{number}.2",
                        w=f"44.1.{number}.3")


SCENARIO = PEER + "".join(fill(name, lines, i) for i, (name, lines, _, _) in enumerate(CASES))


def submit(net, *names, subject="hello"):
    client = net.smtp("mx.buzon.example", 587)
    client.starttls()
    client.login("ana@buzon.example", "password-of-ana")
    for name in names:
        client.sendmail("ana@buzon.example", [f"x@{name}.example"],
                        f"From: ana@buzon.example\r\nTo: x@{name}.example\r\nMessage-ID: <{subject}.{name}@buzon.example>\r\n"
                        f"Subject: {subject}\r\n\r\nbody\r\n".encode())
    client.quit()


def outcomes(net, peer, subject="hello"):
    lines = peer.buzon("queue", "list", "--json").stdout.splitlines()
    waiting = {item["recipient"][2:-8]: f"waits: {item['last_error']}" for item in map(json.loads, lines) if item["attempts"]}
    kept = {m.recipients[0].partition("@")[2][:-8]: "tls" if m.tls else "clear" for m in net.journal.messages()
            if m.kept and f"Subject: {subject}\r\n".encode() in m.content}
    return {**waiting, **kept}


def wait_outcomes(net, peer, names, subject="hello", seconds=45):
    end = time.monotonic() + seconds
    while not set(names) <= set(found := outcomes(net, peer, subject)) and time.monotonic() < end:
        time.sleep(0.3)
    return found


def story(peer, name, subject="hello"):
    return " ".join(peer.buzon("story", f"<{subject}.{name}@buzon.example>").stdout.split())


@pytest.fixture(scope="module")
def found(net):
    names = [name for name, *_ in CASES]
    submit(net, *names)
    return wait_outcomes(net, net.peers["mx.buzon.example"], names)


@pytest.mark.parametrize("name, want, said", [(name, want, said) for name, _, want, said in CASES])
def test_policy(net, found, name, want, said):
    got = found.get(name)
    told = story(net.peers["mx.buzon.example"], name)
    assert got, f"nothing became of the mail to {name}.example: {told}"
    kind, _, detail = want.partition(": ")
    assert got.startswith(kind) and re.search(detail, got), f"got {got!r}, want {want!r}; {told}"
    assert re.match(said, told) if said.startswith("(?!") else re.search(said, told), told


def test_nothing_reached_a_refused_host(net, found):
    for name, _, want, _ in CASES:
        if want.startswith("waits"):
            assert not net.journal.messages(host=f"mx.{name}.example"), name


def test_nobody_died(net, found):
    assert not re.findall("role died.*", net.peers["mx.buzon.example"].log_text())


CHANGING = PEER + fill("alpha", ZONE + HOST + ENFORCE, 1)
FETCH = {"host": "mta-sts.alpha.example"}


def test_the_policy_is_kept(make_net):
    """One fetch for several messages; without the record and the web host it is still in force."""
    net = make_net(CHANGING)
    peer = net.peers["mx.buzon.example"]
    for subject in ("one", "two"):
        submit(net, "alpha", subject=subject)
        assert wait_outcomes(net, peer, ["alpha"], subject)["alpha"] == "tls"
    assert len(net.journal.find("request", **FETCH)) == 1
    net.remove("alpha.example", "_mta-sts", "TXT")
    net.record("alpha.example", "_mta-sts TXT \"v=STSv1; id=b2\"")
    net.remove("alpha.example", "mta-sts", "A")
    time.sleep(6)  # a connection that waits for the next message would be used without asking
    submit(net, "alpha", subject="three")
    assert wait_outcomes(net, peer, ["alpha"], "three")["alpha"] == "tls"
    assert ENFORCED in story(peer, "alpha", "three")
