"""Web hosts, hosts that cannot be reached, IMAP and POP3 for the doctor, and the ways into the namespace."""
import imaplib
import os
import poplib
import socket
import ssl
import subprocess
import sys
import time

import pytest

from internet import Internet, NoNamespaces, namespace

SCENARIO = r"""
waits 0.1
zone alpha.example signed
  _mta-sts TXT "v=STSv1; id=1"
host mta-sts.alpha.example 198.51.100.10
  alias mta-sts.alias.example
  mta-sts enforce mx1.alpha.example *.backup.example max_age 1w
host mta-sts.bad.example 198.51.100.11
  tls wrong-name
  mta-sts testing mx.bad.example
host web.example 198.51.100.12
  listen 443 https
  listen 80 http
  serve /moved redirect https://web.example/here
  serve /here reply 200 "found it"
  serve /slow wait 3s, reply 200 "late"
  serve /huge huge 3M
  serve /html type text/html, reply 200 "<p>"
  serve /cut raw "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", close
  serve /reset reset
  get path=/flaky n<=2 : reply 503 "busy"
  get path=/flaky : reply 200 "ok"
  get header.user-agent~robot : reply 403 "no robots"
host mta-sts.expired.example 198.51.100.13
  tls expired
  mta-sts enforce mx.expired.example

host refused.example 198.51.100.20 refused
host filtered.example 203.0.113.9 2001:db8::99 filtered
host unreachable.example 203.0.113.10 2001:db8::9a unreachable
host prohibited.example 203.0.113.11 prohibited
host half.example 198.51.100.21
  listen 993 filtered
  listen 143 imap
host mixed.example 198.51.100.22
  listen 25 reset
  listen 26 silent
  listen 27 raw "SSH-2.0-OpenSSH_9.2\r\n"
  listen 28 raw "HTTP/1.1 400 Bad Request\r\n" "\r\n"
host between.example 198.51.100.23
  listen 25 strip 198.51.100.24 25
  listen 26 forward 198.51.100.24 25
host behind.example 198.51.100.24
  mailboxes behind.example ana
host private.example 10.1.2.3
host mail.example 198.51.100.30
  listen 143 imap
  listen 993 imaps
  listen 110 pop3
  listen 995 pop3s
  listen 587 smtp
  auth ana secret
  login user=ana arg~app : reply "{tag} NO [ALERT] Application-specific password required"
  login user=locked : reply "* BYE too many attempts", close
  authenticate mech=XOAUTH2 : raw "+ eyJzdGF0dXMiOiI0MDEifQ==\r\n", ignore
  pass n<=1 : reply "-ERR [IN-USE] busy"
  auth mech=XOAUTH2 : reply 535 5.7.139 "basic authentication is disabled"
host oauth.example 198.51.100.31
  listen 143 imap
  offers IMAP4rev1 AUTH=XOAUTH2 AUTH=OAUTHBEARER LOGINDISABLED

repeat i 0..299
zone many{i}.example
  @ MX 10 mx{i}.many{i}.example.
host mx{i}.many{i}.example 44.128.{i/250}.{i%250}
  mailboxes many{i}.example ana
end
"""


def get(net, url, *words):
    done = net.run(["curl", "-s", "-S", "-m", "5", *words, url])
    return done.stdout, done.stderr, done.returncode


# --- HTTPS

def test_policy_with_a_good_certificate(net):
    wanted = "version: STSv1\nmode: enforce\nmx: mx1.alpha.example\nmx: *.backup.example\nmax_age: 604800\n"
    for name in ("mta-sts.alpha.example", "mta-sts.alias.example"):
        assert get(net, f"https://{name}/.well-known/mta-sts.txt")[0] == wanted
    event = net.journal.wait("request", host="mta-sts.alpha.example")[0]
    assert event.path == "/.well-known/mta-sts.txt" and event.tls["sni"] == "mta-sts.alpha.example"


@pytest.mark.parametrize("name", ["mta-sts.bad.example", "mta-sts.expired.example"])
def test_policy_with_a_bad_certificate(net, name):
    assert get(net, f"https://{name}/.well-known/mta-sts.txt")[2] == 60
    assert "version: STSv1" in get(net, f"https://{name}/.well-known/mta-sts.txt", "-k")[0]


def test_web_pages(net):
    assert get(net, "https://web.example/moved")[0] == "elsewhere\n"
    assert get(net, "https://web.example/moved", "-L")[0] == "found it"
    assert get(net, "http://web.example/nothing", "-w", "%{http_code}")[0].endswith("404")
    assert len(get(net, "https://web.example/huge")[0]) == 3 * 1024 * 1024
    assert "text/html" in get(net, "https://web.example/html", "-i")[0]
    assert get(net, "https://web.example/cut")[2] == 18
    assert get(net, "http://web.example/reset")[2] in (52, 56)
    assert [get(net, "https://web.example/flaky")[0] for _ in range(3)] == ["busy", "busy", "ok"]
    assert get(net, "https://web.example/here", "-A", "a robot")[0] == "no robots"


def test_slow_page_and_the_factor_for_waits(net):
    started = time.monotonic()
    assert get(net, "https://web.example/slow")[0] == "late"
    assert 0.3 <= time.monotonic() - started < 2


def test_posted_reports_are_kept(net):
    get(net, "https://web.example/reports", "--data-binary", '{"report": 1}')
    event = net.journal.wait("request", method="POST")[0]
    with open(event.path_of_body) as f:
        assert f.read() == '{"report": 1}'


# --- hosts that cannot be reached

@pytest.mark.parametrize("host, address, error", [
    ("refused.example", None, ConnectionRefusedError), ("filtered.example", None, TimeoutError),
    ("filtered.example", "2001:db8::99", TimeoutError), ("unreachable.example", None, OSError),
    ("unreachable.example", "2001:db8::9a", OSError), ("prohibited.example", None, PermissionError),
    ("nowhere", "8.8.8.8", OSError)])
def test_no_connection(net, host, address, error):
    with pytest.raises(error):
        net.connect(host, 25, timeout=.3, address=address)


def test_attempts_to_filtered_hosts_are_seen(net):
    with pytest.raises(TimeoutError):
        net.connect("filtered.example", 587, timeout=.2)
    event = net.journal.wait("syn", address="203.0.113.9", port=587)[0]
    assert event.client == "192.0.2.1"


def test_one_filtered_port(net):
    with pytest.raises(TimeoutError):
        net.connect("half.example", 993, timeout=.3)
    assert net.connect("half.example", 143).recv(100).startswith(b"* OK")


def test_ports_that_speak_something_else(net):
    with pytest.raises(ConnectionResetError):
        net.connect("mixed.example", 25).recv(100)
    with pytest.raises(TimeoutError):
        net.connect("mixed.example", 26, timeout=.3).recv(100)
    assert net.connect("mixed.example", 27).recv(100) == b"SSH-2.0-OpenSSH_9.2\r\n"
    assert net.connect("mixed.example", 28).recv(100) == b"HTTP/1.1 400 Bad Request\r\n"


def test_a_man_in_the_middle_strips_starttls(net):
    straight, stripped = (net.smtp("between.example", port=p) for p in (26, 25))
    straight.ehlo()
    stripped.ehlo()
    assert "starttls" in straight.esmtp_features and "starttls" not in stripped.esmtp_features
    assert "xxxxxxxa" in stripped.esmtp_features
    straight.close()
    stripped.close()


def test_private_addresses(net):
    assert net.connect("private.example", 25).recv(100).startswith(b"220 private.example")
    assert net.run(["dig", "+short", "private.example"]).stdout == "10.1.2.3\n"


# --- IMAP and POP3

def context(net):
    return ssl.create_default_context(cafile=net.ca_file)


def imap(net, host, port=143):
    class Client(imaplib.IMAP4):
        def _create_socket(self, _timeout):
            sock = net.connect(host, port)
            return context(net).wrap_socket(sock, server_hostname=host) if port == 993 else sock
    return Client(host)


def test_imap_signs_in(net):
    for port in (143, 993):
        client = imap(net, "mail.example", port)
        if port == 143:
            client.starttls(context(net))
        with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
            client.login("ana", "wrong")
        assert client.login("ana", "secret")[0] == "OK" and client.select()[0] == "OK"
        client.logout()


def test_imap_refusals(net):
    with pytest.raises(imaplib.IMAP4.error, match="Application-specific"):
        imap(net, "mail.example").login("ana", "app")
    with pytest.raises(imaplib.IMAP4.abort, match="too many attempts|EOF"):
        imap(net, "mail.example").login("locked", "x")
    client = imap(net, "oauth.example")
    assert "LOGINDISABLED" in client.capabilities and "STARTTLS" not in client.capabilities
    with net.connect("mail.example", 143) as sock:
        sock.recv(1000)
        sock.sendall(b"a AUTHENTICATE XOAUTH2 abc\r\n")
        assert sock.recv(1000).startswith(b"+ eyJ")


def test_pop3(net):
    class Client(poplib.POP3):
        def _create_socket(self, _timeout):
            return net.connect("mail.example", 110)
    client = Client("mail.example")
    client.stls(context(net))
    client.user("ana")
    with pytest.raises(poplib.error_proto, match="IN-USE"):
        client.pass_("secret")
    assert client.pass_("secret").startswith(b"+OK") and client.stat() == (0, 0)
    client.quit()


def test_auth_rules_of_two_protocols_on_one_host(net):
    with net.connect("mail.example", 587) as sock:
        sock.recv(1000)
        sock.sendall(b"EHLO x\r\n")
        sock.recv(1000)
        sock.sendall(b"AUTH XOAUTH2 abc\r\n")
        assert sock.recv(1000).startswith(b"535 5.7.139")


# --- the namespace and the launcher

def test_commands_inside_see_this_internet_only(net):
    assert "192.0.2.54" in net.run(["cat", "/etc/resolv.conf"]).stdout
    assert net.run(["getent", "ahostsv4", "mail.example"]).stdout.startswith("198.51.100.30")
    assert "198.51.100.30" not in subprocess.run(["ip", "addr"], capture_output=True, text=True).stdout


def test_hundreds_of_hosts(net):
    for i in (0, 149, 299):
        client = net.smtp(f"mx{i}.many{i}.example")
        client.ehlo()
        client.mail("a@b.example")
        assert client.rcpt(f"ana@many{i}.example")[0] == 250
        assert client.rcpt(f"bob@many{i}.example")[0] == 550
        client.close()
    assert net.run(["dig", "+short", "many299.example", "MX"]).stdout == "10 mx299.many299.example.\n"


def test_sockets_for_servers_of_a_test(net):
    with net.socket() as listening:
        listening.bind(("192.0.2.1", 2525))
        listening.listen()
        with net.connect("192.0.2.1", 2525) as client:
            accepted, _ = listening.accept()
            accepted.sendall(b"x")
            assert client.recv(1) == b"x"
            accepted.close()
    with pytest.raises(OSError), socket.create_connection(("192.0.2.1", 2525), timeout=.2):
        pass  # not from outside


def test_certificates_for_servers_of_a_test(net):
    chain, key = net.certificate("my.example", kind="expired")
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(chain, key)
    assert net.certificate("my.example", kind="expired") == (chain, key)


def test_nothing_is_left(make_net):
    with Internet("host a.example 198.51.100.1\n") as net:
        directory, pid = net.dir, net.engine.pid
        child = net.popen(["sleep", "100"])
    assert child.wait(timeout=5) != 0 and not os.path.exists(directory)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_the_command_run(tmp_path):
    if not namespace.unshare_options()[0]:
        pytest.skip(namespace.unshare_options()[1])
    scenario = tmp_path / "one.net"
    scenario.write_text("host one.example 198.51.100.1\n")
    run = [sys.executable, os.path.join(os.path.dirname(__file__), "run")]
    done = subprocess.run([*run, scenario, "--", "dig", "+short", "one.example"], capture_output=True, text=True)
    assert done.stdout == "198.51.100.1\n" and done.returncode == 0, done.stderr
    scenario.write_text("host one.example 198.51.100.1\n  liston 25\n")
    done = subprocess.run([*run, scenario, "--", "true"], capture_output=True, text=True)
    assert done.returncode == 1 and "run: line 2: a host has no setting 'liston'" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="these tests run as an ordinary user already")
def test_as_an_ordinary_user(tmp_path):
    """The same without any right: user 65534 runs dig inside, or this machine forbids it."""
    here = os.path.dirname(os.path.abspath(__file__))
    code = ("import sys; sys.path.insert(0, sys.argv[1]); from internet import Internet, NoNamespaces\n"
            "try:\n"
            "    with Internet('host a.example 198.51.100.1\\nhost f.example 203.0.113.9 filtered\\n') as net:\n"
            "        client = net.smtp('a.example'); print(client.noop()[0], net.options)\n"
            "        print(net.run(['dig', '+short', 'a.example']).stdout)\n"
            "except NoNamespaces as why: print('forbidden:', why)\n")
    done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-B", "-c", code,
                           os.path.dirname(here)], capture_output=True, text=True, cwd="/",
                          env={"PATH": os.environ["PATH"], "TMPDIR": "/tmp"})
    if "forbidden:" in done.stdout or "Permission denied" in done.stderr:
        pytest.skip(f"no namespaces for ordinary users here: {(done.stdout + done.stderr).strip()[-300:]}")
    assert done.stdout.split() == ["250", "['-Urnm']", "198.51.100.1"], done.stderr


def test_a_machine_without_namespaces_says_so(monkeypatch):
    monkeypatch.setattr(namespace, "unshare_options", lambda: (None, "this machine gives no namespaces"))
    with pytest.raises(NoNamespaces, match="no namespaces"):
        Internet("host a.example 198.51.100.1\n").__enter__()


def test_example_of_the_manual(make_net):
    net = make_net("example.net")
    client = net.smtp("mx1.alpha.example")
    client.ehlo()
    client.mail("a@client.example")
    assert client.rcpt("ana@alpha.example")[0] == 450
    assert [client.rcpt(f"u{i}@alpha.example")[0] for i in range(4)] == [550, 550, 550, 421]
    client.close()
    net.journal.wait("session")
    assert net.journal.footprint("192.0.2.1") == {
        "connections": 1, "commands": 7, "errors": 5, "messages": 0, "rcpts": 5, "unknown_rcpts": 4}
    assert "mode: enforce" in get(net, "https://mta-sts.alpha.example/.well-known/mta-sts.txt")[0]
