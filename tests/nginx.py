"""A temporary nginx on free ports of the loopback interface, as a proxy of the product."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.need import missing
from tests.ports import free_port

INSTALL_HINT = "apt-get install nginx"
SITE = Path(__file__).resolve().parent.parent / "deploy" / "nginx" / "maria.conf"


@dataclass(frozen=True)
class ProxyHop:
    """One proxy: it listens on `port` and forwards to `upstream`; `directives` are those of its location.

    `others` are further locations.
    """

    upstream: int
    directives: str
    port: int
    others: str = field(default="", kw_only=True)

    def __str__(self) -> str:
        return f"""
        server {{
            listen 127.0.0.1:{self.port};
            listen [::1]:{self.port};
            location / {{
                proxy_pass http://127.0.0.1:{self.upstream};
                {self.directives}
            }}
            {self.others}
        }}"""


def edited(changes: Mapping[str, str]) -> str:
    """Return the site of deploy/ with these texts replaced, as an operator replaces them."""
    text = SITE.read_text()
    for old, new in changes.items():
        if old not in text:
            raise ValueError(f"{old!r} is not in {SITE}")
        text = text.replace(old, new)
    return text


def directives() -> str:
    """Return the directives of the site of deploy/ for requests that the product answers."""
    (location,) = re.findall(
        r"    location / \{\n        proxy_pass http://maria;\n(.*?)\n    \}",
        SITE.read_text(),
        re.DOTALL,
    )
    return str(location)


def files_location(store: Path) -> str:
    """Return the location of the site of deploy/ that sends the files of a store."""
    location: str
    (location,) = re.findall(r"    location /stored-files/.*?\n    \}", SITE.read_text(), re.DOTALL)
    return location.replace("/var/lib/maria/storage/", f"{store}/")


def hop(upstream: int, own: str | None = None) -> ProxyHop:
    """Return a proxy before `upstream`, by default with the directives of deploy/."""
    return ProxyHop(upstream, own if own is not None else directives(), free_port())


def self_signed(folder: Path, host: str) -> tuple[Path, Path]:
    """Create a certificate for a host; return its file and that of its key. Skip without openssl."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is missing: apt-get install openssl")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-keyout", key, "-out", certificate, "-days", "2", "-subj", f"/CN={host}",
         "-addext", f"subjectAltName=DNS:{host}"],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate, key


def need_nginx() -> str:
    """Return the path of nginx; if it is missing, skip the test, and fail it in CI."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    return program or missing(f"nginx is missing: {INSTALL_HINT}")


@contextmanager
def running(folder: Path, hops: Sequence[object], workers: str = "root") -> Iterator[None]:
    """Run one nginx with all these proxies (`str` gives their configuration); RuntimeError if it does not start.

    If this is root, `workers` is the account that reads files, perhaps with a group.
    """
    program = need_nginx()
    folder.mkdir()
    user = f"user {workers};" if os.geteuid() == 0 else ""
    temporary = "\n".join(
        f"{kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(f"""
    {user} daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
    events {{ worker_connections 256; }}
    http {{ access_log off; {temporary} {"".join(map(str, hops))} }}
    """)
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            [program, "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "error.log"],
            stdout=output, stderr=output,
        )  # fmt: skip
    try:
        _wait(folder, process)
        yield
    finally:
        process.terminate()
        process.wait(30)


def _wait(folder: Path, process: "subprocess.Popen[bytes]") -> None:
    # It writes its pid when every port is open.
    for _ in range(300):
        if (folder / "pid").exists():
            return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError((folder / "output").read_text() + (folder / "error.log").read_text())
