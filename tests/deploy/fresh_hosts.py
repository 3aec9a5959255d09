"""Hosts for the commands of docs/cluster.md: folders made by debootstrap, in networks of their own.

The packages of all hosts are installed into one folder, in the network of this machine. Each host
then gets a copy of it (an overlay) that sees only the other hosts.
"""

import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests import units
from tests.cluster.hosts import Host
from tests.deploy.page import Block
from tests.deploy.stand_ins import FOLDER as STAND_INS

ROOT = Path(__file__).resolve().parents[2]
RELEASE = "bookworm"
# What the stand-in for systemctl needs.
_PACKAGES = "ca-certificates,python3,python3-seccomp,iproute2,procps,adduser"
# How this machine reaches the registries of packages.
_REACH = (
    "etc/apt/sources.list", "etc/apt/sources.list.d", "etc/apt/apt.conf.d", "etc/pip.conf",
    "etc/ssl/certs/ca-certificates.crt", "etc/resolv.conf", "etc/hosts",
)  # fmt: skip
_PASSED_ON = ("PIP_", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE")


def make_base(base: Path, packages: Iterable[Block]) -> None:
    """Make the folder of all hosts, with the code in /opt/maria, and install the packages."""
    _run(["debootstrap", "--variant=minbase", f"--include={_PACKAGES}", RELEASE, str(base)])
    copy_reach(base)
    # No service is started by the installation of its package.
    (base / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")
    (base / "usr/sbin/policy-rc.d").chmod(0o755)
    _copy_code(base / "opt/maria")
    env = {name: value for name, value in os.environ.items() if name.startswith(_PASSED_ON)}
    run_in(base, "apt-get update -q", env)
    for block in packages:
        run_in(base, block.script, env)
    for program in STAND_INS.iterdir():
        if program.is_file() and not program.suffix:
            shutil.copy(program, base / "usr/local/bin")
    (base / "etc/allowed-system-calls").write_text("\n".join(allowed_system_calls()))


def copy_reach(root: Path) -> None:
    """Let a fresh folder reach the registries of packages as this machine does."""
    for name in _REACH:
        _copy(Path("/", name), root / name)


def make_root(host: Host, base: Path) -> Path:
    """Give a host its copy of the folder of all hosts; return it."""
    root, upper, work = (host.folder / name for name in ("root", "upper", "work"))
    for folder in (root, upper, work):
        folder.mkdir()
        folder.chmod(0o755)  # whatever the umask of this process is
    layers = f"lowerdir={base},upperdir={upper},workdir={work}"
    _run(["mount", "-t", "overlay", "overlay", "-o", layers, str(root)])
    _run(["mount", "-t", "proc", "proc", str(root / "proc")])
    _run(["mount", "--rbind", "/dev", str(root / "dev")])
    shutil.copy("/etc/hosts", root / "etc/hosts")
    return root


def connect(roots: Iterable[Path]) -> None:
    """Let the hosts, which all exist, see each other's folders: for the stand-in of scp."""
    for root in roots:
        (root / "mnt/hosts").mkdir()
        _run(["mount", "--rbind", str(root.parent.parent), str(root / "mnt/hosts")])


def run_in(root: Path, script: str, env: Mapping[str, str] | None = None) -> str:
    """Run commands in a folder as root until one fails; RuntimeError then."""
    path = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    settings = {"DEBIAN_FRONTEND": "noninteractive", "LANG": "C.UTF-8", "HOME": "/root"}
    done = subprocess.run(
        ["chroot", str(root), "sh", "-eu"], input=script, env={**path, **settings, **(env or {})},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, umask=0o022,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{script}\n{done.stdout[-3000:]}")
    return done.stdout


def allowed_system_calls() -> list[str]:
    """Return the system calls that the units allow."""
    allowed: set[str] = set()
    for key, text in units.read("web").lines:
        if key == "SystemCallFilter":
            calls = _calls_of(text.removeprefix("~"))
            allowed = allowed - calls if text.startswith("~") else allowed | calls
    return sorted(allowed)


def _calls_of(name: str) -> set[str]:
    if not name.startswith("@"):
        return {name}
    done = subprocess.run(
        ["systemd-analyze", "--no-pager", "syscall-filter", name],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    words = [line.strip() for line in done.stdout.splitlines()[1:]]
    return {call for word in words if word and word[0] != "#" for call in _calls_of(word)}


def _copy_code(target: Path) -> None:
    target.mkdir(parents=True)
    target.chmod(0o755)
    pack = "git ls-files -z | tar --create --null --files-from - | tar --extract --directory"
    command = ["sh", "-euc", f'{pack} "$1"', "sh", str(target)]
    subprocess.run(command, cwd=ROOT, check=True, umask=0o022)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
    elif source.exists():
        target.unlink(missing_ok=True)
        shutil.copy(source, target)


def _run(command: list[str]) -> None:
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, umask=0o022
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout[-2000:]}")
