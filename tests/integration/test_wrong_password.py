"""A wrong password, told by every client in words of the server; the right one works again at once."""
import os

import pytest

from support.mail import HOST, NAME, kept, message, pop3, submit


def curl(desk, server, password):
    for service in ("imaps", "pop3s", "submissions"):
        url = f"{service.replace('submission', 'smtp')}://{HOST}:{server.ports[service]}"
        yield ["curl", "-sS", "-v", "--cacert", server.chain, "--user", f"ana@example.org:{password}", url,
               *(["--mail-from", "ana@example.org", "--mail-rcpt", "bob@example.org", "-T", desk.write("mail", message("curl"))]
                 if service == "submissions" else [])]


def swaks(desk, server, password):
    for mechanism in ("PLAIN", "LOGIN"):
        yield ["swaks", "--server", HOST, "--port", str(server.ports["submissions"]), "-tlsc", "--tls-verify", "--tls-ca-path",
               server.chain, "--auth", mechanism, "--auth-user", "ana@example.org", "--auth-password", password,
               "--from", "ana@example.org", "--to", "bob@example.org"]


def msmtp(desk, server, password):
    for auth in ("plain", "login", "scram-sha-256"):
        rc = desk.write(f"{auth}.msmtprc", f"account default\nhost {HOST}\nport {server.ports['submissions']}\ntls on\n"
                        f"tls_starttls off\ntls_trust_file {server.chain}\nauth {auth}\nuser ana@example.org\n"
                        f"from ana@example.org\npassword {password}\n")
        yield ["msmtp", "-v", "-C", rc, "bob@example.org"]


def mbsync(desk, server, password):
    for mechanism in ("LOGIN", "PLAIN", "SCRAM-SHA-256"):
        os.makedirs(desk.path("box"), exist_ok=True)
        rc = desk.write(f"{mechanism}.rc", f"IMAPStore far\nHost {NAME}\nPort {server.ports['imaps']}\nUser ana@example.org\n"
                        f"Pass {password}\nSSLType IMAPS\nAuthMechs {mechanism}\nSystemCertificates no\n"
                        f"CertificateFile {server.chain}\n\nMaildirStore near\nPath {desk.path('box')}/\n"
                        f"Inbox {desk.path('box')}/INBOX\n\nChannel all\nFar :far:\nNear :near:\nSyncState *\nCreate Near\n")
        yield ["mbsync", "-V", "-c", rc, "all"]


def fetchmail(desk, server, password):
    for protocol in ("imap", "pop3"):
        rc = desk.write(f"{protocol}.rc", f"poll {NAME} protocol {protocol} service {server.ports[protocol + 's']} auth password\n"
                        f"user 'ana@example.org' password '{password}' ssl sslcertck sslcertfile '{server.chain}' keep\n"
                        f"mda 'cat >>{desk.path('mbox')}'\n")
        yield ["fetchmail", "-v", "-f", rc, "--pidfile", desk.path("pid"), "-i", desk.path("ids")]


CLIENTS = [curl, swaks, msmtp, mbsync, fetchmail]
TOLD = ["AUTHENTICATIONFAILED", "535", "password is wrong", "[AUTH]"]


@pytest.mark.parametrize("client", CLIENTS, ids=lambda f: f.__name__)
def test_wrong_password(desk, fresh, client):
    fresh.start()
    submit(fresh).sendmail("ana@example.org", ["ana@example.org"], message("there"))
    for command in client(desk, fresh, "quite-wrong"):
        done = desk.run(*command, stdin="Subject: never\n\nx\n", status=None)
        assert done.returncode != 0 and any(words in done.text for words in TOLD), (command, done.returncode, done.text)
    assert kept(fresh, "bob") == []
    for command in client(desk, fresh, "password-of-ana"):
        desk.run(*command, stdin="Subject: now\n\nx\n", status=(0, 1) if "fetchmail" in command else 0)
    pop3(fresh, "ana").quit()
