"""openssl s_client, and TLS by hand: versions, ALPN, names, tickets, and what is sent before the handshake."""
import re
import socket
import ssl
import subprocess

import pytest

from support.mail import HOST, trust
from support.server import Server

SERVICES = ["smtp", "submission", "imap", "pop3"]
STARTTLS = {"smtp": "smtp", "submission": "smtp", "imap": "imap", "pop3": "pop3"}
FAREWELL = {"smtp": "QUIT", "submission": "QUIT", "imap": "a LOGOUT", "pop3": "QUIT"}


def s_client(desk, server, service, *args, ca=None, farewell=True, **kw):
    """Connects, verifies, says goodbye; gives back what it printed."""
    base = service[:-1] if service not in STARTTLS else service
    upgrade = ["-starttls", STARTTLS[base], "-name", "client.example"] if service in STARTTLS else []
    if service in ("imap", "pop3"):
        upgrade = upgrade[:2]
    return desk.run("openssl", "s_client", "-connect", f"{HOST}:{server.ports[service]}", *upgrade, "-CAfile",
                    ca or server.chain, "-verify_return_error", "-verify_hostname", "mx.example.org", "-crlf",
                    "-ign_eof", *args, stdin=FAREWELL[base] + "\n" if farewell else "", timeout=30, **kw)


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
@pytest.mark.parametrize("service", [*SERVICES, "submissions", "imaps", "pop3s"])
def test_versions(desk, server, service, version):
    done = s_client(desk, server, service, "-tls1_2" if version == "TLSv1.2" else "-tls1_3")
    assert f"New, {version}, Cipher is" in done.text and "Verification: OK" in done.text
    assert re.search(r"(?m)^(221 2\.0\.0|a OK|\+OK)", done.text), done.text[-500:]


@pytest.mark.parametrize("service", ["imaps", "imap", "smtp"])
def test_old_versions_are_refused(desk, server, service):
    done = s_client(desk, server, service, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0", status=1)
    assert "Cipher is (NONE)" in done.text
    assert "alert protocol version" in done.text


@pytest.mark.parametrize("service,name", [("imaps", "imap"), ("imap", "imap"), ("pop3s", "pop3"), ("pop3", "pop3")])
def test_alpn(desk, server, service, name):
    """RFC 7301 and IANA's names imap and pop3; a client that speaks something else is turned away (no ALPACA)."""
    assert f"ALPN protocol: {name}" in s_client(desk, server, service, "-alpn", f"x,{name}").text
    assert "No ALPN negotiated" in s_client(desk, server, service).text
    done = s_client(desk, server, service, "-alpn", "http/1.1,h2", status=1)
    assert "alert no application protocol" in done.text


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize("service", ["imaps", "smtp"])
def test_tickets(desk, server, service, version):
    session = desk.path("session")
    first = s_client(desk, server, service, version, "-sess_out", session)
    assert "New, TLS" in first.text
    again = s_client(desk, server, service, version, "-sess_in", session)
    assert "Reused, TLS" in again.text, again.text[-3000:]
    assert re.search(r"(?m)^(221 2\.0\.0|a OK)", again.text)


def test_names_choose_certificates(desk, buzon):
    """SNI: each name sees its own certificate, an unknown one and none the first; so after a reload and STARTTLS."""
    chain, key = desk.path("other.pem"), desk.path("other.key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=other", "-addext",
                    "subjectAltName=DNS:mail.other.example", "-keyout", key, "-out", chain], check=True, capture_output=True)
    s = Server(buzon, tls_extra=f'server "mail.other.example" {{ certificate = "{chain}" key = "{key}" }}')
    try:
        s.start()
        for service in ("imaps", "smtp", "submission", "pop3"):
            for name, common in (("mail.other.example", "other"), ("MAIL.Other.Example", "other"),
                                 ("unknown.example", "localhost"), (None, "localhost")):
                ca = chain if common == "other" else s.chain
                words = ["-servername", name] if name else ["-noservername"]
                host = "mail.other.example" if common == "other" else "mx.example.org"
                done = s_client(desk, s, service, *words, "-verify_hostname", host, ca=ca)
                assert re.search(rf"subject=CN ?= ?{common}", done.text), (service, name, done.text[:600])
    finally:
        s.close()


def test_the_certificate_is_whole_and_signed_for(desk, server):
    """Another key than the certificate's could not finish the handshake; and the wrong name is seen by the client."""
    done = s_client(desk, server, "imaps", "-verify_hostname", "elsewhere.example", status=None)
    assert "hostname mismatch" in done.text.lower()


def lines_of(s, count=1):
    got = b""
    while got.count(b"\r\n") < count:
        data = s.recv(4096)
        if not data:
            break
        got += data
    return got


SMUGGLED = {"smtp": (b"EHLO c\r\n", b"STARTTLS\r\n", b"RSET\r\nEHLO smuggled\r\n", b"NOOP\r\n", b"250"),
            "submission": (b"EHLO c\r\n", b"STARTTLS\r\n", b"RSET\r\nEHLO smuggled\r\n", b"NOOP\r\n", b"250"),
            "imap": (b"", b"a STARTTLS\r\n", b"b CAPABILITY\r\n", b"c NOOP\r\n", b"c OK"),
            "pop3": (b"", b"STLS\r\n", b"CAPA\r\n", b"NOOP\r\n", b"-ERR")}


@pytest.mark.parametrize("service", SERVICES)
def test_commands_before_the_handshake_are_thrown_away(server, service):
    """CVE-2011-0411: what came in the clear behind STARTTLS is not answered inside TLS."""
    hello, upgrade, smuggled, last, wanted = SMUGGLED[service]
    s = socket.create_connection((HOST, server.ports[service]), timeout=10)
    assert lines_of(s)
    if hello:
        s.sendall(hello)
        while not re.search(rb"(?m)^250 ", lines_of(s)):
            pass
    s.sendall(upgrade + smuggled)
    answer = lines_of(s)
    assert answer.count(b"\r\n") == 1 and answer[:4] in (b"220 ", b"a OK", b"+OK "), answer
    try:
        tls = trust(server).wrap_socket(s, server_hostname=HOST)
    except (ssl.SSLError, ConnectionError):
        return      # turned away altogether is as good
    tls.sendall(last)
    answer = lines_of(tls)
    assert answer.startswith(wanted) and answer.count(b"\r\n") == 1, answer
    tls.settimeout(0.3)
    with pytest.raises(TimeoutError):
        tls.recv(1)
    tls.close()


@pytest.mark.parametrize("service", SERVICES)
def test_garbage_for_a_handshake(server, service):
    """The connection ends; the next one is served."""
    hello, upgrade = SMUGGLED[service][:2]
    for _ in range(3):
        with socket.create_connection((HOST, server.ports[service]), timeout=10) as s:
            lines_of(s)
            s.sendall(hello)
            if hello:
                lines_of(s, 5)
            s.sendall(upgrade)
            lines_of(s)
            s.sendall(b"this is no ClientHello\r\n" * 20)
            try:
                while s.recv(4096):
                    pass
            except ConnectionError:
                pass
    with socket.create_connection((HOST, server.ports[service]), timeout=10) as s:
        assert lines_of(s)


def test_starttls_only_once(server):
    for service, greet, upgrade in (("smtp", b"EHLO c\r\n", b"STARTTLS\r\n"), ("imap", b"a NOOP\r\n", b"b STARTTLS\r\n"),
                                    ("pop3", b"CAPA\r\n", b"STLS\r\n")):
        s = socket.create_connection((HOST, server.ports[service]), timeout=10)
        lines_of(s)
        if service == "smtp":
            s.sendall(greet)
            while not re.search(rb"(?m)^250 ", lines_of(s)):
                pass
        s.sendall(upgrade)
        lines_of(s)
        tls = trust(server).wrap_socket(s, server_hostname=HOST)
        if service == "smtp":
            tls.sendall(greet)
            answer = lines_of(tls)
            while not re.search(rb"(?m)^250 ", answer):
                answer += lines_of(tls)
            assert b"STARTTLS" not in answer
        tls.sendall(upgrade)
        assert re.match(rb"(454|503|502|b BAD|b NO|-ERR)", lines_of(tls))
        tls.close()
