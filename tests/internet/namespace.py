"""Namespaces: how the engine gets one of its own, and what it looks like inside (addresses, routes, /etc)."""
import ipaddress
import os
import shlex
import socket
import struct
import subprocess
import time

NOWHERE = "02:00:00:00:00:99"  # the link address of hosts that never answer
FILES = {"resolv.conf": "nameserver {resolver}\noptions timeout:2 attempts:2 edns0 trust-ad\n",
         "hosts": "127.0.0.1 localhost\n::1 localhost ip6-localhost\n",
         "nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\nprotocols: files\n"}


def unshare_options():
    """As root without a user namespace, so that programs can change users; else as root of a user namespace."""
    trials = [["-nm"], ["-Urnm"]] if os.geteuid() == 0 else [["-Urnm"]]
    why = ""
    for options in trials:
        try:
            done = subprocess.run(["unshare", *options, "true"], capture_output=True, text=True)
        except FileNotFoundError:
            return None, "there is no command 'unshare'"
        if done.returncode == 0 and not os.path.exists("/proc/sys/net/ipv6"):
            return None, "this kernel has no IPv6"
        if done.returncode == 0:
            return options, ""
        why = done.stderr.strip()
    return None, f"this machine gives no namespaces to this user ({why})"


def enter_command(pid, user_namespace, directory):
    extra = ["--preserve-credentials", "-U"] if user_namespace else []
    return ["nsenter", *extra, "-n", "-m", "-t", str(pid), f"--wdns={directory}", "--"]


def members(pid):
    """Other processes in the network namespace of this one."""
    wanted = os.readlink(f"/proc/{pid}/ns/net")
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != pid:
            try:
                if os.readlink(f"/proc/{name}/ns/net") == wanted:
                    found.append(int(name))
            except OSError:
                continue
    return found


# --- inside

def _run(command, stdin=None):
    done = subprocess.run(command, input=stdin, capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"{shlex.join(command)[:100]}: {done.stderr.strip()[:1000]}")


def _width(address):
    return 128 if ":" in address else 32


def _same_family(addresses, other):
    return next((a for a in addresses if (":" in a) == (":" in other)), None)


def set_up(scenario, directory, certificates_directory):
    for name in ("all", "default", "lo"):
        _write(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6", "0")
    try:
        _batch(["link add void0 type veth peer name void1", "link set void1 up"])
    except OSError:
        _batch(["link add void0 type dummy"])  # filters as well, but nobody counts the SYNs
    _batch(_links_and_addresses(scenario))
    _wait_for_local_routes(scenario)
    _batch(_sources6(scenario))
    _batch(_routes(scenario))
    _write("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0")
    _mounts(scenario, directory, certificates_directory)


def _write(path, text):
    """Settings that are usually right; where they cannot be changed, the programs that need them say so."""
    try:
        with open(path, "w") as f:
            f.write(text)
    except OSError:
        pass


def _batch(lines):
    _run(["ip", "-batch", "-"], "\n".join(lines) + "\n")


def _wait_for_local_routes(scenario):
    """The kernel makes the local routes of IPv6 addresses a moment after the addresses."""
    wanted = set(_served(scenario, True))
    for _ in range(200):
        shown = subprocess.run(["ip", "-6", "route", "show", "table", "local"], capture_output=True, text=True).stdout
        if wanted <= {line.split()[1] for line in shown.splitlines()}:
            return
        time.sleep(0.01)


def _links_and_addresses(scenario):
    yield "link set lo up"
    yield "link set void0 up"
    for address in dict.fromkeys([*scenario.clients, *scenario.addresses()]):
        yield f"addr add {address}/{_width(address)} dev lo {'nodad' if ':' in address else ''}"


def _served(scenario, six):
    return [a for a in scenario.addresses() if a not in scenario.clients and (":" in a) == six]


def _sources6(scenario):
    """Connections to hosts come from the client's address. The kernel's own route would win, so that one goes."""
    source = _same_family(scenario.clients, "::")
    for address in _served(scenario, True) if source else []:
        yield f"route del local {address} dev lo table local"
        yield f"route add local {address} dev lo table local src {source}"


def _routes(scenario):
    source = _same_family(scenario.clients, "0.0.0.0")
    for address in _served(scenario, False) if source else []:
        yield f"route replace local {address} dev lo table local src {source}"
    for host in scenario.hosts.values():
        for address in host.addresses:
            yield from _route(host.state, address, _same_family(scenario.clients, address))


def _route(state, address, source):
    if state in ("unreachable", "prohibited"):
        yield f"route add {'prohibit' if state == 'prohibited' else state} {address}/{_width(address)}"
    elif state == "filtered":
        yield f"route add {address}/{_width(address)} dev void0 {'src ' + source if source else ''}"
        yield f"neigh add {address} lladdr {NOWHERE} dev void0"


def _mounts(scenario, directory, certificates_directory):
    os.makedirs(f"{directory}/etc", exist_ok=True)
    commands = []
    for name, text in FILES.items():
        with open(f"{directory}/etc/{name}", "w") as f:
            f.write(text.format(resolver=scenario.resolver[0]))
        target = os.path.realpath(f"/etc/{name}")
        if os.path.exists(target):
            commands.append(f"mount --bind {shlex.quote(directory)}/etc/{name} {shlex.quote(target)}")
    if os.path.isdir("/etc/ssl/certs"):
        commands.append(f"mount --bind {shlex.quote(certificates_directory)} /etc/ssl/certs")
    _run(["sh", "-ec", "\n".join(commands)])


class Void:
    """What is sent to filtered hosts ends here; the journal learns of each SYN."""

    def __init__(self, journal):
        self.journal = journal
        self.packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.packets.bind(("void1", 0))
        self.packets.setblocking(False)

    def readable(self):
        for _ in range(64):
            try:
                self._packet(self.packets.recv(2048))
            except BlockingIOError:
                return

    def _packet(self, frame):
        kind, = struct.unpack_from("!H", frame, 12)
        if kind == 0x0800 and frame[23] == 6:
            at, source, target = 14 + (frame[14] & 15) * 4, frame[26:30], frame[30:34]
        elif kind == 0x86DD and frame[20] == 6:
            at, source, target = 54, frame[22:38], frame[38:54]
        else:
            return
        if frame[at + 13] & 0x12 == 0x02:
            self.journal.write("syn", client=str(ipaddress.ip_address(source)), address=str(ipaddress.ip_address(target)),
                               port=struct.unpack_from("!H", frame, at + 2)[0])
