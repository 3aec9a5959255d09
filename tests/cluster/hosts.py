"""Hosts in network namespaces, joined by a bridge.

A thread inside `with host:` is on that host: what it starts, binds and connects to is there.
Needs `namespaces.run`.
"""

import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

NETWORK = "10.77.0"
_NEW_NET, _NEW_UTS = 0x40000000, 0x04000000
_libc = ctypes.CDLL(None, use_errno=True)


class Network:
    """The bridge, and the namespace in which it and the script are."""

    def __init__(self) -> None:
        self._inside = _open_namespaces()
        ip("link", "set", "lo", "up")
        ip("link", "add", "switch", "type", "bridge")
        ip("address", "add", f"{NETWORK}.1/24", "dev", "switch")
        ip("link", "set", "switch", "up")

    def host(self, name: str, number: int, folder: Path, megabytes: int) -> "Host":
        """Add a host with a cable to the bridge and a disk of this size."""
        folder.mkdir()
        _run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=711", "tmpfs", str(folder))
        _check(_libc.unshare(_NEW_NET | _NEW_UTS))
        try:
            socket.sethostname(name)
            own = _open_namespaces()
        finally:
            self.enter()
        host = Host(name, f"{NETWORK}.{number}", folder, self, own)
        self._connect(host)
        return host

    def enter(self) -> None:
        """Move this thread to the script's own namespaces."""
        _enter(self._inside)

    def _connect(self, host: "Host") -> None:
        at_host = f"/proc/{os.getpid()}/fd/{host.namespaces[0]}"
        ip("link", "add", host.cable, "type", "veth", "peer", "name", "eth0", "netns", at_host)
        ip("link", "set", host.cable, "master", "switch", "up")
        with host:
            ip("link", "set", "lo", "up")
            ip("address", "add", f"{host.address}/24", "dev", "eth0")
            ip("link", "set", "eth0", "up")


@dataclass(frozen=True)
class Host:
    """A host: an address, a small disk at `folder`, and the processes in its namespace."""

    name: str
    address: str
    folder: Path
    network: Network
    namespaces: tuple[int, int]

    def __enter__(self) -> "Host":
        _enter(self.namespaces)
        return self

    def __exit__(self, *_: object) -> None:
        self.network.enter()

    @property
    def log(self) -> Path:
        """The output of its programs, beside its disk: a full disk must not stop them."""
        return self.folder.with_suffix(".log")

    @property
    def cable(self) -> str:
        """The end of its cable at the bridge."""
        return f"to-{self.name}"

    def start(
        self, command: Sequence[str], env: Mapping[str, str], cwd: Path
    ) -> "subprocess.Popen[bytes]":
        """Start a program on it, with its output in `log`."""
        with self, self.log.open("ab") as out:
            return subprocess.Popen(
                command, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                start_new_session=True,
            )  # fmt: skip

    def cut(self) -> None:
        """Pull its cable."""
        ip("link", "set", self.cable, "down")

    def join(self) -> None:
        """Plug the cable in, and wait until the host has noticed it."""
        ip("link", "set", self.cable, "up")
        with self:
            while "state UP" not in ip("link", "show", "eth0"):
                time.sleep(0.02)

    def kill(self) -> None:
        """Send SIGKILL to all its processes at once, as in a power cut."""
        self.freeze()
        self._signal(signal.SIGKILL)
        while list(self.processes()):
            time.sleep(0.01)

    def freeze(self) -> None:
        """Send SIGSTOP to all its processes: connections stay open, and nothing answers."""
        before: set[int] = set()
        # A process that is not stopped yet may start another one.
        while before != (now := set(self.processes())):
            self._signal(signal.SIGSTOP)
            before = now

    def resume(self) -> None:
        """Send SIGCONT to all its processes."""
        self._signal(signal.SIGCONT)

    def processes(self) -> Iterator[int]:
        """Yield the ids of its processes. Nothing but the cluster is visible in this /proc."""
        own = os.fstat(self.namespaces[0]).st_ino
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if int(entry.name) != os.getpid() and (entry / "ns/net").stat().st_ino == own:
                    yield int(entry.name)

    def processor_wait(self) -> float:
        """Return for how many seconds its threads, and the script's, have waited for a processor."""
        nanoseconds = 0
        for pid in (*self.processes(), os.getpid()):
            for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
                with suppress(OSError):
                    nanoseconds += int(thread.read_text().split()[1])
        return nanoseconds / 1e9

    def _signal(self, number: int) -> None:
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, number)


def cut_between(one: Host, other: Host) -> None:
    """Let two hosts not reach each other. All others still reach both."""
    for host in (one, other):
        _run("bridge", "link", "set", "dev", host.cable, "isolated", "on")


def join_again(one: Host, other: Host) -> None:
    """Undo `cut_between`."""
    for host in (one, other):
        _run("bridge", "link", "set", "dev", host.cable, "isolated", "off")


def write_names(hosts: Mapping[str, str], folder: Path) -> None:
    """Let names resolve to addresses, on all hosts and for the script."""
    file = folder / "hosts"
    lines = [f"{address}\t{name}\n" for name, address in hosts.items()]
    file.write_text("127.0.0.1\tlocalhost\n" + "".join(lines))
    file.chmod(0o644)
    _run("mount", "--bind", str(file), "/etc/hosts")


def ip(*arguments: str) -> str:
    """Run `ip` on the host of this thread, and return its output."""
    return _run("ip", *arguments)


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def _open_namespaces() -> tuple[int, int]:
    """Open the namespaces of this thread: its network and its name."""
    kinds = ("net", "uts")
    net, uts = (os.open(f"/proc/thread-self/ns/{kind}", os.O_RDONLY) for kind in kinds)
    return net, uts


def _enter(namespaces: tuple[int, int]) -> None:
    for descriptor in namespaces:
        _check(_libc.setns(descriptor, 0))


def _check(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
