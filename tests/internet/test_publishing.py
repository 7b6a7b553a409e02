"""`buzon dns`: what it prints, put into a zone as it stands, is what `buzon dns --check` wants to find there."""
import json

import pytest

SCENARIO = """
zone ours.example signed
zone plain.example
peer buzon mx.ours.example 198.51.100.90
  domains ours.example plain.example
"""


@pytest.fixture(scope="module")
def peer(net):
    peer = net.peers["mx.ours.example"]
    for domain in ("ours.example", "plain.example"):
        peer.buzon("dkim", "create", domain)
        for record in records(peer, domain):
            if record["record"] != "MX":   # the MX records of a peer come by themselves
                publish(net, domain, record)
    return peer


def records(peer, domain, *options):
    done = peer.buzon("dns", domain, "--json", *options, check=False)
    return [r for r in map(json.loads, done.stdout.splitlines()) if r["kind"] == "record"]


def zone_of(domain, record):
    return domain if record["name"].endswith(domain) else "ours.example"


def publish(net, domain, record, value=None):
    zone = zone_of(domain, record)
    have = net.__dict__.setdefault("published", set())
    line = f'{record["name"]}. {record["type"]} {value or record["value"]}'
    if line not in have:
        net.record(zone, line)
        have.add(line)


def checked(peer, domain):
    return {(r["record"], r["name"]): r for r in records(peer, domain, "--check")}


def test_what_is_printed_is_right(peer):
    for (kind, name), r in checked(peer, "ours.example").items():
        assert r["check"] == "right", r
    assert peer.buzon("dns", "ours.example", "--check").returncode == 0


def test_all_kinds_are_there(peer):
    kinds = {r["record"] for r in records(peer, "ours.example")}
    assert kinds == {"MX", "SPF", "DKIM", "DMARC", "MTA-STS", "TLSRPT", "TLSA", "SRV", "CNAME"}
    services = {r["name"].split(".")[0] for r in records(peer, "ours.example") if r["record"] == "SRV"}
    assert services == {"_submissions", "_submission", "_imaps", "_imap", "_pop3s", "_pop3"}


def test_zone_form(peer):
    lines = peer.buzon("dns", "ours.example").stdout.splitlines()
    assert "ours.example. 3600 IN MX 10 mx.ours.example." in lines
    assert all(not line or line.startswith(";") or " 3600 IN " in line for line in lines)


def test_missing_and_different(net, peer):
    net.remove("plain.example", "_dmarc", "TXT")
    net.remove("plain.example", "@", "TXT")
    net.record("plain.example", '@ TXT "v=spf1 include:else.example -all"')
    key = next(r for r in records(peer, "plain.example") if r["record"] == "DKIM")
    net.remove("plain.example", key["name"].removesuffix(".plain.example"), "TXT")
    net.record("plain.example", f'{key["name"]}. TXT "v=DKIM1; k=rsa; p="')
    found = checked(peer, "plain.example")
    assert found["DMARC", "_dmarc.plain.example"]["check"] == "missing"
    spf = found["SPF", "plain.example"]
    assert spf["check"] == "different" and "include:else.example" in spf["there"]
    assert found["DKIM", key["name"]]["check"] == "different"
    done = peer.buzon("dns", "plain.example", "--check", check=False)
    assert done.returncode == 1
    assert "should be: \"v=spf1 mx -all\"" in done.stdout and "there is:" in done.stdout


def test_no_answer(net, peer):
    net.fault("ours.example", "_dmarc servfail")
    try:
        r = checked(peer, "ours.example")["DMARC", "_dmarc.ours.example"]
        assert r["check"] == "unknown" and r["there"]
        assert peer.buzon("dns", "ours.example", "--check", check=False).returncode == 75
    finally:
        net.fault("ours.example")


def test_spanish(peer):
    done = peer.buzon("dns", "ours.example", env={"LANGUAGE": "es", "LANG": "es_ES.UTF-8"})
    assert "adónde va el correo del dominio" in done.stdout
