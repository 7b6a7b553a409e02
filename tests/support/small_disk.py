"""A small file system for a test, in a mount name space of its own: the kernel takes it away with the last process."""
import contextlib
import ctypes
import os
import tempfile

CLONE_NEWNS, MS_REC, MS_PRIVATE, MNT_DETACH = 0x00020000, 0x4000, 1 << 18, 2
libc = ctypes.CDLL(None, use_errno=True)


class Impossible(Exception):
    """Why there can be no small disk here."""


def must(result, what):
    if result:
        raise Impossible(f"{what}: {os.strerror(ctypes.get_errno())}")


@contextlib.contextmanager
def small_disk(mebibytes):
    """Its directory. The calling thread, and what it starts, lives in the new name space from here on; for all else
    the file systems are the same as outside."""
    if os.geteuid():
        raise Impossible("only root can mount a small disk")
    must(libc.unshare(CLONE_NEWNS), "no mount name space")
    must(libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "mounts stay shared")
    path = tempfile.mkdtemp(prefix="buzon-disk-")
    try:
        must(libc.mount(b"none", path.encode(), b"tmpfs", 0, f"size={mebibytes}m,mode=0700".encode()), "no tmpfs")
        try:
            yield path
        finally:
            libc.umount2(path.encode(), MNT_DETACH)
    finally:
        os.rmdir(path)


def fill(path, leave=0):
    """Writes ballast until so many bytes are left."""
    with open(f"{path}/ballast", "ab", buffering=0) as f:
        size = 1 << 20
        while size >= 512:
            fs = os.statvfs(path)
            if fs.f_bavail * fs.f_frsize < leave + size:
                size //= 2
                continue
            try:
                f.write(b"b" * size)
            except OSError:
                size //= 2
    return f"{path}/ballast"


def free_bytes(path):
    fs = os.statvfs(path)
    return fs.f_bavail * fs.f_frsize
