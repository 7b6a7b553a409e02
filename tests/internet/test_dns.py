"""The simulated DNS as dig, delv and libunbound see it."""
import re

import pytest

SCENARIO = """
zone good.example signed
  @ MX 10 mx1
  @ MX 20 mx2.other.example.
  @ TXT "v=spf1 mx -all"
  @ TXT "two" "strings"
  @ CAA 0 issue "ca.example"
  _imaps._tcp SRV 0 1 993 mx1
  mx1 A 198.51.100.10
  mx1 AAAA 2001:db8::10
  www CNAME mx1
  far CNAME away.other.example.
  *.wild A 198.51.100.20
  deep.under.here A 198.51.100.21
  _25._tcp.mx1 TLSA 3 1 1 of mx1.good.example
  _25._tcp.bad TLSA 3 1 1 wrong
  _25._tcp.ca TLSA 2 0 1 of ca
  huge TXT huge 5000
  tree DNAME elsewhere
  a.elsewhere A 198.51.100.22
zone hashed.example signed nsec3
  @ MX 10 mx1.good.example.
  *.wild A 198.51.100.23
  a.b.c A 198.51.100.24
zone plain.example
  @ A 198.51.100.30
  loop CNAME loop2
  loop2 CNAME loop
  null MX 0 .
  fault nx nxdomain
  fault sf servfail
  fault rf refused
  fault gone timeout
  fault late slow 300ms
  fault tc truncate
  fault id wrongid
  fault twice servfail times 2
  fault fe formerr
  fault mixed AAAA servfail
  fault other wrongquestion
  fault junk garbage
  fault nothing empty
  fault bare noedns
  fault never notcp
  late A 198.51.100.31
  tc A 198.51.100.32
  id A 198.51.100.33
  twice A 198.51.100.34
  mixed A 198.51.100.35
  bare A 198.51.100.36
  never A 198.51.100.37
zone expired.example expired
  @ A 198.51.100.40
zone bogus.example bogus
  @ A 198.51.100.41
zone nosig.example nosig
  @ A 198.51.100.42
zone badds.example badds
  @ A 198.51.100.43
zone island.example nods
  @ A 198.51.100.44
zone future.example future
  @ A 198.51.100.45
zone partly.example signed
  fine A 198.51.100.46
  broken A 198.51.100.47
  fault broken bogus
zone own.example signed
  ns ns1 198.51.100.61
  ns ns2 198.51.100.62 lame
  @ A 198.51.100.60
zone other.example
  away A 198.51.100.50
host mx1.good.example 198.51.100.10
host ptr.example 44.128.0.1 2001:db8::9
"""
AUTHORITY, RESOLVER = "192.0.2.53", "192.0.2.54"


def dig(net, *words, server=AUTHORITY):
    return net.run(["dig", f"@{server}", "+tries=1", "+time=1", *words]).stdout


def short(net, *words, **options):
    return dig(net, "+short", *words, **options).split("\n")[:-1]


def status(text):
    found = re.search(r"status: (\w+)", text)
    return found[1] if found else None


@pytest.mark.parametrize("name, rtype, wanted", [
    ("good.example", "MX", ["10 mx1.good.example.", "20 mx2.other.example."]),
    ("good.example", "TXT", ['"two" "strings"', '"v=spf1 mx -all"']),
    ("good.example", "CAA", ['0 issue "ca.example"']),
    ("_imaps._tcp.good.example", "SRV", ["0 1 993 mx1.good.example."]),
    ("mx1.good.example", "AAAA", ["2001:db8::10"]),
    ("www.good.example", "A", ["198.51.100.10", "mx1.good.example."]),
    ("far.good.example", "A", ["198.51.100.50", "away.other.example."]),
    ("x.wild.good.example", "A", ["198.51.100.20"]),
    ("a.tree.good.example", "A", ["198.51.100.22", "a.elsewhere.good.example.", "elsewhere.good.example."]),
    ("null.plain.example", "MX", ["0 ."]),
    ("1.0.128.44.in-addr.arpa", "PTR", ["ptr.example."]),
    ("_25._tcp.bad.good.example", "TLSA", ["3 1 1 " + "11" * 28 + " " + "11" * 4]),
    ("good.example", "SOA", ["ns.sim. hostmaster.sim. 1 3600 600 604800 60"]),
    ("good.example", "NS", ["ns.sim."]),
])
def test_records(net, name, rtype, wanted):
    assert sorted(short(net, name, rtype)) == sorted(wanted)


def test_address_of_a_host_without_a_zone(net):
    assert short(net, "ptr.example", "AAAA") == ["2001:db8::9"]


@pytest.mark.parametrize("name, wanted", [
    ("nosuch.good.example", "NXDOMAIN"), ("nx.plain.example", "NXDOMAIN"), ("sf.plain.example", "SERVFAIL"),
    ("rf.plain.example", "REFUSED"), ("fe.plain.example", "FORMERR"), ("nothing.plain.example", "NOERROR"),
    ("under.here.good.example", "NOERROR"), ("no.such.tld", "NXDOMAIN")])
def test_statuses(net, name, wanted):
    out = dig(net, name, "A")
    assert status(out) == wanted and "ANSWER: 0" in out


def test_a_server_that_is_silent_or_slow(net):
    assert "timed out" in dig(net, "gone.plain.example")
    out = dig(net, "late.plain.example")
    assert int(re.search(r"Query time: (\d+)", out)[1]) >= 290 and "198.51.100.31" in out


def test_wrong_answers_are_not_believed(net):
    assert "expected ID" in dig(net, "id.plain.example")
    assert "Question section mismatch" in dig(net, "other.plain.example")
    junk = dig(net, "junk.plain.example")
    assert "status: NOERROR" not in junk


def test_truncation_leads_to_tcp(net):
    assert short(net, "tc.plain.example") == ["198.51.100.32"]
    assert "198.51.100.32" not in dig(net, "+ignore", "tc.plain.example")
    assert len("".join(short(net, "huge.good.example", "TXT"))) > 5000
    found = net.journal.find("dns", name="huge.good.example.")
    assert [e.transport for e in found][:2] == ["udp", "tcp"]
    assert "198.51.100.37" not in dig(net, "never.plain.example")


def test_faults_that_pass_and_faults_of_one_type(net):
    answers = [status(dig(net, "twice.plain.example")) for _ in range(3)]
    assert answers == ["SERVFAIL", "SERVFAIL", "NOERROR"]
    assert status(dig(net, "mixed.plain.example", "AAAA")) == "SERVFAIL"
    assert short(net, "mixed.plain.example") == ["198.51.100.35"]
    assert status(dig(net, "+noedns", "bare.plain.example")) == "NOERROR"
    assert "BADVERS" not in dig(net, "bare.plain.example")


def test_alias_loop(net):
    assert len(short(net, "loop.plain.example")) > 2
    assert status(dig(net, "loop.plain.example", server=RESOLVER)) == "SERVFAIL"


def test_case_of_the_question_is_kept(net):
    assert "GoOd.ExAmPlE." in dig(net, "GoOd.ExAmPlE", "MX")


def test_servers_of_a_zone_itself(net):
    assert short(net, "own.example", server="198.51.100.61") == ["198.51.100.60"]
    assert short(net, "own.example", server="198.51.100.62") == []
    assert status(dig(net, "good.example", server="198.51.100.61")) == "REFUSED"
    out = dig(net, "+norec", "own.example")
    assert "ANSWER: 0" in out and "ns1.own.example" in out


def test_resolver_sets_ad_and_refuses_bogus(net):
    assert re.search(r"flags:[^;]* ad", dig(net, "+ad", "good.example", "MX", server=RESOLVER))
    assert not re.search(r"flags:[^;]* ad", dig(net, "+ad", "plain.example", server=RESOLVER))
    assert not re.search(r"flags:[^;]* ad", dig(net, "+ad", "far.good.example", server=RESOLVER))
    assert not re.search(r"flags:[^;]* ad", dig(net, "+ad", "island.example", server=RESOLVER))
    assert status(dig(net, "bogus.example", server=RESOLVER)) == "SERVFAIL"
    assert status(dig(net, "+cd", "bogus.example", server=RESOLVER)) == "NOERROR"


def delv(net, *words):
    done = net.run(["delv", "-a", f"{net.dir}/bind.keys", "+root=.", f"@{AUTHORITY}", *words])
    return done.stdout + done.stderr


@pytest.mark.parametrize("name, rtype", [
    ("good.example", "MX"), ("www.good.example", "A"), ("x.wild.good.example", "A"), ("mx1.good.example", "AAAA"),
    ("_25._tcp.mx1.good.example", "TLSA"), ("hashed.example", "MX"), ("y.wild.hashed.example", "A"),
    ("fine.partly.example", "A"), ("1.0.128.44.in-addr.arpa", "PTR"), ("huge.good.example", "TXT"),
    ("a.tree.good.example", "A")])
def test_delv_validates(net, name, rtype):
    assert "; fully validated" in delv(net, name, rtype)


@pytest.mark.parametrize("name, rtype", [
    ("nosuch.good.example", "A"), ("good.example", "AAAA"), ("under.here.good.example", "A"),
    ("x.wild.good.example", "MX"), ("nosuch.hashed.example", "A"), ("hashed.example", "AAAA"),
    ("b.c.hashed.example", "A"), ("x.wild.hashed.example", "MX"), ("x.a.b.c.hashed.example", "A"), ("nosuchtld", "A")])
def test_delv_validates_denials(net, name, rtype):
    assert "negative response, fully validated" in delv(net, name, rtype)


@pytest.mark.parametrize("name", ["expired.example", "bogus.example", "nosig.example", "badds.example", "future.example",
                                  "broken.partly.example"])
def test_delv_refuses(net, name):
    out = delv(net, name, "A")
    assert "resolution failed" in out and "validated" not in out


@pytest.mark.parametrize("name", ["plain.example", "island.example"])
def test_delv_finds_it_unsigned(net, name):
    assert "; unsigned answer" in delv(net, name, "A")


@pytest.fixture(scope="module", params=["forwarder", "recursion"])
def unbound(request, net):
    """unbound-host with our anchor: asking the server as a forwarder, or walking from the root by itself."""
    way = {"forwarder": f'forward-zone:\n name: "."\n forward-addr: {AUTHORITY}\n',
           "recursion": f'stub-zone:\n name: "."\n stub-prime: no\n stub-addr: {AUTHORITY}\n'}[request.param]
    conf = f"{net.dir}/unbound-{request.param}.conf"
    with open(conf, "w") as f:
        f.write('server:\n do-not-query-localhost: no\n local-zone: "128.44.in-addr.arpa." nodefault\n' + way)
    return lambda *words: net.run(["unbound-host", "-C", conf, "-f", net.root_key, "-v", *words]).stdout


def test_unbound_agrees(unbound):
    for name, rtype in (("good.example", "MX"), ("x.wild.good.example", "A"), ("y.wild.hashed.example", "A"),
                        ("own.example", "A"), ("_25._tcp.mx1.good.example", "TLSA"), ("a.tree.good.example", "A")):
        assert "(secure)" in unbound("-t", rtype, name), name
    for name, rtype in (("nosuch.good.example", "A"), ("nosuch.hashed.example", "A"), ("hashed.example", "AAAA")):
        assert "(secure)" in unbound("-t", rtype, name), name
    for name in ("expired.example", "bogus.example", "nosig.example", "badds.example", "broken.partly.example"):
        out = unbound("-t", "A", name)
        assert "BOGUS" in out or "SERVFAIL" in out, out
    for name in ("plain.example", "island.example", "far.good.example"):
        assert "(insecure)" in unbound("-t", "A", name), name


def test_zones_change_while_it_runs(net):
    net.record("plain.example", "fresh A 198.51.100.99")
    assert short(net, "fresh.plain.example") == ["198.51.100.99"]
    net.fault("plain.example", "fresh A servfail times 1")
    assert status(dig(net, "fresh.plain.example")) == "SERVFAIL"
    net.remove("plain.example", "fresh")
    assert short(net, "fresh.plain.example") == []
    with pytest.raises(RuntimeError, match="nosuch.example"):
        net.record("nosuch.example", "x A 192.0.2.1")
