"""The processes of the house: one dies, hangs, gets a new certificate; the others go on."""
import base64
import imaplib
import os
import poplib
import pwd
import shutil
import signal
import smtplib
import socket
import ssl
import struct
import subprocess
import time

import pytest

from support.server import Server, free_port
from support.wait import until

ROLES = ["front-mx", "front-user", "auth", "keys", "core", "worker", "relay"]


def role(server, name, index=0):
    return next(r for r in server.status()["roles"] if r["role"] == name and r["index"] == index)


def greeting(server):
    with socket.create_connection(("127.0.0.1", server.ports["smtp"]), timeout=10) as s:
        return s.recv(200)


def imaps(server):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with context.wrap_socket(socket.create_connection(("127.0.0.1", server.ports["imaps"]), timeout=10)) as s:
        return s.recv(500), s.getpeercert(True)


def kill_and_wait(server, name, index=0):
    pid = role(server, name, index)["pid"]
    os.kill(pid, signal.SIGKILL)
    until(lambda: role(server, name, index)["pid"] not in (0, pid) and role(server, name, index)["ready"])


@pytest.mark.parametrize("name", ROLES)
def test_a_dead_role_comes_back(server, name):
    restarts = role(server, name)["restarts"]
    others = {r["pid"] for r in server.status()["roles"] if r["role"] != name}
    kill_and_wait(server, name)
    assert role(server, name)["restarts"] == restarts + 1
    assert others <= set(server.pids()), "another process was restarted as well"
    assert greeting(server).startswith(b"220")
    assert imaps(server)[0].startswith(b"* OK")


def test_hung_keys_cost_one_time_out(server):
    pid = role(server, "keys")["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(OSError):
            imaps(server)
        begin = time.time()
        for _ in range(3):
            with pytest.raises(OSError):
                imaps(server)
        assert time.time() - begin < 2, "each handshake waited anew"
        assert greeting(server).startswith(b"220"), "front-mx has other handshakes to wait for, and none is asked"
    finally:
        os.kill(pid, signal.SIGCONT)
    until(lambda: tries(lambda: imaps(server)))


def tries(what):
    try:
        return what()
    except OSError:
        return None


def test_hung_role_is_replaced(server):
    pid = role(server, "worker", 1)["pid"]
    os.kill(pid, signal.SIGSTOP)
    until(lambda: role(server, "worker", 1)["pid"] not in (0, pid), seconds=25)
    assert "role hangs" in server.log_text()


def test_crash_loop_backs_off_and_alarms(fresh):
    fresh.start()
    for _ in range(5):
        kill_and_wait(fresh, "relay")
    assert "dies again and again" in fresh.log_text()
    pid = role(fresh, "relay")["pid"]
    os.kill(pid, signal.SIGKILL)
    begin = time.time()
    until(lambda: role(fresh, "relay")["pid"] not in (0, pid))
    assert time.time() - begin > 0.5
    assert greeting(fresh).startswith(b"220")


def test_reload_takes_new_certificates_and_refuses_bad_ones(fresh):
    fresh.start()
    pids = set(fresh.pids())
    before = imaps(fresh)[1]
    shutil.copy(fresh.key, fresh.key + ".old")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=new",
                    "-keyout", fresh.key, "-out", fresh.chain + ".new"], check=True, stderr=subprocess.DEVNULL)

    fresh.process.send_signal(signal.SIGHUP)     # the new key does not fit the old certificate
    until(lambda: "the key belongs to another certificate" in fresh.log_text())
    assert imaps(fresh)[1] == before

    os.rename(fresh.chain + ".new", fresh.chain)
    fresh.process.send_signal(signal.SIGHUP)
    until(lambda: tries(lambda: imaps(fresh)[1]) not in (None, before))

    with open(fresh.conf, "a") as f:
        f.write("nonsense = 1\n")
    fresh.process.send_signal(signal.SIGHUP)
    until(lambda: "nonsense" in fresh.log_text())
    assert imaps(fresh)[0].startswith(b"* OK")
    assert set(fresh.pids()) == pids


def test_bad_certificate_stops_the_start(fresh):
    subprocess.run(["openssl", "genrsa", "-out", fresh.key, "2048"], check=True, stderr=subprocess.DEVNULL)
    done = subprocess.run([fresh.buzon, "-c", fresh.conf, "serve"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert "the key belongs to another certificate" in done.stderr


def test_a_second_server_is_refused(server):
    done = subprocess.run([server.buzon, "-c", server.conf, "serve"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 75
    assert "in use" in done.stderr


def test_stop_is_clean_and_quick(fresh):
    fresh.start()
    pids = fresh.pids()
    idle = [socket.create_connection(("127.0.0.1", fresh.ports["imap"])) for _ in range(20)]
    begin = time.time()
    assert fresh.stop() == 0
    assert time.time() - begin < 5
    assert not [p for p in pids if os.path.exists(f"/proc/{p}")]
    assert fresh.status() is None
    for s in idle:
        s.close()


def test_roles_die_with_the_supervisor(fresh):
    fresh.start()
    pids = fresh.pids()
    os.kill(fresh.process.pid, signal.SIGKILL)
    fresh.process.wait()
    until(lambda: not [p for p in pids if alive(p)], seconds=5)
    fresh.process = None
    fresh.start()
    assert greeting(fresh).startswith(b"220")


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


# MiB, as the manual says.
MEMORY = {"front-mx": 2048, "front-user": 2048, "auth": 512, "keys": 128, "core": 4096, "worker": 1024, "relay": 1024}


def limit(pid, name):
    with open(f"/proc/{pid}/limits") as f:
        line = next(line for line in f if line.startswith(name))
    return int(line[26:].split()[0])


def test_walls_are_up(server):
    """Of every process but the supervisor: no new privileges, a filter, no capabilities, nobody may look in."""
    for r in server.status()["roles"]:
        with open(f"/proc/{r['pid']}/status") as f:
            fields = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
        assert fields["NoNewPrivs"] == "1", r
        assert fields["Seccomp"] == "2", r
        assert int(fields["CapEff"], 16) == 0 and int(fields["CapPrm"], 16) == 0, r
        if not server.is_sanitized():       # AddressSanitizer's shadow would not fit
            assert limit(r["pid"], "Max data size") == MEMORY[r["role"]] << 20, r
        if os.geteuid() == 0:
            assert int(fields["CapBnd"], 16) == 0, r
            assert os.readlink(f"/proc/{r['pid']}/root") != "/", r
        for fd in os.listdir(f"/proc/{r['pid']}/fd"):
            try:
                path = os.readlink(f"/proc/{r['pid']}/fd/{fd}")
            except OSError:
                continue
            assert not os.path.isdir(path), f"{r['role']} holds the directory {path}"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_started_as_root_every_role_has_a_user_and_a_root_of_its_own(buzon):
    users = {"auth": "mail", "core": "nobody", "keys": "games"}
    s = Server(buzon, extra='user = "daemon"\nusers { ' + " ".join(f'{r} = "{u}"' for r, u in users.items()) + " }")
    try:
        os.chmod(s.dir, 0o755)
        s.start()
        for r in s.status()["roles"]:
            with open(f"/proc/{r['pid']}/status") as f:
                uids = next(line.split()[1:] for line in f if line.startswith("Uid:"))
            assert set(uids) == {str(pwd.getpwnam(users.get(r["role"], "daemon")).pw_uid)}, r
            own = {"core": f"{s.data}/store", "auth": f"{s.data}/auth"}.get(r["role"])
            root = os.readlink(f"/proc/{r['pid']}/root")
            assert root == own if own else root not in ("/", s.data), r
        assert os.stat(f"{s.data}/auth/auth.db").st_uid == pwd.getpwnam("mail").pw_uid
        assert os.stat(f"{s.data}/store/buzon.db").st_uid == pwd.getpwnam("nobody").pw_uid
        assert imaps(s)[0].startswith(b"* OK")
        kill_and_wait(s, "core")
        kill_and_wait(s, "auth")
        kill_and_wait(s, "front-user")
        s.add_account("eva")
        with imaplib.IMAP4_SSL("127.0.0.1", s.ports["imaps"], ssl_context=ssl._create_unverified_context()) as c:
            c.login("eva@example.org", "password-of-eva")
            c.append("INBOX", None, None, b"Subject: =?iso-8859-15?Q?=A4?=\r\n\r\n" + b"x" * 300000)
            c.select()
            c.literal = "€".encode()
            assert c.search("UTF-8", "SUBJECT")[1] == [b"1"]
        assert s.run("check", "--deep").returncode == 0
        s.run("backup", f"{s.dir}/backup")
        assert os.path.exists(f"{s.dir}/backup/auth/auth.db")
        assert s.stop() == 0
        s.start()
        assert imaps(s)[0].startswith(b"* OK")
        assert s.stop() == 0
    finally:
        s.close()


def test_reset_connections_kill_nobody(buzon):
    """An error has words; in a language other than C they are a file, and opening one ends a front."""
    s = Server(buzon)
    os.environ["LC_ALL"] = "C.UTF-8"
    try:
        s.start()
        pids = set(s.pids())
        for name in ("smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s"):
            for _ in range(5):
                with socket.create_connection(("127.0.0.1", s.ports[name])) as c:
                    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    c.send(b"x")
        assert greeting(s).startswith(b"220") and imaps(s)[0].startswith(b"* OK")
        assert set(s.pids()) == pids and "role died" not in s.log_text()
    finally:
        del os.environ["LC_ALL"]
        s.close()


def log_has(server, *words):
    text = server.log_text()
    return all(w in text for w in words)


def connects(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
            return s.recv(100)
    except OSError:
        return b""


def reload(server):
    before = server.log_text().count("configuration taken anew")
    server.process.send_signal(signal.SIGHUP)
    until(lambda: server.log_text().count("configuration taken anew") > before)


def test_reload_changes_listening_addresses(fresh):
    fresh.start()
    old, new, pids = fresh.ports["smtp"], free_port(), set(fresh.pids())
    stays = socket.create_connection(("127.0.0.1", old))
    assert stays.recv(100).startswith(b"220")
    fresh.ports["smtp"] = new
    # The port of IMAP becomes one of POP3, and the other way round.
    fresh.ports["imap"], fresh.ports["pop3"] = fresh.ports["pop3"], fresh.ports["imap"]
    fresh.write_conf()
    reload(fresh)
    until(lambda: connects(new).startswith(b"220"))
    until(lambda: connects(old) == b"")
    until(lambda: connects(fresh.ports["imap"]).startswith(b"* OK") and connects(fresh.ports["pop3"]).startswith(b"+OK"))
    stays.sendall(b"NOOP\r\n")
    assert stays.recv(100).startswith(b"250"), "a connection ended because its listener did"
    stays.close()
    assert set(fresh.pids()) == pids
    kill_and_wait(fresh, "front-mx")
    assert connects(new).startswith(b"220") and connects(old) == b""


def test_reload_that_cannot_listen_changes_nothing(fresh):
    fresh.start()
    old = fresh.ports["smtp"]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        fresh.ports["smtp"] = taken.getsockname()[1]
        fresh.write_conf()
        fresh.process.send_signal(signal.SIGHUP)
        until(lambda: log_has(fresh, "the old configuration stays", "another program listens there"))
    assert connects(old).startswith(b"220")
    # An address that overlaps with the one in use cannot be had while the server holds it.
    fresh.ports["smtp"] = old
    fresh.write_conf()
    with open(fresh.conf) as f:
        text = f.read()
    with open(fresh.conf, "w") as f:
        f.write(text.replace(f'"127.0.0.1:{old}"', f'"*:{old}"'))
    fresh.process.send_signal(signal.SIGHUP)
    until(lambda: log_has(fresh, "restart needed for: listen"))
    assert connects(old).startswith(b"220")


def test_reload_changes_the_number_of_processes(fresh):
    fresh.start()
    first = set(fresh.pids())
    fresh.extra = "processes { workers = 4 front-mx = 3 front-user = 2 }"
    fresh.write_conf()
    reload(fresh)
    until(lambda: fresh.status()["ready"] and [len(fresh.pids(r)) for r in ("worker", "front-mx", "front-user")] == [4, 3, 2])
    assert first <= set(fresh.pids()), "one that was there already was started anew"
    for i in range(12):
        with smtplib.SMTP("127.0.0.1", fresh.ports["smtp"], source_address=(f"127.0.0.{i + 2}", 0)) as c:
            c.sendmail("x@remote.example", ["bob@example.org"], f"Subject: {i}\r\n\r\nhi\r\n")
    fresh.extra = ""
    fresh.write_conf()
    reload(fresh)
    until(lambda: [len(fresh.pids(r)) for r in ("worker", "front-mx", "front-user")] == [2, 1, 1])
    assert set(fresh.pids()) == first
    with smtplib.SMTP("127.0.0.1", fresh.ports["smtp"]) as c:
        c.sendmail("x@remote.example", ["bob@example.org"], "Subject: last\r\n\r\nhi\r\n")
    assert "role died" not in fresh.log_text()


def test_reload_says_what_needs_a_restart(fresh):
    fresh.start()
    fresh.extra = "memory { core = 1G }\nrelay { port = 2525 }\nlimits { connections-per-client = 7 }"
    fresh.write_conf()
    reload(fresh)
    assert log_has(fresh, "restart needed for some settings", "relay port, memory core") or \
        log_has(fresh, "restart needed for some settings", "memory core")
    assert "restart needed" not in fresh.log_text().replace("restart needed for some settings", "", 1)


def test_limit_per_client_holds_over_the_processes_of_a_role(buzon):
    s = Server(buzon, extra="processes { front-mx = 4 }\nlimits { connections-per-client = 6 }")
    try:
        s.start()
        for client in ("127.0.0.1", "127.0.0.9", "127.0.1.77"):
            kept, refused = [], 0
            for _ in range(24):
                c = socket.create_connection(("127.0.0.1", s.ports["smtp"]), source_address=(client, 0))
                if c.recv(100).startswith(b"421 4.7.0"):
                    refused += 1
                    c.close()
                else:
                    kept.append(c)
            assert (len(kept), refused) == (6, 18), client
            for c in kept:
                c.close()
            until(lambda: tries(lambda: greeting_from(s, client)))
    finally:
        s.close()


def greeting_from(server, client):
    with socket.create_connection(("127.0.0.1", server.ports["smtp"]), source_address=(client, 0)) as c:
        return c.recv(100).startswith(b"220")


def memory_has(pid, needle):
    """Where the bytes stand in the writable memory of a process."""
    found = []
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            span, rights, rest = line.split(maxsplit=2)
            if "w" not in rights:
                continue
            start, end = (int(x, 16) for x in span.split("-"))
            try:
                mem.seek(start)
                at = mem.read(end - start).find(needle)
            except (OSError, ValueError, OverflowError):
                continue
            if at >= 0:
                found.append(f"{rest.split()[-1]}+{at:x}")
    return found


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_passwords_do_not_stay_in_memory(fresh):
    context = ssl._create_unverified_context()
    fresh.start()
    secret = "Zw8-never-to-be-found-again"
    fresh.run("account", "password", "ana@example.org", stdin=secret + "\n")
    plain = base64.b64encode(f"\0ana@example.org\0{secret}".encode()).decode()

    with imaplib.IMAP4_SSL("127.0.0.1", fresh.ports["imaps"], ssl_context=context) as c:
        c.login("ana@example.org", secret)
    with imaplib.IMAP4_SSL("127.0.0.1", fresh.ports["imaps"], ssl_context=context) as c:
        c.authenticate("PLAIN", lambda _: f"\0ana@example.org\0{secret}".encode())
    p = poplib.POP3_SSL("127.0.0.1", fresh.ports["pop3s"], context=context)
    p.user("ana@example.org")
    p.pass_(secret)
    p.quit()
    for method in ("PLAIN", "LOGIN"):
        with smtplib.SMTP_SSL("127.0.0.1", fresh.ports["submissions"], context=context) as s:
            s.ehlo()
            s.user, s.password = "ana@example.org", secret
            s.auth(method, getattr(s, f"auth_{method.lower()}"))
    with smtplib.SMTP_SSL("127.0.0.1", fresh.ports["submissions"], context=context) as s:
        s.ehlo()
        with pytest.raises(smtplib.SMTPAuthenticationError):
            s.user, s.password = "nobody@example.org", secret
            s.auth("PLAIN", s.auth_plain)
    for r in fresh.status()["roles"]:
        for needle in (secret, plain[8:-4], base64.b64encode(secret.encode()).decode()[:-4]):
            assert memory_has(r["pid"], needle.encode()) == [], (r["role"], needle)
