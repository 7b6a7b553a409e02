"""Mail leaves a buzon for hosts that do all sorts of things: a table of behaviours, each with what becomes of the mail."""
import json
import os
import re
import time

import pytest

# name, lines of the scenario with {d} for the domain, {h} for its MX host and {a} for an address; what becomes of it:
# "tls" or "clear" (delivered), "waits: PATTERN" (of the last error), "bounced: STATUS".
ONE = "host {h} {a}\n  mx {d}\n"
SIGNED = "zone {d} signed\n  _25._tcp.mx TLSA 3 1 1 of {h}\n" + ONE
TWO = ONE + "host mx2.{d} {b}\n  mx {d} 20\n"
CASES = [
    ("plain", ONE + "  tls none\n", "clear"),
    ("tls", ONE, "tls"),
    ("self-signed", ONE + "  tls self-signed\n", "tls"),
    ("expired", ONE + "  tls expired\n", "tls"),
    ("wrong-name", ONE + "  tls wrong-name\n", "tls"),
    ("tls12", ONE + "  tls versions 1.2..1.2\n", "tls"),
    ("old-tls", ONE + "  tls versions 1.0..1.1\n", "clear"),
    ("tls-broken", ONE + "  tls broken\n", "clear"),
    ("tls-alert", ONE + "  tls n<=1 : alert 40\n", "clear"),
    ("tls-reset", ONE + "  tls n<=1 : reset\n", "clear"),
    ("tls-refused", ONE + "  starttls : reply 454 4.7.0 \"not now\"\n", "clear"),
    ("tls-demanded", ONE + "  mail !tls : reply 530 5.7.0 \"Must issue a STARTTLS command first\"\n", "tls"),
    ("client-cert", ONE + "  tls client-cert\n", "tls"),
    ("dane", SIGNED, "tls"),
    ("dane-ta", "zone {d} signed\n  _25._tcp.mx TLSA 2 0 1 of ca\n" + ONE, "tls"),
    ("dane-self-signed", SIGNED + "  tls self-signed\n", "tls"),
    ("dane-expired", SIGNED + "  tls expired\n", "tls"),
    ("dane-wrong", "zone {d} signed\n  _25._tcp.mx TLSA 3 1 1 wrong\n" + ONE, "waits: 4.7.5"),
    ("dane-old-key", "zone {d} signed\n  _25._tcp.mx TLSA 3 1 1 of {h} old\n" + ONE, "waits: 4.7.5"),
    ("dane-stripped", SIGNED + "  tls none\n", "waits: 4.7.10"),
    ("dane-broken", SIGNED + "  tls broken\n", "waits: 4.7.5"),
    ("dane-refused", SIGNED + "  starttls : reply 454 4.7.0 \"not now\"\n", "waits: 4.7.10"),
    ("dane-insecure", "zone {d}\n  _25._tcp.mx TLSA 3 1 1 wrong\n" + ONE, "tls"),
    ("dane-island", "zone {d} signed nods\n  _25._tcp.mx TLSA 3 1 1 wrong\n" + ONE, "tls"),
    ("dane-servfail", SIGNED + "zone-fault", "waits: 4.7.5"),
    ("dane-unusable", "zone {d} signed\n  _25._tcp.mx TLSA 1 1 1 wrong\n" + ONE, "tls"),
    ("dane-nsec3", "zone {d} signed nsec3\n" + ONE, "tls"),
    ("bogus", "zone {d} signed bogus\n" + ONE, "waits: 4.4.3"),
    ("expired-zone", "zone {d} signed expired\n" + ONE, "waits: 4.4.3"),
    ("null-mx", "zone {d}\n  @ MX 0 .\n  @ A {a}\n", "bounced: 5.1.10"),
    ("nothing", "zone {d}\n  @ TXT x\n", "bounced: 5.1.2"),
    ("dangling", "zone {d}\n  @ MX 10 nobody\n", "bounced: 5.4.4"),
    ("servfail", "zone {d}\n  @ MX 10 mx\n  fault * servfail\n", "waits: 4.4.3"),
    ("refused-dns", "zone {d}\n  @ MX 10 mx\n  fault * refused\n", "waits: 4.4.3"),
    ("truncated", "zone {d}\n  fault @ MX truncate\n" + ONE, "tls"),
    ("implicit", "host {d} {a}\n", "tls"),
    ("alias", "zone {d}\n  @ MX 10 a\n  a CNAME b\n  b A {a}\nhost b.{d} {a} nodns\n", "tls"),
    ("ourselves", "zone {d}\n  @ MX 10 mx.buzon.example.\n", "bounced: 5.4.6"),
    ("dead", "host {h} {a} refused\n  mx {d}\n", "waits: 4.4.1"),
    ("unreachable", "host {h} {a} unreachable\n  mx {d}\n", "waits: 4.4.1"),
    ("prohibited", "host {h} {a} prohibited\n  mx {d}\n", "waits: 4.4.1"),
    ("first-dead", "host {h} {a} refused\n  mx {d}\nhost mx2.{d} {b}\n  mx {d} 20\n", "tls"),
    ("first-421", ONE + "  banner : reply 421 4.3.2 \"busy\", close\nhost mx2.{d} {b}\n  mx {d} 20\n", "tls"),
    ("first-554", ONE + "  banner : reply 554 5.7.1 \"no SMTP\", close\nhost mx2.{d} {b}\n  mx {d} 20\n", "tls"),
    ("first-resets", ONE + "  banner : reset\nhost mx2.{d} {b}\n  mx {d} 20\n", "tls"),
    ("first-small", ONE + "  limit size 100\nhost mx2.{d} {b}\n  mx {d} 20\n", "tls"),
    ("all-554", ONE + "  banner : reply 554 5.7.1 \"no SMTP\", close\n", "bounced: 5.7.1"),
    ("all-521", ONE + "  banner : reply 521 5.3.2 \"never\", close\n", "bounced: 5.3.2"),
    ("banner-421", ONE + "  banner : reply 421 4.7.0 \"too many connections\", close\n", "waits: 421"),
    ("banner-junk", ONE + "  banner : raw \"hello there\\r\\n\"\n  any : close\n", "waits: 4."),
    ("banner-close", ONE + "  banner : close\n", "waits: 4.4.2"),
    ("no-ehlo", ONE + "  ehlo : reply 502 5.5.1 \"what\"\n", "clear"),
    ("ehlo-550", ONE + "  ehlo,helo : reply 550 5.7.1 \"bad name\"\n", "bounced: 5.7.1"),
    ("mail-451", ONE + "  mail : reply 451 4.3.0 \"later\"\n", "waits: 451"),
    ("mail-550", ONE + "  mail : reply 550 5.7.1 \"not from you\"\n", "bounced: 5.7.1"),
    ("mail-close", ONE + "  mail : close\n", "waits: 4.4.2"),
    ("rcpt-450", ONE + "  rcpt : reply 450 4.2.0 \"Greylisted\"\n", "waits: 450"),
    ("rcpt-452", ONE + "  rcpt : reply 452 4.2.2 \"inbox out of space\"\n", "waits: 452"),
    ("rcpt-550", ONE + "  rcpt : reply 550 5.1.1 \"who\"\n", "bounced: 5.1.1"),
    ("rcpt-551", ONE + "  rcpt : reply 551 5.1.6 \"gone to x@y.example\"\n", "bounced: 5.1.6"),
    ("rcpt-556", ONE + "  rcpt : reply 556 5.1.10 \"no mail here\"\n", "bounced: 5.1.10"),
    ("rcpt-421", ONE + "  rcpt : reply 421 4.3.2 \"going down\", close\n", "waits: 421"),
    ("rcpt-reset", ONE + "  rcpt : reset\n", "waits: 4.4.2"),
    ("rcpt-odd", ONE + "  rcpt : reply 350 \"what\"\n", "waits: 4.5.0"),
    ("rcpt-bare-code", ONE + "  rcpt : raw \"550\\r\\n\"\n", "bounced: 5."),
    ("rcpt-lines", ONE + "  rcpt : reply 550 5.1.1 \"one\" \"two\" \"three\"\n", "bounced: 5.1.1"),
    ("bare-lf", ONE + "  eol lf\n", "tls"),
    ("drip", ONE + "  banner : drip 2ms\n", "tls"),
    ("data-451", ONE + "  data : reply 451 4.3.0 \"later\"\n", "waits: 451"),
    ("data-554", ONE + "  data : reply 554 5.5.1 \"no\"\n", "bounced: 5.5.1"),
    ("data-close", ONE + "  data : close\n", "waits: 4.4.2"),
    ("dot-451", ONE + "  dot : reply 451 4.7.1 \"scanning\"\n", "waits: 451"),
    ("dot-554", ONE + "  dot : reply 554 5.7.1 \"spam\"\n", "bounced: 5.7.1"),
    ("dot-552", ONE + "  dot : reply 552 5.3.4 \"too big\"\n", "bounced: 5.3.4"),
    ("dot-close", ONE + "  dot : discard, close\n", "waits: may have arrived"),
    ("dot-reset-kept", ONE + "  dot : keep, reset\n", "waits: may have arrived"),
    ("dot-421", ONE + "  dot : reply 421 4.3.2 \"going down\", close\n", "waits: 421"),
    ("small", ONE + "  limit size 100\n", "bounced: 5.3.4"),
    ("minimal", ONE + "  offers SIZE\n", "clear"),
    ("no-pipelining", ONE + "  offers -PIPELINING\n", "tls"),
    ("limits", ONE + "  offers +LIMITS=RCPTMAX=1\n", "tls"),
    ("slow", ONE + "  latency 30ms\n", "tls"),
]


def scenario():
    text = ["peer buzon mx.buzon.example 44.128.0.1\n  domains buzon.example\n  accounts ana@buzon.example\n"
            "  conf relay { private-addresses = true }\n"]
    for i, (name, lines, _) in enumerate(CASES):
        d = f"{name}.example"
        lines = lines.format(d=d, h=f"mx.{d}", a=f"44.1.{i}.1", b=f"44.1.{i}.2")
        if lines.endswith("zone-fault"):
            lines = lines.removesuffix("zone-fault").replace("TLSA 3", "TLSA 3", 1)
            lines = lines.replace("signed\n", "signed\n  fault _25._tcp.mx TLSA servfail\n", 1)
        text.append(lines)
    return "".join(text)


def bounces(peer):
    client = peer.imap("ana@buzon.example")
    client.select("INBOX")
    _, numbers = client.search(None, "ALL")
    found = {}
    for number in numbers[0].split():
        text = client.fetch(number, "(BODY.PEEK[])")[1][0][1].decode(errors="replace")
        recipient = re.search(r"Final-Recipient: rfc822; *x@(\S+)\.example", text)
        status = re.search(r"^Status: (\S+)", text, re.M)
        if recipient and status:
            found[recipient[1]] = status[1]
    client.logout()
    return found


def waiting(peer):
    lines = peer.buzon("queue", "list", "--json").stdout
    lines = lines.decode() if isinstance(lines, bytes) else lines
    return {item["recipient"][2:-8]: item for item in map(json.loads, lines.splitlines())}


def outcomes(net, peer):
    """Name -> "clear", "tls", "bounced: STATUS", "waits: ERROR"; None: nothing yet."""
    kept = {m.recipients[0].partition("@")[2][:-8]: "tls" if m.tls else "clear"
            for m in net.journal.messages() if m.kept}
    found = {name: f"waits: {item['last_error']}" for name, item in waiting(peer).items() if item["attempts"]}
    returned = {name: f"bounced: {status}" for name, status in bounces(peer).items()}
    return {**kept, **found, **returned}


@pytest.fixture(scope="module")
def results(request):
    from internet.testing import internet
    program = request.config.getoption("--buzon", default=None)
    if program:
        os.environ["BUZON"] = os.path.abspath(program)
    with internet(scenario()) as net:
        peer = net.peers["mx.buzon.example"]
        client = net.smtp("mx.buzon.example", 587)
        client.starttls()
        client.login("ana@buzon.example", "password-of-ana")
        for name, _, _ in CASES:
            client.sendmail("ana@buzon.example", [f"x@{name}.example"],
                            f"From: ana@buzon.example\r\nTo: x@{name}.example\r\nSubject: {name}\r\n\r\nbody\r\n".encode())
        end = time.monotonic() + 45
        found = {}
        while len(found) < len(CASES) and time.monotonic() < end:
            time.sleep(0.5)
            found = outcomes(net, peer)
        deaths = re.findall(r'role died.*', peer.log_text())
        yield found, deaths


@pytest.mark.parametrize("name,want", [(name, want) for name, _, want in CASES])
def test_behaviour(results, name, want):
    got = results[0].get(name)
    assert got, f"nothing became of the mail to {name}.example"
    kind, _, detail = want.partition(": ")
    assert got.startswith(kind) and detail in got, f"got {got!r}, want {want!r}"


def test_nobody_died(results):
    assert not results[1]


REAL = """
zone buzon.example signed
  _25._tcp.mx TLSA 3 1 1 of mx.buzon.example
zone other.example signed
  _25._tcp.mx TLSA 3 1 1 of mx.other.example
zone post.example signed
  _25._tcp.mx TLSA 3 1 1 of mx.post.example
peer buzon mx.buzon.example 44.128.0.1
  domains buzon.example
  accounts ana@buzon.example
  conf relay { private-addresses = true }
peer buzon mx.other.example 44.128.0.2
  domains other.example
  accounts bob@other.example
  conf relay { private-addresses = true }
"""
POSTFIX = """
peer postfix mx.post.example 44.128.0.3
  domains post.example
  set smtp_tls_security_level dane-only
"""


def submit(net, host, sender, recipient, subject):
    client = net.smtp(host, 587)
    client.starttls()
    client.login(sender, f"password-of-{sender.partition('@')[0]}")
    client.sendmail(sender, [recipient], f"From: {sender}\r\nTo: {recipient}\r\nSubject: {subject}\r\n\r\nbody\r\n".encode())
    client.quit()


def inbox(peer, account):
    client = peer.imap(account)
    client.select("INBOX")
    _, numbers = client.search(None, "ALL")
    texts = [client.fetch(n, "(BODY.PEEK[])")[1][0][1].decode(errors="replace") for n in numbers[0].split()]
    client.logout()
    return texts


def wait_mail(peer, account, subject, seconds=15):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for text in inbox(peer, account):
            if f"Subject: {subject}" in text:
                return text
        time.sleep(0.2)
    raise AssertionError(f"{subject} did not come to {account}: {waiting(peer)}\n{peer.log_text()[-2000:]}")


def test_two_buzons(make_net):
    net = make_net(REAL)
    submit(net, "mx.buzon.example", "ana@buzon.example", "bob@other.example", "there")
    there = wait_mail(net.peers["mx.other.example"], "bob@other.example", "there")
    assert "TLS" in there.split("Subject:")[0]
    submit(net, "mx.other.example", "bob@other.example", "ana@buzon.example", "back")
    wait_mail(net.peers["mx.buzon.example"], "ana@buzon.example", "back")


def test_postfix_both_ways(make_net):
    net = make_net(REAL + POSTFIX)
    submit(net, "mx.buzon.example", "ana@buzon.example", "x@post.example", "there")
    assert b"Subject: there" in net.journal.wait_message(host="mx.post.example", timeout=20)[0].content
    outward = net.smtp("mx.post.example", source="44.128.0.3")
    outward.sendmail("x@post.example", ["ana@buzon.example"], b"From: x@post.example\r\nSubject: back\r\n\r\nbody\r\n")
    wait_mail(net.peers["mx.buzon.example"], "ana@buzon.example", "back", 20)
    assert "Verified TLS connection established to mx.buzon.example" in net.peers["mx.post.example"].log_text()
