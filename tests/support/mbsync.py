"""Configurations of mbsync: one account, one Maildir tree, one channel for all its folders."""
import os

from support import maildir
from support.mail import NAME

SECURITY = {"clear": "None", "starttls": "STARTTLS", "tls": "IMAPS"}


class Replica:
    """A Maildir tree that mbsync keeps in step with an account."""

    def __init__(self, desk, server, user, name="mail", how="tls", more="Sync All\nExpunge Both\nCreate Both\nRemove Both",
                 mechanisms="*", patterns="*"):
        self.desk = desk
        self.path = desk.path(name)
        os.makedirs(self.path, exist_ok=True)
        port = server.ports["imaps" if how == "tls" else "imap"]
        self.rc = desk.write(f"{name}.rc", f"""FSync no

IMAPAccount far
Host {NAME}
Port {port}
User {user}@example.org
Pass password-of-{user}
AuthMechs {mechanisms}
SSLType {SECURITY[how]}
SystemCertificates no
CertificateFile {server.chain}
Timeout 120

IMAPStore far
Account far

MaildirStore near
Path {self.path}/
Inbox {self.path}/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns {patterns}
SyncState *
CopyArrivalDate yes
{more}
""")

    def sync(self, *args, **kw):
        return self.desk.run("mbsync", "-c", self.rc, *args, "all", **kw)

    def folder(self, name="INBOX"):
        return f"{self.path}/{name}"

    def make(self, name="INBOX"):
        return maildir.make(self.folder(name))

    def read(self, name="INBOX"):
        return maildir.read(self.folder(name))
