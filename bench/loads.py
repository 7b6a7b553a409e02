"""The loads: each drives one server over loopback and returns its figures as {name: number}.

Seconds are the client's clock; "cpu" is the server's CPU over all its processes. The messages are the same for every
server: a fixed seed, 1 to 10 KiB, a rare word in one of ten thousand.
"""
import asyncio
import os
import random
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time

from servers import DOMAIN

RARE = "zyzzogeton"
WORDS = [f"w{i:04d}" * (1 + i % 3) for i in range(2000)]
INBOX_COUNT = re.compile(rb"MESSAGES (\d+)")


class Messages:
    """Message i of the bench, the same each time: headers of its own, a body cut from a pool of lines."""

    def __init__(self):
        chance = random.Random(1)
        self.lines = [(" ".join(chance.choices(WORDS, k=8)) + "\r\n").encode() for _ in range(4096)]
        self.pool = b"".join(self.lines)
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line))

    def get(self, i):
        chance = random.Random(i)
        size, first = chance.randint(1024, 10240), chance.randrange(3000)
        head = (f"Return-Path: <sender{i % 5000}@example.org>\r\n"
                f"Received: from mta{i % 50}.example.org by mx.bench.test with ESMTP id {i:08x}; Mon, 2 Nov 2026 10:00:00 +0000\r\n"
                f'From: "Sender {i % 5000}" <sender{i % 5000}@example.org>\r\nTo: "Bench" <bench@bench.test>\r\n'
                f"Cc: list{i % 20}@example.net\r\nSubject: message number {i} about {WORDS[i % 2000]}\r\n"
                f"Date: Mon, 2 Nov 2026 10:{i // 60 % 60:02d}:{i % 60:02d} +0000\r\nMessage-ID: <{i}.bench@example.org>\r\n"
                "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n").encode()
        if i % 10000 == 5000:
            head += RARE.encode() + b"\r\n"
        start = self.starts[first]
        end = self.pool.find(b"\r\n", start + size - len(head) if size > len(head) else start) + 2
        return head + self.pool[start:end]


class Imap:
    """A client as thin as can be: it sends a command and reads until its tagged line."""

    def __init__(self, server, user):
        self.socket = socket.create_connection(("127.0.0.1", server.ports["imap"]), timeout=900)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.count = 0
        self.socket.recv(65536)
        self.command(f"LOGIN {server.login(user)} {server.password}")

    def wait(self, tag):
        wanted, tail = tag.encode() + b" ", b""
        while True:
            got = self.socket.recv(1 << 20)
            if not got:
                raise SystemExit(f"the server closed the connection after {tail[-300:]!r}")
            tail = got if len(got) > 65536 else tail[-65536:] + got
            if tail.endswith(b"\r\n"):
                at = tail.rfind(b"\n", 0, -2) + 1
                if tail.startswith(wanted, at):
                    if tail[at + len(wanted):at + len(wanted) + 2] != b"OK":
                        raise SystemExit(f"the server refused: {tail[at:at + 300]!r}")
                    return tail

    def tag(self):
        self.count += 1
        return f"t{self.count}"

    def command(self, text):
        tag = self.tag()
        self.socket.sendall(f"{tag} {text}\r\n".encode())
        return self.wait(tag)

    def append(self, mailbox, messages):
        """One MULTIAPPEND."""
        tag = self.tag()
        parts = b"".join(b" {%d+}\r\n%s" % (len(m), m) for m in messages)
        self.socket.sendall(f"{tag} APPEND {mailbox}".encode() + parts + b"\r\n")
        self.wait(tag)

    def close(self):
        self.socket.close()


class Timed:
    def __init__(self, server, figures, name):
        self.server, self.figures, self.name = server, figures, name

    def __enter__(self):
        self.cpu, self.start = self.server.cpu(), time.monotonic()

    def __exit__(self, kind, *_):
        if kind is None:
            self.figures[self.name] = time.monotonic() - self.start
            self.figures[self.name + " cpu"] = self.server.cpu() - self.cpu


def deliver(server, reader, messages=10000, sessions=50, size=4096, lmtp=False):
    """messages over sessions at once, a connection for each, until they are in the mailboxes; reader offers IMAP."""
    processes, limit = 10, 300
    each, share = messages // processes, sessions // processes
    before = sum(inbox_count(reader, i) for i in range(processes))
    port = server.ports["lmtp" if lmtp else "smtp"]
    cpu, start = server.cpu(), time.monotonic()
    running = [subprocess.Popen(["smtp-source", *(["-L"] if lmtp else []), "-s", str(share), "-m", str(each), "-l", str(size),
                                 "-f", "from@load.test", "-t", f"u{i}@{DOMAIN}", f"inet:127.0.0.1:{port}"])
               for i in range(processes)]
    if any([p.wait(timeout=limit) for p in running]):
        raise SystemExit(f"smtp-source failed against {server.name}")
    accepted = time.monotonic() - start
    while sum(inbox_count(reader, i) for i in range(processes)) < before + each * processes:
        if time.monotonic() - start > limit:
            raise SystemExit(f"{server.name} delivered too little in {limit} s")
        time.sleep(0.2)
    delivered = time.monotonic() - start
    if delivered - accepted < 0.5:  # everything was there when the last 250 came: counting it is not part of the work
        delivered = accepted
    used = server.cpu() - cpu
    return {"accepted per second": messages / accepted, "delivered per second": messages / delivered,
            "ms CPU a message": used / messages * 1000}


class Sink:
    """Postfix's smtp-sink: takes everything and counts it."""

    def __init__(self, port):
        as_nobody = ["-u", "nobody"] if os.geteuid() == 0 else []
        self.process = subprocess.Popen(["smtp-sink", *as_nobody, "-c", f"127.0.0.1:{port}", "1024"], stdout=subprocess.PIPE)
        self.count = 0
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        tail = b""
        while piece := os.read(self.process.stdout.fileno(), 65536):
            tail = (tail + piece)[-4096:]
            seen = re.findall(rb"mesg=(\d+)[^\d]", tail)
            self.count = int(seen[-1]) if seen else self.count

    def stop(self):
        self.process.terminate()
        self.process.wait()


def relay(server, sink, local_part, messages=10000, sessions=50, size=4096):
    """messages in by sessions at once, out again to the sink."""
    processes, limit, before = 10, 300, sink.count
    cpu, start = server.cpu(), time.monotonic()
    running = [subprocess.Popen(["smtp-source", "-s", str(sessions // processes), "-m", str(messages // processes), "-l", str(size),
                                 "-f", "from@load.test", "-t", f"{local_part}{i}@{DOMAIN}", f"inet:127.0.0.1:{server.ports['smtp']}"])
               for i in range(processes)]
    if any([p.wait(timeout=limit) for p in running]):
        raise SystemExit(f"smtp-source failed against {server.name}")
    while sink.count < before + messages:
        if time.monotonic() - start > limit:
            raise SystemExit(f"{server.name} relayed {sink.count - before} of {messages} in {limit} s")
        time.sleep(0.05)
    seconds = time.monotonic() - start
    time.sleep(0.5)
    return {"per second": messages / seconds, "ms CPU a message": (server.cpu() - cpu) / messages * 1000}


def inbox_count(server, user):
    client = Imap(server, user)
    count = int(INBOX_COUNT.search(client.command("STATUS INBOX (MESSAGES)")).group(1))
    client.close()
    return count


def append(server, count=2000):
    """Single APPENDs, each waited for."""
    source, client, latencies = Messages(), Imap(server, 20), []
    client.command("CREATE appended")
    cpu = server.cpu()
    for i in range(count):
        message = source.get(i)
        start = time.monotonic()
        client.append("appended", [message])
        latencies.append(time.monotonic() - start)
    latencies.sort()
    used = server.cpu() - cpu
    client.close()
    return {"p50 ms": latencies[count // 2] * 1000, "p99 ms": latencies[count * 99 // 100] * 1000, "ms CPU": used / count * 1000}


def fill(server, count):
    source, client, batch, figures = Messages(), Imap(server, 21), 500, {}
    client.command("CREATE big")
    with Timed(server, figures, "fill"):
        for first in range(0, count, batch):
            client.append("big", [source.get(i) for i in range(first, min(first + batch, count))])
    client.close()
    return {"messages per second": count / figures["fill"], "ms CPU a message": figures["fill cpu"] / count * 1000}


def mailbox(server, count, repeat=3):
    """The commands on a mailbox of many messages; the median of the repetitions."""
    runs = []
    first = {}
    for round_number in range(repeat):
        runs.append(mailbox_round(server, count, first, round_number, repeat))
    out = {}
    for name in runs[-1]:
        values = sorted(r[name] for r in runs if name in r)
        out[name] = values[len(values) // 2]
    return {**out, **first}


def mailbox_round(server, count, first, number, repeat):
    figures, client = {}, Imap(server, 21)
    part = count // 10

    def run(name, command, into=None):
        with Timed(server, figures if into is None else into, name):
            return client.command(command)

    everything = "FETCH 1:* (UID FLAGS ENVELOPE INTERNALDATE RFC822.SIZE)"
    client.command("SELECT big")
    client.command("UNSELECT")
    run("SELECT", "SELECT big")
    run("FETCH FLAGS", "FETCH 1:* (FLAGS)")
    if number == 0:
        run("FETCH ENVELOPE first", everything, first)
    run("FETCH ENVELOPE", everything)
    low = count // 5 + 1
    client.command(f"FETCH {low}:{low + part // 2 - 1} BODY.PEEK[]")
    run("FETCH BODY", f"FETCH {low}:{low + part // 2 - 1} BODY.PEEK[]")
    run("STORE", "STORE 1:* +FLAGS (\\Flagged)")
    client.command("STORE 1:* -FLAGS (\\Flagged)")
    run("STORE SILENT", "STORE 1:* +FLAGS.SILENT (\\Seen)")
    client.command("STORE 1:* -FLAGS.SILENT (\\Seen)")
    run("SEARCH FROM", "SEARCH FROM sender4321@")
    run("SEARCH TEXT", f"SEARCH TEXT {RARE}")
    run("SEARCH UNSEEN", "SEARCH UNSEEN")
    client.command(f"CREATE copy{number}")
    client.command(f"CREATE move{number}")
    run("COPY", f"COPY 1:{part} copy{number}")
    client.command(f"SELECT copy{number}")
    run("MOVE", f"MOVE 1:{part} move{number}")
    if int(INBOX_COUNT.search(client.command(f"STATUS move{number} (MESSAGES)")).group(1)) != part:
        raise SystemExit(f"{server.name} lost messages on the way")
    client.command("SELECT big")
    client.command(f"DELETE copy{number}")
    client.command(f"DELETE move{number}")
    if number == repeat - 1:
        middle = count * 3 // 10
        client.command(f"STORE {middle + 1}:{middle + part} +FLAGS.SILENT (\\Deleted)")
        run("EXPUNGE", "EXPUNGE")
    client.close()
    return figures


def sign_in(server, total=1000, tls=False):
    """Connect, LOGIN, LOGOUT, one after the other over ten users; the server's CPU counts, not Python's."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for i in range(10):  # the verifiers are cached from here on
        sign_in_once(server, i, context if tls else None)
    cpu = server.cpu()
    for i in range(total):
        sign_in_once(server, i % 10, context if tls else None)
    return {"ms CPU": (server.cpu() - cpu) / total * 1000}


def sign_in_once(server, user, context):
    raw = socket.create_connection(("127.0.0.1", server.ports["imaps" if context else "imap"]), timeout=60)
    connection = context.wrap_socket(raw) if context else raw
    connection.recv(4096)
    connection.sendall(f"a LOGIN {server.login(user)} {server.password}\r\n".encode())
    got = b""
    while b"a OK" not in got:
        more = connection.recv(4096)
        if not more:
            raise SystemExit(f"no sign-in at {server.name}: {got!r}")
        got += more
    connection.sendall(b"b LOGOUT\r\n")
    while connection.recv(4096):
        pass
    connection.close()


async def idle_session(server, user, context, gate):
    async with gate:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.ports["imaps"], ssl=context)
        await reader.readline()
        for command in (f"a LOGIN {server.login(user)} {server.password}", "b SELECT INBOX", "c IDLE"):
            writer.write(f"{command}\r\n".encode())
            tag = command[:1].encode() + b" "
            while True:
                line = await reader.readline()
                if line.startswith((tag, b"+")):
                    break
                if not line:
                    raise SystemExit(f"{server.name} closed an idle session")
    return writer


async def idle_all(server, total, settle):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    gate = asyncio.Semaphore(16)
    first = await asyncio.gather(*(idle_session(server, i % 100, context, gate) for i in range(100)))
    await asyncio.sleep(1)
    before = server.pss()
    rest = await asyncio.gather(*(idle_session(server, i % 100, context, gate) for i in range(total)))
    await asyncio.sleep(settle)
    after, cpu = server.pss(), server.cpu()
    await asyncio.sleep(5)
    spent = server.cpu() - cpu
    for writer in first + rest:
        writer.transport.abort()
    return {"KiB each": (after - before) / total, "ms CPU a second, all of them": spent / 5 * 1000}


def idle(server, total=2000, settle=10):
    """Signed-in TLS sessions that wait in IDLE: what each adds to the memory of all processes."""
    return asyncio.run(idle_all(server, total, settle))


def pop3(server, count=5000, pipeline=1, user=22):
    """RETR of every message of 4 KiB; the mailbox is filled on first use."""
    if inbox_count(server, user) < count:
        client, body = Imap(server, user), b"Subject: a message\r\n\r\n" + b"x" * 76 + b"\r\n"
        message = body + (b"y" * 76 + b"\r\n") * 51
        for _ in range(count // 500):
            client.append("INBOX", [message] * 500)
        client.close()
    connection = socket.create_connection(("127.0.0.1", server.ports["pop3"]), timeout=120)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    reader = connection.makefile("rb", 1 << 20)
    reader.readline()
    for command in (f"USER {server.login(user)}", f"PASS {server.password}", "STAT"):
        connection.sendall(command.encode() + b"\r\n")
        reader.readline()
    cpu, start, at = server.cpu(), time.monotonic(), 1
    while at <= count:
        now = min(pipeline, count + 1 - at)
        connection.sendall(b"".join(b"RETR %d\r\n" % (at + j) for j in range(now)))
        for _ in range(now):
            line = reader.readline()
            if not line.startswith(b"+OK"):
                raise SystemExit(f"{server.name}: {line!r}")
            while line != b".\r\n":
                line = reader.readline()
        at += now
    seconds = time.monotonic() - start
    used = server.cpu() - cpu
    connection.sendall(b"QUIT\r\n")
    reader.readline()
    connection.close()
    return {"per second": count / seconds, "ms CPU": used / count * 1000}


def disk(directory, count=1000, size=4096):
    """What the disk gives: durable appends a second by one writer."""
    path = f"{directory}/appends"
    fd, block = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), b"d" * size
    start = time.monotonic()
    for _ in range(count):
        os.write(fd, block)
        os.fdatasync(fd)
    seconds = time.monotonic() - start
    os.close(fd)
    os.unlink(path)
    return {"appends per second": count / seconds}


def have(*programs):
    return all(shutil.which(p) for p in programs)
