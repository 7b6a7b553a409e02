"""The behaviours of scenarios/verify.net (what a probe for ana and for nobody gets) and of doctor.net."""
import re
import socket
import ssl

import pytest

from internet.scenario import parse_file
from internet.testing import internet

SCENARIO = "include verify.net\nwaits 0.002\nzone nullmx.sim\n  @ MX 0 .\n"

PROBES = [  # domain, code for ana@, code for nobody@; "-" means no reply at all, the first number may be the banner's
    ("v01", 250, 550), ("v02", 250, 550), ("v03", 250, 550), ("v06", 250, 550), ("v07", 250, 550), ("v10", 550, 250),
    ("v13", 550, 550), ("v15", 452, 250), ("v18", 250, 250), ("v20", 250, 250), ("v21", 250, 250), ("v22", 250, 250),
    ("v23", 450, 450), ("v24", 451, 451), ("v26", 451, 250), ("v27", 250, 450), ("v30", 250, 550), ("v31", 451, 451),
    ("v32", 450, 450), ("v34", 554, 554), ("v35", 550, 550), ("v36", 250, 250), ("v41", 530, 530), ("v43", 250, 250),
    ("v44", 250, 250), ("v58", 250, 250), ("v59", 250, 250), ("v60", 250, 550), ("v62", 250, 250), ("v66", 250, 250),
    ("v67", 250, 250), ("v68", 250, 250), ("v69", "-", "-"), ("v70", 250, 550), ("v71", 250, 550), ("v73", 252, 250),
    ("v74", 521, 521), ("v81", 250, 550), ("v83", 550, 550), ("v91", 550, 550), ("v96", "-", "-")]


def exchange(net, domain, recipient, sender="v@client.example"):
    """The code for a recipient at the first exchanger that answers, by bare socket: replies are odd on purpose."""
    out = net.run(["dig", "+short", domain, "MX"]).stdout.split("\n")[:-1]
    for _, name in sorted(line.split() for line in out):
        try:
            return converse(net, name.rstrip("."), recipient, sender)
        except (ConnectionRefusedError, TimeoutError):
            continue
    return None


def converse(net, name, recipient, sender):
    with net.connect(name, 25, timeout=1) as sock:
        replies = sock.makefile("rb")
        for line in (None, "EHLO client.example", f"MAIL FROM:<{sender}>", f"RCPT TO:<{recipient}>"):
            if line:
                sock.sendall(line.encode() + b"\r\n")
            code = reply(replies)
            if code == 502:
                sock.sendall(b"HELO client.example\r\n")
                code = reply(replies)
            if code == "-" or code >= 400:
                break
        return code


def reply(replies):
    while line := replies.readline():
        if line[:3].isdigit() and line[3:4] != b"-":
            return int(line[:3])
        if not line[:3].isdigit():
            return "-"
    return "-"


@pytest.mark.parametrize("name, ana, nobody", PROBES)
def test_probe(net, name, ana, nobody):
    domain = f"{name}.sim"
    assert [exchange(net, domain, f"{who}@{domain}") for who in ("ana", "nobody")] == [ana, nobody]


def test_later_answers_differ(net):
    net.advance(301)
    wanted = {"v23": (250, 250), "v24": (250, 550), "v26": (250, 250), "v27": (250, 550), "v32": (250, 550)}
    for name, codes in wanted.items():
        assert tuple(exchange(net, f"{name}.sim", f"{who}@{name}.sim") for who in ("ana", "nobody")) == codes, name
    assert [exchange(net, "v31.sim", "ana@v31.sim") for _ in range(2)] == [451, 250]


def test_senders(net):
    assert exchange(net, "v37.sim", "ana@v37.sim", "x@nosuch.sim") == 550
    assert exchange(net, "v38.sim", "ana@v38.sim", "x@nosuch.sim") == 450
    assert exchange(net, "v39.sim", "ana@v39.sim", "x@nullmx.sim") == 550


def test_bans(net):
    assert [exchange(net, "v29.sim", f"u{i}@v29.sim") for i in range(4)] == [550, 550, 421, 554]


def test_names(net):
    def dig(*words):
        return net.run(["dig", "+short", *words]).stdout.split("\n")[:-1]
    assert dig("v45.sim", "MX") == ["0 ."] and dig("v47.sim", "MX") == [] and dig("v47.sim") == ["44.128.1.47"]
    assert dig("v48.sim", "AAAA") == ["2001:db8:1::48"] and dig("v50.sim", "MX") == [] and len(dig("v54.sim", "MX")) == 30
    assert "SERVFAIL" in net.run(["dig", "v52.sim", "MX"]).stdout
    assert set(dig("lo.v57.sim")) == {"127.0.0.1", "10.1.2.3"}
    assert not net.journal.find("connect", host="trap.sim")


def test_every_host_of_the_file_is_reached_or_not_as_it_says(net):
    for host in parse_file(f"{net.folder}/verify.net").hosts.values():
        for address in host.addresses:
            try:
                net.connect(host.name, 25, timeout=.2, address=address).close()
                worked = True
            except (ConnectionRefusedError, socket.timeout):
                worked = False
            assert worked == (host.state == ""), host.name


DOCTOR = [  # host, port, what is sent after the first words, what comes back (a pattern); "TLS" shakes hands
    ("mail.s38.sim", 587, "AUTH PLAIN x", "534 5.7.9"), ("mail.s39.sim", 587, "AUTH PLAIN x", "535 5.7.139"),
    ("mail.s40.sim", 587, "EHLO x", "250"), ("mail.s41.sim", 143, "a CAPABILITY", "OAUTHBEARER"),
    ("mail.s42.sim", 143, "a AUTHENTICATE XOAUTH2 x", r"\+ eyJ"), ("mail.s44.sim", 143, "a LOGIN ana secret", "AUTHORIZATIONF"),
    ("mail.s45.sim", 143, "a LOGIN ana secret", "PRIVACYREQUIRED"), ("mail.s47.sim", 587, "EHLO x", "AUTH GSSAPI"),
    ("mail.s49.sim", 587, "EHLO x", "AUTH PLAIN"), ("mail.s52.sim", 143, "a APPEND INBOX {3}", "OVERQUOTA"),
    ("mx.s54.sim", 25, "EHLO x", "502"), ("mx.s55.sim", 24, "EHLO x", "500"), ("mx.s75.sim", 25, "EHLO localhost", "550"),
    ("mx.s30.sim", 587, "STARTTLS", "454"), ("mx.s31.sim", 587, "STARTTLS", "502"), ("mx.s32.sim", 587, "EHLO x", "XXXXXXXA"),
    ("old.s19.sim", 993, "TLS", "protocol|version"),
    ("older.s20.sim", 993, "TLS", "protocol version"), ("ciphers.s22.sim", 993, "TLS", "handshake failure"),
    ("expired.s23.sim", 993, "TLS", "expired"), ("early.s24.sim", 993, "TLS", "not yet valid"),
    ("name.s26.sim", 993, "TLS", "mismatch"), ("self.s27.sim", 993, "TLS", "self-signed"),
    ("chain.s28.sim", 993, "TLS", "unable to get local issuer"), ("new.s21.sim", 993, "TLS", "TLSv1.3")]


@pytest.fixture(scope="module")
def doctor():
    with internet("include doctor.net\n") as net:
        yield net


@pytest.mark.parametrize("host, port, words, wanted", DOCTOR)
def test_troubled_hosts(doctor, host, port, words, wanted):
    with doctor.connect(host, port, timeout=3) as sock:
        if words == "TLS":
            try:
                context = ssl.create_default_context(cafile=doctor.ca_file)
                context.minimum_version = ssl.TLSVersion.TLSv1_2
                said = context.wrap_socket(sock, server_hostname=host).version()
            except ssl.SSLError as why:
                said = str(why)
        else:
            sock.recv(4096)
            sock.sendall(words.encode() + b"\r\n")
            said = sock.recv(4096).decode()
    assert re.search(wanted, said)


def test_troubled_domains(doctor):
    def dig(*words):
        return doctor.run(["dig", "+short", "+tries=1", "+time=1", *words]).stdout.split("\n")[:-1]
    assert len(dig("s77.sim", "TXT")) == 2 and len(dig("s91.sim", "TXT")) == 0 and len(dig("_dmarc.s91.sim", "TXT")) == 2
    assert "include:l12.s78.sim" in dig("s78.sim", "TXT")[0].replace('" "', "")
    assert dig("1.2.0.192.dnsbl.sim") == ["127.0.0.2"] and dig("inside.s65.sim") == ["10.0.0.5"]
    assert dig("@44.129.2.1", "s67.sim", "MX") == ["10 mx.s18.sim."] and dig("@44.129.2.2", "s67.sim", "MX") == []
    assert "SERVFAIL" in doctor.run(["dig", "s68.sim", "MX"]).stdout
    assert set(dig("imap.s06.sim", "AAAA")) == {"2001:db8:33::6"}
    served = doctor.run(["dig", "+short", "_25._tcp.mx.s100.sim", "TLSA"]).stdout
    assert served.startswith("3 1 1") and "timed out" in dig("s09.sim")[0]
