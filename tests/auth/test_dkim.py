"""DKIM against the vectors of the RFCs and of dkimpy, and with dkimpy and OpenDKIM as the other side."""
import base64
import os
import pwd
import re
import shutil
import socket
import struct
import subprocess
import time

import pytest

from driver import corpus

NOW = 1700000000
RFC6376_KEY = ("v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYt"
               "IxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhi"
               "tdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB")
RFC8463_ED25519 = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
RFC8463_RSA = ("v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bd"
               "OKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLz"
               "BfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB")
FOOTBALL = """From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
"""
needs_corpus = pytest.mark.skipif(not corpus("dkim"), reason="no shared test data")


def crlf(data):
    data = data.encode() if isinstance(data, str) else data
    return re.sub(rb"\r?\n", b"\r\n", data)


def data(name):
    with open(corpus("dkim", name), "rb") as f:
        return f.read()


def verify(driver, message, keys, **options):
    out = driver.run("dkim-verify", {"now": str(options.pop("now", NOW)), **options},
                     {name: [("TXT", text)] for name, text in keys.items()}, crlf(message))
    return list(zip(out.get("result", []), out.get("reason", []))), out


def words(results):
    return [r.split()[0] for r, _ in results]


def test_rfc8463_appendix_a(driver):
    signed = """DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :
 date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
""" + FOOTBALL
    results, out = verify(driver, signed, {"brisbane._domainkey.football.example.com": RFC8463_ED25519,
                                           "test._domainkey.football.example.com": RFC8463_RSA})
    assert words(results) == ["pass", "pass"], out["raw"]


def test_rfc6376_appendix_a(driver):
    """The page shows two blanks behind "game."; one was signed, and "simple" tells the difference."""
    signed = """DKIM-Signature: v=1; a=rsa-sha256; s=brisbane; d=example.com;
      c=simple/simple; q=dns/txt; i=joe@football.example.com;
      h=Received : From : To : Subject : Date : Message-ID;
      bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
      b=AuUoFEfDxTDkHlLXSZEpZj79LICEps6eda7W3deTVFOk4yAUoqOB
      4nujc7YopdG5dWLSdNg6xNAZpOPr+kHxt1IrE+NahM6L/LbvaHut
      KVdkLLkpVaVVQPzeRDI009SO2Il5Lu7rDNH6mZckBdrIx0orEtZV
      4bmp/YzhwvcubU4=;
Received: from client1.football.example.com  [192.0.2.1]
      by submitserver.example.com with SUBMISSION;
      Fri, 11 Jul 2003 21:01:54 -0700 (PDT)
""" + FOOTBALL
    keys = {"brisbane._domainkey.example.com": RFC6376_KEY}
    results, out = verify(driver, signed.replace("game.  Are", "game. Are"), keys)
    assert words(results) == ["pass"], out["raw"]
    results, out = verify(driver, signed, keys)
    assert words(results) == ["fail"] and "body" in results[0][1], out["raw"]


@needs_corpus
def test_dkimpy_simple_both_algorithms(driver):
    keys = {"brisbane._domainkey.football.example.com": RFC8463_ED25519,
            "test._domainkey.football.example.com": RFC8463_RSA}
    results, out = verify(driver, data("rfc6376.signed.msg"), keys)
    assert words(results) == ["pass", "pass"], out["raw"]


@needs_corpus
def test_exim_ed25519(driver):
    """Made by Exim; From is signed once."""
    results, out = verify(driver, data("ed25519test2.msg"),
                          {"sed._domainkey.test.ex": data("eximtest.dns").decode().strip()})
    assert words(results) == ["pass"], out["raw"]


@needs_corpus
def test_degenerate_folding(driver):
    """A fold inside the last token of b= and a blank in the middle of base64 (Debian bug 711751)."""
    results, out = verify(driver, data("test2.message"), {"20120113._domainkey.gmail.com": RFC8463_RSA})
    assert words(results) == ["fail"] and "header" in results[0][1], out["raw"]


@needs_corpus
@pytest.mark.parametrize("record,word,reason", [
    ("test.txt", "pass", "correct"),
    ("test2.txt", "pass", "correct"),
    ("badversion.txt", "permerror", "record is not correct"),
    ("badk.txt", "permerror", "another algorithm"),
    ("test_bad.txt", "permerror", "cannot be used"),
    ("test_tlsrpt.txt", "permerror", "not for mail"),
])
def test_dkimpy_key_records(driver, record, word, reason):
    signed = sign(driver, data("test.message"), rsa=data("test.private").decode())
    results, out = verify(driver, signed, {"test._domainkey.example.com": data(record).decode().strip()})
    assert words(results) == [word] and reason in results[0][1], out["raw"]


@needs_corpus
def test_no_from(driver):
    out = driver.run("dkim-sign", {"domain": "example.com", "rsa": "x", "rsa_selector": "test"}, {},
                     crlf(data("test_nofrom.message")))
    assert "no From field" in out["error"][0]


# --- the other side ---

def openssl(*args, stdin=None):
    return subprocess.run(["openssl", *args], input=stdin, check=True, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL).stdout


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """An RSA-2048 and an Ed25519 key with their records."""
    directory = tmp_path_factory.mktemp("dkim")
    rsa = openssl("genrsa", "-traditional", "2048").decode()
    public = openssl("rsa", "-pubout", "-outform", "DER", stdin=rsa.encode())
    ed = openssl("genpkey", "-algorithm", "ed25519", "-outform", "DER")
    ed_public = openssl("pkey", "-inform", "DER", "-pubout", "-outform", "DER", stdin=ed)
    (directory / "rsa.pem").write_text(rsa)
    os.chmod(directory / "rsa.pem", 0o600)
    seed = base64.b64encode(ed[-32:]).decode()
    (directory / "ed.key").write_text(seed)
    return {
        "directory": directory, "rsa": rsa, "ed25519": seed,
        "records": {
            "r._domainkey.example.org": "v=DKIM1; k=rsa; p=" + base64.b64encode(public).decode(),
            "e._domainkey.example.org": "v=DKIM1; k=ed25519; p=" + base64.b64encode(ed_public[-32:]).decode(),
        },
    }


def sign(driver, message, domain="example.com", **options):
    names = {"rsa_selector": "test", "ed25519_selector": "test", "now": str(NOW - 10)}
    return driver.run("dkim-sign", {"domain": domain, **names, **options}, {}, crlf(message))["raw"]


MESSAGES = {
    "plain": FOOTBALL,
    "no body": FOOTBALL.split("\n\n")[0] + "\n\n",
    "no line end": FOOTBALL.rstrip("\n"),
    "empty lines": FOOTBALL + "\n\n \n\t\n",
    "blanks": FOOTBALL.replace("  ", " \t ").replace("Hi.", "Hi. \t"),
    "folded": FOOTBALL.replace("Is dinner", "Is\n\t dinner").replace("Suzie Q", "Suzie\n Q"),
    "two subjects": FOOTBALL.replace("To:", "Subject: other\nTo:"),
    "utf-8": FOOTBALL.replace("dinner", "cena señor").replace("Hi.", "¡Hola!"),
    "long": FOOTBALL + "line of text with some words\n" * 20000,
    "many recipients": FOOTBALL.replace("To: ", "To: " + ",\n ".join(f"user{i}@example.net" for i in range(400)) + ",\n "),
}


@pytest.mark.parametrize("title", MESSAGES)
def test_own_signatures_verify_here(driver, keys, title):
    signed = sign(driver, MESSAGES[title], "example.org", rsa=keys["rsa"], rsa_selector="r",
                  ed25519=keys["ed25519"], ed25519_selector="e", lifetime="86400")
    assert all(len(line) <= 79 for line in signed.split(b"\r\n\r\n")[0].split(b"From:")[0].split(b"\r\n"))
    results, out = verify(driver, signed, keys["records"])
    assert words(results) == ["pass", "pass"], out["raw"]
    results, _ = verify(driver, signed, keys["records"], now=NOW + 90000)
    assert words(results) == ["fail", "fail"] and "expired" in results[0][1]


@pytest.mark.parametrize("change,reason", [
    (lambda m: m.replace(b"Joe.", b"Jim."), "body"),
    (lambda m: m.replace(b"Is dinner", b"Was dinner"), "header"),
    (lambda m: b"Subject: more\r\n" + m, "header"),
    (lambda m: b"From: other@example.net\r\n" + m, "header"),
    (lambda m: m.replace(b"\r\n\r\n", b"\r\nReply-To: other@example.net\r\n\r\n", 1), "header"),
    (lambda m: m + b"more\r\n", "body"),
], ids=["body", "subject", "subject-added", "from-added", "reply-to-added", "body-longer"])
def test_changes_are_seen(driver, keys, change, reason):
    signed = sign(driver, FOOTBALL, "example.org", rsa=keys["rsa"], rsa_selector="r")
    results, out = verify(driver, change(signed), keys["records"])
    assert words(results) == ["fail"] and reason in results[0][1], out["raw"]


@pytest.mark.parametrize("change", [
    lambda m: m.replace(b"Subject: Is dinner", b"SUBJECT:   Is \r\n\tdinner"),
    lambda m: b"Received: from x by y; now\r\n" + m,
    lambda m: m + b"\r\n\r\n",
    lambda m: m.replace(b"game.  Are", b"game. \t Are"),
], ids=["refolded", "received", "lines-at-end", "blanks"])
def test_harmless_changes(driver, keys, change):
    signed = sign(driver, FOOTBALL, "example.org", rsa=keys["rsa"], rsa_selector="r",
                  ed25519=keys["ed25519"], ed25519_selector="e")
    results, out = verify(driver, change(signed), keys["records"])
    assert words(results) == ["pass", "pass"], out["raw"]


@pytest.mark.parametrize("title", MESSAGES)
def test_dkimpy_verifies_ours(driver, keys, title):
    dkim = pytest.importorskip("dkim")
    signed = sign(driver, MESSAGES[title], "example.org", rsa=keys["rsa"], rsa_selector="r",
                  ed25519=keys["ed25519"], ed25519_selector="e")

    def look_up(name, timeout=5):
        return keys["records"].get(name.decode().rstrip("."), "").encode()
    verifier = dkim.DKIM(signed)
    for i in range(2):
        try:
            assert verifier.verify(idx=i, dnsfunc=look_up), (i, signed[:2000])
        except dkim.DKIMException as e:
            if i == 0 and "nacl" in str(e).lower():
                continue
            raise


@pytest.mark.parametrize("header", [b"simple", b"relaxed"])
@pytest.mark.parametrize("body", [b"simple", b"relaxed"])
@pytest.mark.parametrize("title", MESSAGES)
def test_we_verify_dkimpy(driver, keys, title, header, body):
    dkim = pytest.importorskip("dkim")
    message = crlf(MESSAGES[title])
    field = dkim.sign(message, b"r", b"example.org", keys["rsa"].encode(), canonicalize=(header, body),
                      include_headers=[b"from", b"to", b"subject", b"date", b"from"])
    results, out = verify(driver, field + message, keys["records"])
    assert words(results) == ["pass"], out["raw"]


def test_body_length(driver, keys):
    dkim = pytest.importorskip("dkim")
    message = crlf(FOOTBALL)
    signed = dkim.sign(message, b"r", b"example.org", keys["rsa"].encode(), length=True) + message
    results, out = verify(driver, signed, keys["records"])
    assert words(results) == ["pass"], out["raw"]
    results, _ = verify(driver, signed + b"Buy now!\r\n", keys["records"])
    assert words(results) == ["policy"] and "only the beginning" in results[0][1]
    results, _ = verify(driver, signed + b"Buy now!\r\n", keys["records"], partial="1")
    assert words(results) == ["pass"]
    results, _ = verify(driver, signed.replace(b"Joe.\r\n", b""), keys["records"])
    assert words(results) == ["fail"] and "shorter" in results[0][1]


def find_opendkim():
    path = shutil.which("opendkim") or "/usr/sbin/opendkim"
    if not os.path.exists(path):
        pytest.skip("opendkim is not installed")
    return path


def milter(path, message):
    """Plays the mail server for a milter: returns the fields that it wants in front of the message."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(20)
        s.connect(path)

        def send(kind, data=b""):
            s.sendall(struct.pack(">I", len(data) + 1) + kind + data)

        def read():
            head = s.recv(4, socket.MSG_WAITALL)
            data = s.recv(struct.unpack(">I", head)[0], socket.MSG_WAITALL)
            return data[:1], data[1:]

        def step(kind, data=b""):
            send(kind, data)
            assert read()[0] == b"c"
        # Version 6, all actions, keep blanks before values (so that "simple" sees the field as it is).
        send(b"O", struct.pack(">III", 6, 0x1ff, 0x100000))
        assert read()[0] == b"O"
        step(b"C", b"localhost\0" + b"4" + struct.pack(">H", 25) + b"127.0.0.1\0")
        step(b"H", b"localhost\0")
        step(b"M", b"<joe@example.org>\0")
        step(b"R", b"<suzie@example.net>\0")
        header, _, body = message.partition(b"\r\n\r\n")
        for field in re.split(rb"\r\n(?![ \t])", header):
            name, _, value = field.partition(b":")
            step(b"L", name + b"\0" + value.replace(b"\r\n", b"\n") + b"\0")
        step(b"N")
        if body:
            step(b"B", body)
        send(b"E")
        fields = b""
        while True:
            kind, data = read()
            if kind in (b"i", b"h"):
                name, value = data[4 if kind == b"i" else 0:].split(b"\0")[:2]
                fields += name + b":" + value.replace(b"\n", b"\r\n") + b"\r\n"
            elif kind in (b"a", b"c"):
                return fields
            else:
                assert kind in (b"p",), (kind, data)


@pytest.fixture(scope="module")
def opendkim_signer(keys, tmp_path_factory):
    """Starts OpenDKIM for a canonical form, once each; gives its socket."""
    running = {}

    def start(form):
        if form not in running:
            d = tmp_path_factory.mktemp("opendkim")
            (d / "conf").write_text(
                f"Mode s\nDomain example.org\nSelector r\nKeyFile {keys['directory']}/rsa.pem\nSocket local:{d}/socket\n"
                f"Canonicalization {form}\nInternalHosts 127.0.0.1\nRequireSafeKeys no\nBackground no\n"
                f"OversignHeaders From\nUserID {pwd.getpwuid(os.getuid()).pw_name}\n")
            process = subprocess.Popen([find_opendkim(), "-f", "-x", str(d / "conf")])
            running[form] = (process, str(d / "socket"))
            deadline = time.time() + 20
            while not os.path.exists(d / "socket") and time.time() < deadline:
                time.sleep(0.05)
        return running[form][1]
    yield start
    for process, _ in running.values():
        process.terminate()
        process.wait(20)


@pytest.mark.parametrize("form", ["simple/simple", "relaxed/relaxed", "relaxed/simple", "simple/relaxed"])
@pytest.mark.parametrize("title", ["plain", "no body", "empty lines", "folded", "blanks", "long"])
def test_we_verify_opendkim(driver, keys, opendkim_signer, title, form):
    message = crlf(MESSAGES[title]).replace(b"joe@football.example.com", b"joe@example.org", 1)
    fields = milter(opendkim_signer(form), message[:60000])
    assert b"a=rsa-sha256" in fields, fields
    results, out = verify(driver, fields + message[:60000], keys["records"])
    assert words(results) == ["pass"], (out["raw"], fields)


def test_opendkim_testmsg_is_refused_for_sha1(driver, keys):
    """The tool signs with SHA-1, which RFC 8301 forbids."""
    tool = shutil.which("opendkim-testmsg") or "/usr/sbin/opendkim-testmsg"
    if not os.path.exists(tool):
        pytest.skip("opendkim-testmsg is not installed")
    done = subprocess.run([tool, "-C", "-d", "example.org", "-s", "r", "-k", str(keys["directory"] / "rsa.pem")],
                          input=crlf(FOOTBALL), stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 0, done.stderr
    results, out = verify(driver, done.stdout, keys["records"])
    assert words(results) == ["policy"] and "SHA-1" in results[0][1], out["raw"]


@pytest.mark.parametrize("title", ["plain", "no body", "empty lines", "folded", "blanks", "utf-8"])
def test_opendkim_verifies_ours(driver, keys, title, tmp_path):
    """opendkim -t with the keys from a file; OpenDKIM knows RSA only."""
    opendkim = find_opendkim()
    signed = sign(driver, MESSAGES[title], "example.org", rsa=keys["rsa"], rsa_selector="r")
    message = tmp_path / "message.eml"
    message.write_bytes(signed)
    # Its file of keys knows no spaces in a value.
    record = keys["records"]["r._domainkey.example.org"].replace("; ", ";")
    (tmp_path / "keys").write_text(f"r._domainkey.example.org {record}\n")
    (tmp_path / "conf").write_text(f"Mode v\nTestPublicKeys {tmp_path}/keys\nCanonicalization relaxed/relaxed\n")
    done = subprocess.run([opendkim, "-x", str(tmp_path / "conf"), "-t", str(message), "-vvv"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    text = done.stdout.decode(errors="replace")
    assert done.returncode == 0 and "verification (s=r, d=example.org, 2048-bit key) succeeded" in text, text
