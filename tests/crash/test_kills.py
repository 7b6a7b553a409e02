"""Kills a random role under load, and every fifth time the whole tree: what was acknowledged is there, once."""
import email
import imaplib
import random
import smtplib
import ssl
import threading
import time
import uuid

import os
import signal

import pytest

from support.server import Server

CONTEXT = ssl._create_unverified_context()


class Load:
    """Delivers by SMTP and appends by IMAP; a token is acknowledged when the client saw 250 or OK."""

    def __init__(self, server):
        self.server, self.acked, self.running, self.lock = server, set(), True, threading.Lock()
        self.threads = [threading.Thread(target=self.repeat, args=(step,)) for step in (self.smtp, self.smtp, self.append)]

    def repeat(self, step):
        while self.running:
            token = uuid.uuid4().hex
            try:
                step(token)
            except (OSError, EOFError, smtplib.SMTPException, imaplib.IMAP4.error):
                time.sleep(0.02)
                continue
            with self.lock:
                self.acked.add(token)

    def smtp(self, token):
        with smtplib.SMTP("127.0.0.1", self.server.ports["smtp"], timeout=10) as c:
            c.sendmail("x@remote.example", ["ana@example.org"], f"Subject: {token}\r\n\r\n" + "x" * random.randrange(4000))

    def append(self, token):
        c = sign_in(self.server)
        try:
            typ, data = c.append("INBOX", None, None, f"Subject: {token}\r\n\r\nappended\r\n".encode())
            if typ != "OK":
                raise imaplib.IMAP4.error(str(data))
        finally:
            c.shutdown()


def sign_in(server):
    c = imaplib.IMAP4_SSL("127.0.0.1", server.ports["imaps"], ssl_context=CONTEXT, timeout=10)
    c.login("ana@example.org", "password-of-ana")
    return c


def subjects(server):
    c = sign_in(server)
    c.select("INBOX", readonly=True)
    typ, data = c.fetch("1:*", "(UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    c.logout()
    return [email.message_from_bytes(d[1])["Subject"] for d in data if isinstance(d, tuple)]


def wait_ready(server):
    started = time.time()
    while time.time() - started < 30:
        status = server.status()
        if status and status["ready"]:
            return time.time() - started
        time.sleep(0.01)
    raise AssertionError("not ready again: " + server.log_text()[-2000:])


def test_nothing_acknowledged_is_lost(request, buzon):
    kills = request.config.getoption("--kills")
    server = Server(buzon)
    server.start()
    load = Load(server)
    recoveries = []
    try:
        for t in load.threads:
            t.start()
        for n in range(1, kills + 1):
            time.sleep(random.uniform(0.05, 0.4))
            if n % 5 == 0:
                server.stop(kill=True)
                time.sleep(0.1)
                started = time.time()
                server.start()
                recoveries.append(time.time() - started)
            else:
                pids = server.pids()
                try:
                    os.kill(random.choice(pids), signal.SIGKILL)
                except ProcessLookupError:
                    pass
                wait_ready(server)
        time.sleep(0.5)
        load.running = False
        for t in load.threads:
            t.join(timeout=30)
        wait_ready(server)
        found = subjects(server)
        lost = load.acked - set(found)
        print(f"{kills} kills, {len(load.acked)} acknowledged, {len(found)} found, "
              f"slowest recovery {max(recoveries):.2f} s")
        assert not lost, f"{len(lost)} of {len(load.acked)} lost"
        assert len(found) == len(set(found)), "a message is there twice"
        assert load.acked, "the load did nothing"
        assert max(recoveries) < 5
        assert server.run("check", "--deep").returncode == 0
    finally:
        load.running = False
        server.close()
