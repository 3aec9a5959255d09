"""The site of deploy/nginx in a real nginx, before hosts that answer or die."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
import requests

from tests import nginx
from tests.deploy.upstreams import upstream
from tests.ports import free_port

SERVER = "server 127.0.0.1:8000 max_fails=1 fail_timeout=10s;"
MIB = 1024 * 1024


class Proxy(NamedTuple):
    """A running site: its ports, and its certificate."""

    http: int
    https: int
    certificate: Path

    def send(self, method: str, path: str = "/", body: bytes = b"") -> requests.Response:
        url = f"https://localhost:{self.https}{path}"
        return requests.request(method, url, data=body, verify=str(self.certificate), timeout=20)


def site(folder: Path, servers: list[int]) -> tuple[str, Proxy]:
    """Return the site for hosts on these ports."""
    certificate, key = nginx.self_signed(folder, "localhost")
    proxy = Proxy(free_port(), free_port(), certificate)
    lines = [SERVER.replace("8000", str(port)) for port in servers]
    return nginx.edited(
        {
            SERVER: "\n".join(lines),
            "maria.example.com": "localhost",
            "/etc/maria/tls/fullchain.pem": str(certificate),
            "/etc/maria/tls/privkey.pem": str(key),
            "/var/www/acme": str(folder),
            "]:80;": f"]:{proxy.http};",
            "listen 80;": f"listen {proxy.http};",
            "]:443 ": f"]:{proxy.https} ",
            "listen 443 ": f"listen {proxy.https} ",
        }
    ), proxy


@contextmanager
def proxied(folder: Path, *servers: int) -> Iterator[Proxy]:
    text, proxy = site(folder, [*servers])
    with nginx.running(folder / "nginx", [text]):
        yield proxy


def test_nginx_finds_no_fault(tmp_path: Path) -> None:
    text, _ = site(tmp_path, [8000])
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(f"pid {tmp_path}/pid; events {{}} http {{ access_log off; {text} }}")
    done = subprocess.run(
        [nginx.need_nginx(), "-t", "-c", configuration, "-e", tmp_path / "error.log"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "[warn]" not in done.stderr.replace('the "user" directive', "")


@pytest.mark.slow
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_another_host_answers_what_is_safe_to_repeat(tmp_path: Path, method: str) -> None:
    with (
        upstream(dies=True) as dead,
        upstream() as good,
        proxied(tmp_path, dead.server_port, good.server_port) as proxy,
    ):
        for _ in range(4):
            assert proxy.send(method, body=b"x").status_code == 200
        # It was left out after its first failure.
        assert (len(dead.requests), len(good.requests)) == (1, 4)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_change_that_a_dead_host_had_begun_is_not_repeated(tmp_path: Path, method: str) -> None:
    with (
        upstream(dies=True) as dead,
        upstream() as good,
        proxied(tmp_path, dead.server_port, good.server_port) as proxy,
    ):
        assert proxy.send(method, body=b"x").status_code == 502
        assert (len(dead.requests), good.requests) == (1, [])


@pytest.mark.slow
def test_a_change_goes_to_another_host_if_one_accepts_no_connection(tmp_path: Path) -> None:
    with upstream() as good, proxied(tmp_path, free_port(), good.server_port) as proxy:
        assert proxy.send("POST", body=b"x").status_code == 200


@pytest.mark.slow
def test_what_the_proxy_answers_itself(tmp_path: Path) -> None:
    (tmp_path / ".well-known/acme-challenge").mkdir(parents=True)
    (tmp_path / ".well-known/acme-challenge/token").write_text("proof")
    with upstream() as good, proxied(tmp_path, good.server_port) as proxy:
        http = f"http://localhost:{proxy.http}"
        moved = requests.get(f"{http}/admin/?a=b", allow_redirects=False, timeout=20)
        assert (moved.status_code, moved.headers["Location"]) == (
            301,
            "https://localhost/admin/?a=b",
        )
        challenge = requests.get(f"{http}/.well-known/acme-challenge/token", timeout=20)
        assert challenge.text == "proof"
        assert proxy.send("GET", "/metrics").status_code == 404
        assert proxy.send("GET", "/stored-files/uploads/x").status_code == 404
        assert proxy.send("POST", body=bytes(7 * MIB)).status_code == 413
        assert good.requests == []
        assert proxy.send("POST", body=bytes(5 * MIB)).status_code == 200
