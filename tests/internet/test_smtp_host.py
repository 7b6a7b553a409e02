"""Each behaviour of scripted mail hosts, seen by smtplib and by bare sockets."""
import base64
import contextlib
import smtplib
import socket
import ssl
import time
import warnings

import pytest

SCENARIO = r"""
seed 7
client probe.buzon.example 192.0.2.1 2001:db8::1
zone alpha.example
  @ MX 10 mx.alpha.example.

behaviour refuses-strangers
  rcpt !mailbox : reply 550 5.1.1 "no such user"

host mx.alpha.example 198.51.100.10 2001:db8::10
  mailboxes alpha.example ana bob "john smith"
  subaddress +
  auth ana secret
host grey.example 198.51.100.11
  greylist 300s
host grey-sender.example 198.51.100.12
  rcpt age/client<60s : reply 451 4.7.1 "come back in 60 seconds"
  rcpt to=gone@* : reply 550 5.1.1 "gone"
host first.example 198.51.100.13
  banner n/client<=1 : reply 421 4.7.1 "try again", close
host parallel.example 198.51.100.14
  limit sessions 1
host banning.example 198.51.100.15
  mailboxes banning.example ana
  banner marked=banned : reply 554 5.7.1 "no SMTP service for you", close
  rcpt !mailbox bad/client>=3 : mark banned for 600s, reply 421 4.7.0 "error rate too high", close
  rcpt !mailbox : count bad, reply 550 5.1.1 "no such user"
host one-each.example 198.51.100.16
  limit rcpts 1
host twice.example 198.51.100.17
  dot : reply 250 2.0.0 "first", reply 250 2.0.0 "second"
host lost.example 198.51.100.18
  dot n<=1 : keep, close
  dot n<=1 : discard, reset
  dot body~"black hole" : discard, reply 250 2.0.0 "sure"
host late-no.example 198.51.100.19
  dot header.subject~spam : reply 554 5.7.1 "not this"
  data from=nodata@* : reply 554 5.5.1 "no valid recipients"
host odd.example 198.51.100.20
  ehlo : raw "250-odd\r\n250-SIZ" "E 1000\n250 8BITMIME\r\n"
  mail : raw "250-2.1.0 \xe9\r\n250 " "2.1.0 ok\r\n"
  rcpt local=long : reply "250 ${to}" "250 x"
  rcpt : reply 550 5.1.1 "line one" "line two for {local} at {domain}" "id 4a250b"
  noop : ignore
  help : flood 200k
  vrfy : stall
  rset : reset
host lf.example 198.51.100.21
  eol lf
host old.example 198.51.100.22
  ehlo : reply 502 5.5.1 "unknown command"
host slow.example 198.51.100.23
  banner : wait 400ms
  mail : drip 20ms
  data : wait 100ms..200ms
host eager.example 198.51.100.24
  connect : wait 300ms
  banner early : reply 554 5.5.0 "talked too soon", close
host needs-tls.example 198.51.100.25
  mail !tls : reply 530 5.7.0 "Must issue a STARTTLS command first"
host no-tls.example 198.51.100.26
  tls none
host t454.example 198.51.100.27
  starttls : reply 454 4.7.0 "TLS not available"
host tbroken.example 198.51.100.28
  tls broken
host tstall.example 198.51.100.29
  tls : stall
host talert.example 198.51.100.30
  tls : alert 40
host old-tls.example 198.51.100.31
  tls versions 1.0..1.1
host new-tls.example 198.51.100.32
  tls versions 1.3..1.3
host wrong-name.example 198.51.100.33
  tls wrong-name
host expired.example 198.51.100.34
  tls expired
host self-signed.example 198.51.100.35
  tls self-signed
host other-ca.example 198.51.100.36
  tls other-ca
host no-chain.example 198.51.100.37
  tls no-chain
host not-yet.example 198.51.100.38
  tls not-yet
host weak.example 198.51.100.39
  tls weak
host injected.example 198.51.100.40
  tls injection
host small.example 198.51.100.41
  limit size 1k
  offers -CHUNKING +REQUIRETLS +LIMITS=RCPTMAX=5
  offers tls: +X-SAFE
host talk.example 198.51.100.42
  limit messages 2
  limit errors 3
host sender-checks.example 198.51.100.43
  mail from.dns=no : reply 550 5.1.8 "Sender address rejected: Domain not found"
  mail from.dns=nullmx : reply 550 5.7.27 "domain takes no mail"
  ehlo,helo helo.dns=no : reply 550 5.7.1 "HELO must be a resolvable name"
  rcpt !ptr : reply 550 5.7.25 "sending IP has no PTR record"
host quick.example 198.51.100.44
  limit rate 2
host dice.example 198.51.100.45
  [coin] rcpt chance=50% : reply 451 4.3.0 "tails"
host bounces.example 198.51.100.46
  dot : dsn 10ms 5.1.1 "user left", reply 250 2.0.0 "queued"
host lmtp.example 198.51.100.47
  listen 24 lmtp
  mailboxes lmtp.example ana bob
  dot to=bob@* : reply 452 4.2.2 "full"
host idn.example 198.51.100.48
  mailboxes παράδειγμα.example δοκιμή
host no-utf8.example 198.51.100.49
  offers -SMTPUTF8
host scopes.example 198.51.100.50
  use refuses-strangers
  mailboxes scopes.example ana
  mail client=192.0.2.0/24 family=4 from=no4@* : reply 550 5.7.1 "no"
  mail time>=1000000s : reply 421 4.3.2 "closing time"
  mail param.size>500 : reply 552 5.3.4 "announced too much"
  mail n/session=2 : note "again from {from}", reply 451 4.0.0 "second"
host lists.example 198.51.100.51
  catch-all one.example two.example
host tarpit.example 198.51.100.52
  limit commands 4
  latency lognormal 20ms 0.5
host probe-home.example 198.51.100.53
  mailboxes probe.buzon.example verify
zone probe.buzon.example
  @ MX 10 probe-home.example.
zone nullmx.example
  @ MX 0 .
host smtps.example 198.51.100.54
  listen 465 smtps
  listen 587 smtp
  auth-required
  auth u p
"""
MESSAGE = b"From: a@b.example\r\nSubject: hello\r\n\r\n.dot\r\nbody\r\n"


@contextlib.contextmanager
def session(net, host, **options):
    client = net.smtp(host, **options)
    try:
        yield client
    finally:
        client.close()


def raw(net, host, *lines, wait=2, port=25):
    """Everything a host says to these lines, sent one after another; "" waits for what it says next."""
    with net.connect(host, port, timeout=wait) as sock:
        out = [sock.recv(65536)]
        for line in lines:
            if line:
                sock.sendall(line if isinstance(line, bytes) else line.encode() + b"\r\n")
            try:
                out.append(sock.recv(65536))
            except TimeoutError:
                out.append(None)
            except ConnectionResetError:
                out.append("reset")
    return out


def probe(net, host, to, sender="v@probe.buzon.example", **options):
    with session(net, host, **options) as client:
        client.ehlo()
        code, text = client.mail(sender)
        return (code, text) if code >= 400 else client.rcpt(to)


def deliver(net, host, to="ana@x.example", sender="v@probe.buzon.example", message=MESSAGE):
    with session(net, host) as client:
        client.ehlo()
        return client.sendmail(sender, [to] if isinstance(to, str) else to, message)


def context(net, **options):
    made = ssl.create_default_context(cafile=net.ca_file)
    made.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # old versions are what some hosts are about
        for name, value in options.items():
            setattr(made, name, value)
    return made


# --- a correct host

def test_mailboxes_and_relay(net):
    for to, wanted in (("ana@alpha.example", 250), ("ANA+tag@Alpha.Example", 250), ("nobody@alpha.example", 550),
                       ("ana@other.example", 554), ('"john smith"@alpha.example', 250), ("<>", 501)):
        assert probe(net, "mx.alpha.example", to)[0] == wanted, to


def test_a_message_in_the_journal(net):
    deliver(net, "mx.alpha.example", ["ana@alpha.example", "bob@alpha.example"])
    event = net.journal.wait_message(host="mx.alpha.example")[0]
    assert event.content == MESSAGE and event.octets == len(MESSAGE) and event.client == "192.0.2.1"
    assert event.recipients == ["ana@alpha.example", "bob@alpha.example"] and event.sender == "v@probe.buzon.example"
    assert event.helo == "probe.buzon.example" and event.tls is None and event.reply.startswith("250 2.0.0 queued")
    ended = net.journal.wait("session", host="mx.alpha.example", session=event.session)[0]
    assert ["C", "data"] in ended.dialogue and ended.end == "closed by the client"


def test_both_families_and_source_addresses(net):
    assert probe(net, "mx.alpha.example", "ana@alpha.example", address="2001:db8::10")[0] == 250
    assert net.journal.wait("connect", host="mx.alpha.example", client="2001:db8::1")
    assert probe(net, "mx.alpha.example", "ana@alpha.example", source="198.51.100.53")[0] == 250
    assert net.journal.wait("connect", host="mx.alpha.example", client="198.51.100.53")


def test_chunking_and_empty_messages(net):
    out = raw(net, "mx.alpha.example", "EHLO x", "MAIL FROM:<a@b.example>", "RCPT TO:<ana@alpha.example>",
              b"BDAT 5\r\nabc\r\n", b"BDAT 4 LAST\r\nd\r\n.", "MAIL FROM:<a@b.example>", "RCPT TO:<ana@alpha.example>",
              "DATA", ".", "QUIT")
    assert [o[:3] for o in out[3:]] == [b"250", b"250", b"250", b"250", b"250", b"354", b"250", b"221"]
    by_chunks, empty = net.journal.wait_message(2, host="mx.alpha.example", sender="a@b.example")[-2:]
    assert by_chunks.bdat and by_chunks.content == b"abc\r\nd\r\n." and empty.content == b""


def test_a_big_message(net):
    message = b"Subject: big\r\n\r\n" + (b"." + b"x" * 70 + b"\r\n") * 200000 + b"end.\r\n"
    deliver(net, "mx.alpha.example", "ana@alpha.example", message=message)
    assert net.journal.wait_message(host="mx.alpha.example", octets=len(message))[0].content == message


def test_pipelining_is_answered_in_order(net):
    with net.connect("mx.alpha.example", 25) as sock:
        sock.recv(4096)
        sock.sendall(b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<no@alpha.example>\r\nRCPT TO:<ana@alpha.example>\r\nDATA\r\n")
        text = b""
        while b"354" not in text:
            text += sock.recv(4096)
    assert [line[:4] for line in text.split(b"\r\n")[-5:-1]] == [b"250 ", b"550 ", b"250 ", b"354 "]


def test_auth(net):
    with session(net, "mx.alpha.example") as client:
        client.ehlo()
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.login("ana", "wrong")
        client.user, client.password = "ana", "secret"
        assert client.auth("LOGIN", client.auth_login)[0] == 235
        assert client.auth("PLAIN", client.auth_plain)[0] == 235


def test_submission_ports(net):
    with net.connect("smtps.example", 465) as sock:
        with context(net).wrap_socket(sock, server_hostname="smtps.example") as tls:
            assert tls.recv(100).startswith(b"220 ")
    with session(net, "smtps.example", port=587) as client:
        client.ehlo()
        assert client.mail("u@x.example")[0] == 530
        client.login("u", "p")
        assert client.mail("u@x.example")[0] == 250


def test_lmtp_answers_for_each_recipient(net):
    out = raw(net, "lmtp.example", "EHLO x", "LHLO x", "MAIL FROM:<a@b.example>", "RCPT TO:<ana@lmtp.example>",
              "RCPT TO:<bob@lmtp.example>", "DATA", b"x\r\n.\r\n", "", port=24)
    assert out[1].startswith(b"500") and b"250 2.0.0" in out[7] + (out[8] or b"") and b"452 4.2.2" in out[7] + out[8]
    assert net.journal.wait_message(host="lmtp.example")[0].recipients == ["ana@lmtp.example"]


# --- rules: who, when, how often

def test_greylisting_by_triplet(net):
    assert probe(net, "grey.example", "a@x.example")[0] == 450
    net.advance(290)
    assert probe(net, "grey.example", "a@x.example")[0] == 450
    assert b"Greylisted" in probe(net, "grey.example", "a@x.example", sender="other@probe.buzon.example")[1]
    net.advance(11)
    assert probe(net, "grey.example", "a@x.example")[0] == 250
    assert probe(net, "grey.example", "a@x.example", sender="other@probe.buzon.example")[0] == 450


def test_greylisting_by_client(net):
    assert probe(net, "grey-sender.example", "gone@x.example")[0] == 451
    net.advance(61)
    assert probe(net, "grey-sender.example", "gone@x.example")[0] == 550
    assert probe(net, "grey-sender.example", "here@x.example")[0] == 250


def test_first_connection_is_sent_away(net):
    assert raw(net, "first.example", "")[0].startswith(b"421 4.7.1")
    assert raw(net, "first.example")[0].startswith(b"220")


def test_parallel_sessions(net):
    with session(net, "parallel.example"):
        assert raw(net, "parallel.example")[0].startswith(b"421")
    net.journal.wait("session", 2, host="parallel.example")
    assert raw(net, "parallel.example")[0].startswith(b"220")


def test_ban_after_unknown_recipients(net):
    with session(net, "banning.example") as client:
        client.ehlo()
        client.mail("a@b.example")
        codes = [client.rcpt(f"u{i}@banning.example")[0] for i in range(4)]
    assert codes == [550, 550, 550, 421]
    assert raw(net, "banning.example")[0].startswith(b"554")
    assert raw(net, "banning.example")[0].startswith(b"554")
    net.advance(601)
    assert raw(net, "banning.example")[0].startswith(b"220")


def test_limits(net):
    with session(net, "one-each.example") as client:
        client.ehlo()
        client.mail("a@b.example")
        assert [client.rcpt("a@x.example")[0], client.rcpt("b@x.example")[0]] == [250, 452]
    assert [o[:3] for o in raw(net, "talk.example", "EHLO x", "A", "B", "C", "NOOP")[2:]] == [b"500"] * 3 + [b"421"]
    assert [o[:3] for o in raw(net, "tarpit.example", "NOOP", "NOOP", "NOOP", "NOOP", "NOOP")[1:]] == [b"250"] * 4 + [b"421"]
    for _ in range(2):
        assert probe(net, "quick.example", "a@x.example")[0] == 250
    assert probe(net, "quick.example", "a@x.example")[0] == 451
    net.advance(61)
    assert probe(net, "quick.example", "a@x.example")[0] == 250


def test_messages_per_session(net):
    with session(net, "talk.example") as client:
        for _ in range(2):
            client.sendmail("a@b.example", ["x@y.example"], MESSAGE)
        assert client.mail("a@b.example")[0] == 421


def test_sizes_and_offers(net):
    with session(net, "small.example") as client:
        client.ehlo()
        assert client.esmtp_features["size"] == "1024" and "chunking" not in client.esmtp_features
        assert client.esmtp_features["limits"] == "RCPTMAX=5" and "x-safe" not in client.esmtp_features
        assert client.mail("a@b.example", ["SIZE=2000"])[0] == 552
        client.starttls(context=context(net))
        client.ehlo()
        assert "x-safe" in client.esmtp_features and "starttls" not in client.esmtp_features
        with pytest.raises(smtplib.SMTPDataError, match="552"):
            client.esmtp_features.pop("size")
            client.sendmail("a@b.example", ["x@y.example"], b"x" * 2000)


def test_senders_are_checked_in_dns(net):
    checks = "sender-checks.example"
    assert probe(net, checks, "a@x.example", sender="a@nosuch.example")[0] == 550
    assert b"5.7.27" in probe(net, checks, "a@x.example", sender="a@nullmx.example")[1]
    assert probe(net, checks, "a@x.example", sender="a@alpha.example")[0] == 250
    assert probe(net, checks, "a@x.example", sender="")[0] == 250
    assert raw(net, checks, "HELO localhost")[1].startswith(b"550 5.7.1")
    assert b"5.7.25" in probe(net, checks, "a@x.example", sender="a@alpha.example", source="192.0.2.54")[1]


def test_guards_on_scopes_time_and_parameters(net):
    name = "scopes.example"
    assert probe(net, name, "who@scopes.example")[0] == 550
    assert probe(net, name, "ana@scopes.example", sender="no4@x.example")[0] == 550
    assert raw(net, name, "EHLO x", "MAIL FROM:<a@b.example> SIZE=501")[2].startswith(b"552")
    out = raw(net, name, "EHLO x", "MAIL FROM:<a@b.example>", "RSET", "MAIL FROM:<a@b.example>")
    assert out[4].startswith(b"451") and net.journal.wait("note", text="again from a@b.example")
    net.advance(1000000)
    assert raw(net, name, "EHLO x", "MAIL FROM:<a@b.example>")[2].startswith(b"421")


def test_chance_follows_the_seed(net, make_net):
    def throw(where):
        with session(where, "dice.example") as client:
            client.ehlo()
            client.mail("a@b.example")
            return [client.rcpt("a@x.example")[0] for _ in range(20)]
    first = throw(net)
    assert {250, 451} == set(first)
    again = make_net('seed 7\nhost dice.example 198.51.100.45\n  [coin] rcpt chance=50% : reply 451 4.3.0 "tails"\n')
    assert throw(again) == first
    assert "coin" in net.journal.wait("session", host="dice.example")[0].rules


def test_catch_all_and_foreign_domains(net):
    assert probe(net, "lists.example", "xyz@two.example")[0] == 250
    assert probe(net, "lists.example", "xyz@three.example")[0] == 554


# --- after the final dot

def test_lost_after_the_final_dot(net):
    for kept in (True, False):
        with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionResetError)):
            deliver(net, "lost.example")
        assert net.journal.wait("message", host="lost.example")[-1].kept is kept
    assert deliver(net, "lost.example", message=b"Subject: x\r\n\r\nblack hole\r\n") == {}
    assert net.journal.wait("message", 3, host="lost.example")[-1].kept is False
    deliver(net, "lost.example")
    assert len(net.journal.messages(host="lost.example")) == 2


def test_two_answers(net):
    with session(net, "twice.example") as client:
        client.ehlo()
        client.sendmail("a@b.example", ["x@y.example"], MESSAGE)
        assert client.getreply() == (250, b"2.0.0 second")
    assert len(net.journal.messages(host="twice.example")) == 1


def test_refused_for_content_and_at_data(net):
    with pytest.raises(smtplib.SMTPDataError, match="not this"):
        deliver(net, "late-no.example", message=b"Subject: this is spam\r\n\r\n")
    with pytest.raises(smtplib.SMTPDataError, match="no valid"):
        deliver(net, "late-no.example", sender="nodata@b.example")
    assert deliver(net, "late-no.example") == {}


def test_a_bounce_comes_back(net):
    deliver(net, "bounces.example", sender="verify@probe.buzon.example")
    bounce = net.journal.wait_message(host="probe-home.example")[0]
    assert bounce.sender == "" and b"Status: 5.1.1" in bounce.content and b"user left" in bounce.content
    assert bounce.client == "198.51.100.46"


# --- oddities on the wire

def test_split_and_odd_lines(net):
    out = raw(net, "odd.example", "EHLO x", "", "MAIL FROM:<a@b.example>", "", "RCPT TO:<joe@x.example>")
    assert out[1] == b"250-odd\r\n250-SIZ" and out[2] == b"E 1000\n250 8BITMIME\r\n"
    assert out[3].startswith(b"250-2.1.0 \xe9\r\n")
    assert out[5] == b"550-5.1.1 line one\r\n550-5.1.1 line two for joe at x.example\r\n550 5.1.1 id 4a250b\r\n"


def test_silence_flood_and_reset(net):
    assert raw(net, "odd.example", "NOOP", wait=.3)[1] is None
    assert raw(net, "odd.example", "VRFY x", "QUIT", wait=.3)[1:] == [None, None]
    assert raw(net, "odd.example", "RSET")[1] == "reset"
    with net.connect("odd.example", 25) as sock:
        sock.sendall(b"HELP\r\n")
        total = 0
        while total < 200 * 1024:
            total += len(sock.recv(65536))


def test_bare_lf_and_no_ehlo(net):
    assert raw(net, "lf.example")[0] == b"220 lf.example ESMTP\n"
    assert [o[:3] for o in raw(net, "old.example", "EHLO x", "HELO x")[1:]] == [b"502", b"250"]


def test_slow_hosts(net):
    started = time.monotonic()
    with session(net, "slow.example") as client:
        assert time.monotonic() - started > 0.35
        client.ehlo()
        started = time.monotonic()
        client.mail("a@b.example")
        assert time.monotonic() - started > 0.15


def test_early_talkers(net):
    with net.connect("eager.example", 25) as sock:
        sock.sendall(b"EHLO x\r\n")
        assert sock.recv(100).startswith(b"554 5.5.0")
    assert raw(net, "eager.example")[0].startswith(b"220")


# --- TLS

@pytest.mark.parametrize("host, why", [
    ("wrong-name", "Hostname mismatch"), ("expired", "certificate has expired"), ("self-signed", "self-signed certificate"),
    ("other-ca", "self-signed certificate|unable to get"), ("no-chain", "unable to get local issuer"),
    ("not-yet", "not yet valid"), ("old-tls", "protocol|version"), ("talert", "handshake failure"),
    ("tbroken", "wrong version number|record")])
def test_tls_that_fails(net, host, why):
    with session(net, f"{host}.example") as client:
        client.ehlo()
        with pytest.raises((ssl.SSLError, OSError), match=why):
            client.starttls(context=context(net, minimum_version=ssl.TLSVersion.TLSv1_2))
    assert host in ("talert", "tbroken") or net.journal.wait("tls-failed", host=f"{host}.example")


@pytest.mark.parametrize("host", ["wrong-name", "expired", "self-signed", "weak", "old-tls", "new-tls", "mx.alpha"])
def test_tls_that_is_good_enough_without_checks(net, host):
    relaxed = context(net, check_hostname=False, verify_mode=ssl.CERT_NONE, minimum_version=ssl.TLSVersion.TLSv1)
    with session(net, f"{host}.example") as client:
        client.ehlo()
        assert client.starttls(context=relaxed)[0] == 220
        client.ehlo()
        client.sendmail("a@b.example", ["ana@alpha.example"], MESSAGE)
    tls = net.journal.wait_message(host=f"{host}.example")[-1].tls
    assert tls["version"] == {"old-tls": "TLSv1.1"}.get(host, "TLSv1.3") and tls["sni"] == f"{host}.example"


def test_good_certificate_verifies(net):
    with session(net, "mx.alpha.example") as client:
        client.starttls(context=context(net))
        assert client.sock.version() == "TLSv1.3"
    done = net.run(["openssl", "s_client", "-starttls", "smtp", "-connect", "198.51.100.10:25", "-verify_return_error",
                    "-verify_hostname", "mx.alpha.example"], input="QUIT\n")
    assert "Verification: OK" in done.stdout  # by the system's own trust store, which holds the test CA


def test_starttls_missing_refused_stalled_required(net):
    with session(net, "no-tls.example") as client:
        client.ehlo()
        assert "starttls" not in client.esmtp_features and client.docmd("STARTTLS")[0] == 502
    assert raw(net, "t454.example", "EHLO x", "STARTTLS")[2].startswith(b"454")
    with session(net, "tstall.example", timeout=.5) as client:
        client.ehlo()
        with pytest.raises(socket.timeout):
            client.starttls(context=context(net))
    with session(net, "needs-tls.example") as client:
        client.ehlo()
        assert client.mail("a@b.example")[0] == 530
        client.starttls(context=context(net))
        client.ehlo()
        assert client.mail("a@b.example")[0] == 250


@pytest.mark.parametrize("host, answers", [("injected.example", True), ("mx.alpha.example", False)])
def test_commands_slipped_in_before_tls(net, host, answers):
    with net.connect(host, 25, timeout=1) as sock:
        sock.recv(1000)
        sock.sendall(b"EHLO x\r\n")
        sock.recv(1000)
        sock.sendall(b"STARTTLS\r\nNOOP\r\n")
        sock.recv(1000)
        with context(net).wrap_socket(sock, server_hostname=host) as tls:
            tls.settimeout(.5)
            try:
                said = tls.recv(1000)
            except TimeoutError:
                said = b""
    assert said.startswith(b"250") == answers


# --- UTF-8

def test_utf8_addresses(net):
    path = "δοκιμή@παράδειγμα.example".encode()
    out = raw(net, "idn.example", "EHLO x", "MAIL FROM:<a@b.example> SMTPUTF8", b"RCPT TO:<" + path + b">\r\n",
              "RCPT TO:<other@xn--hxajbheg2az3al.example>")
    assert b"SMTPUTF8" in out[1] and out[3].startswith(b"250") and out[4].startswith(b"550")
    assert raw(net, "no-utf8.example", "EHLO x", "MAIL FROM:<a@b.example> SMTPUTF8")[2].startswith(b"555")


def test_bad_base64_is_refused(net):
    blob = base64.b64encode(b"\0ana\0secret").decode()
    out = raw(net, "mx.alpha.example", "EHLO x", "AUTH PLAIN ***", f"AUTH PLAIN {blob}", "AUTH SCRAM-SHA-1 x")
    assert [o[:3] for o in out[2:]] == [b"501", b"235", b"504"]
