"""SPF, DKIM and DMARC together, and our fields as python3-authres reads them."""
import pytest

from test_dkim import FOOTBALL, NOW, RFC8463_ED25519, crlf, sign

SEED = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="  # RFC 8463 appendix A.1
MESSAGE = FOOTBALL.replace("joe@football.example.com", "joe@example.org", 1)
ZONE = {
    "example.org": [("TXT", "v=spf1 ip4:192.0.2.0/24 -all")],
    "bounces.example.org": [("TXT", "v=spf1 ip4:192.0.2.0/24 -all")],
    "example.net": [("TXT", "v=spf1 ip4:198.51.100.0/24 -all")],
    "e._domainkey.example.org": [("TXT", RFC8463_ED25519)],
    "e._domainkey.example.net": [("TXT", RFC8463_ED25519)],
    "_dmarc.example.org": [("TXT", "v=DMARC1; p=reject; sp=quarantine")],
}


def judge(driver, message, ip="192.0.2.1", sender="joe@example.org", zone=None):
    authres = pytest.importorskip("authres")
    out = driver.run("judge", {"ip": ip, "helo": "mail.example.org", "from": sender, "now": str(NOW),
                               "server": "mx.example.com"}, zone or ZONE, crlf(message))
    text = out["raw"].decode()
    field = text.split("Received-SPF:")[0].strip()
    parsed = authres.AuthenticationResultsHeader.parse(field)
    assert parsed.authserv_id == "mx.example.com"
    found = {}
    for result in parsed.results:
        properties = {f"{p.type}.{p.name}": p.value for p in result.properties}
        found.setdefault(result.method, []).append((result.result, properties))
    return found, text


def signed(driver, domain):
    return sign(driver, MESSAGE, domain, ed25519=SEED, ed25519_selector="e").decode()


def test_all_good(driver):
    found, text = judge(driver, signed(driver, "example.org"))
    assert found["spf"] == [("pass", {"smtp.mailfrom": "joe@example.org"})]
    assert found["dkim"][0][0] == "pass" and found["dkim"][0][1]["header.d"] == "example.org"
    assert found["dmarc"][0][0] == "pass" and found["dmarc"][0][1]["header.from"] == "example.org"
    assert "Received-SPF: pass" in text


def test_forwarded(driver):
    """Another host and another sender: the signature carries it."""
    found, _ = judge(driver, signed(driver, "example.org"), ip="198.51.100.1", sender="srs@example.net")
    assert (found["spf"][0][0], found["dkim"][0][0], found["dmarc"][0][0]) == ("pass", "pass", "pass")


def test_mailing_list(driver):
    """The list changed the subject and signed for itself."""
    message = signed(driver, "example.org").replace("Is dinner", "[list] Is dinner")
    found, text = judge(driver, message, ip="198.51.100.1", sender="list@example.net")
    assert (found["dkim"][0][0], found["dmarc"][0][0]) == ("fail", "fail")
    assert "disposition reject" in text


def test_service_with_its_own_domain(driver):
    found, _ = judge(driver, signed(driver, "example.net"), sender="x@bounces.example.org")
    assert found["dkim"][0][0] == "pass" and found["dmarc"][0][0] == "pass"  # by SPF, relaxed
    found, text = judge(driver, signed(driver, "example.net"), ip="198.51.100.1", sender="x@example.net")
    assert found["dmarc"][0][0] == "fail" and "disposition reject" in text


def test_null_sender(driver):
    found, _ = judge(driver, MESSAGE, sender="")
    assert found["spf"][0][1] == {"smtp.helo": "mail.example.org"} and found["dkim"] == [("none", {})]


def test_dns_fails(driver):
    zone = {**ZONE, "e._domainkey.example.org": [("TEMPORARY", "-")], "example.org": [("TEMPORARY", "-")]}
    found, _ = judge(driver, signed(driver, "example.org"), zone=zone)
    assert found["spf"][0][0] == "temperror" and found["dkim"][0][0] == "temperror"


@pytest.mark.parametrize("sender", ["a b@example.org", '"quo"@example.org', "x@[192.0.2.1]",
                                    "semi;colon@example.org", "(c)@example.org", "a@b@example.org"])
def test_odd_senders_stay_one_value(driver, sender):
    """Nothing that a stranger says can add a result of its own."""
    found, text = judge(driver, MESSAGE, sender=sender)
    assert list(found) == ["spf", "dkim", "dmarc"] and len(found["spf"]) == 1, text
