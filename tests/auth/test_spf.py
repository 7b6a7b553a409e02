"""Every case of the SPF test suite that belongs to RFC 7208, with its DNS in memory."""
import pytest

from driver import corpus

FILE = corpus("spf", "rfc7208-tests.yml")
RESULTS = {"none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"}


def joined(value):
    return "".join(value) if isinstance(value, list) else value


def latin(text):
    """The file writes bytes above 0x7f as characters of the same number."""
    return joined(text).encode("latin-1") if all(ord(c) < 256 for c in joined(text)) else joined(text)


def zone_of(data):
    """The rules of the suite: SPF stands for TXT where the name has no TXT of its own."""
    zone = {}
    for name, entries in data.items():
        records, spf, has_txt = [], [], False
        for entry in entries:
            if isinstance(entry, str):
                records.append(("TEMPORARY", "-"))
                continue
            for kind, value in entry.items():
                if kind == "SPF":
                    spf.append(("TXT", latin(value)))
                elif kind == "TXT":
                    has_txt = True
                    if value != "NONE":
                        records.append(("TXT", latin(value)))
                elif kind == "MX":
                    records.append(("MX", f"{value[0]} {value[1]}"))
                else:
                    records.append((kind, value))
        # TIMEOUT comes behind what answers: it counts for the other types.
        records = [r for r in records if r[0] != "TEMPORARY"] + [r for r in records if r[0] == "TEMPORARY"]
        zone[name] = (records if has_txt else spf + records) + [("NAME", "-")]
    return zone


def cases():
    if not FILE:
        return [pytest.param(None, None, id="rfc7208-tests", marks=pytest.mark.skip(reason="no shared test data"))]
    yaml = pytest.importorskip("yaml")
    found = []
    with open(FILE, encoding="utf-8") as f:
        for scenario in yaml.safe_load_all(f):
            zone = zone_of(scenario["zonedata"])
            for name, case in scenario["tests"].items():
                title = f"{scenario['description']}/{name}".replace(" ", "-")
                found.append(pytest.param(case, zone, id=title))
    return found


@pytest.mark.parametrize("case,zone", cases())
def test_suite(driver, case, zone):
    out = driver.run("spf", {"ip": case["host"], "helo": case["helo"], "from": case["mailfrom"],
                             "receiver": "receiver.example"}, zone)
    wanted = case["result"] if isinstance(case["result"], list) else [case["result"]]
    assert set(wanted) <= RESULTS
    assert out["result"][0] in wanted, out["raw"].decode(errors="replace")
    if "explanation" in case:
        explained = out["explanation"][0]
        assert explained == ("" if case["explanation"] == "DEFAULT" else case["explanation"]), out["raw"].decode()


def test_count():
    if not FILE:
        pytest.skip("no shared test data")
    assert len(cases()) == 203
