"""A change to a whole mailbox, told to clients that do not read for a while: all of it arrives, in pieces."""
import pytest

from support.imap_wire import Imap

COUNT = 16384


def sign_in(server):
    c = Imap(server.ports["imaps"], tls=True, timeout=120)
    assert c.run("LOGIN ana@example.org password-of-ana").status == "OK"
    return c


@pytest.fixture
def full(server):
    """A session with a mailbox of COUNT messages open."""
    c = sign_in(server)
    c.run("CREATE full")
    c.run(["APPEND full ", ("literal", b"Subject: one\r\n\r\nbody\r\n")])
    c.run("SELECT full")
    for _ in range(COUNT.bit_length() - 1):
        assert c.run("COPY 1:* full").status == "OK"
    yield c
    c.run("DELETE full")
    c.close()


def test_changes_reach_who_does_not_read(server, full):
    others = {"noop": sign_in(server), "idle": sign_in(server), "qresync": sign_in(server)}
    others["qresync"].run("ENABLE QRESYNC")
    old = {}
    for name, c in others.items():
        reply = c.run("SELECT full")
        assert reply.all("EXISTS")[0][1] == COUNT
        old = {v[0].split()[0]: v[0].split()[1] for w, _, v in reply.untagged if w == "OK" and v[0] and " " in v[0]}
    others["idle"].send(b"i1 IDLE\r\n")
    assert others["idle"].response().startswith(b"+")

    assert full.run("STORE 1:* +FLAGS.SILENT (\\Flagged keyword)").status == "OK"
    tag, _ = others["noop"].start("NOOP")  # nobody reads what is said, and more happens
    assert full.run("STORE 1:* +FLAGS.SILENT (\\Seen)").status == "OK"
    reply = others["noop"].finish(tag)
    assert sorted(n for _, n, _ in reply.all("FETCH")) == list(range(1, COUNT + 1))
    reply = others["noop"].run("NOOP")
    assert not reply.all("FETCH") or len(reply.all("FETCH")) == COUNT

    seen = set()
    while len(seen) < COUNT:
        line = others["idle"].response()
        if b" FETCH (" in line and b"\\Seen" in line:
            seen.add(int(line.split()[1]))

    fresh = sign_in(server)
    fresh.run("ENABLE QRESYNC")
    reply = fresh.run(f"SELECT full (QRESYNC ({old['UIDVALIDITY']} {old['HIGHESTMODSEQ']}))")
    assert len(reply.all("FETCH")) == COUNT
    fresh.close()

    assert full.run("STORE 2:* +FLAGS.SILENT (\\Deleted)").status == "OK"
    tag, _ = full.start("EXPUNGE")
    assert len(full.finish(tag).all("EXPUNGE")) == COUNT - 1
    assert len(others["noop"].run("NOOP").all("EXPUNGE")) == COUNT - 1
    reply = others["qresync"].run("NOOP")
    assert {v[0] for _, _, v in reply.all("VANISHED")} == {f"2:{COUNT}"}
    gone = 0
    while gone < COUNT - 1:
        gone += others["idle"].response().endswith(b"EXPUNGE\r\n")
    others["idle"].send(b"DONE\r\n")
    while not others["idle"].response().startswith(b"i1 OK"):
        pass
    for c in others.values():
        assert c.run("FETCH 1:* (FLAGS)").status == "OK"
        c.close()
