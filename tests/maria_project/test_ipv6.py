"""A deployment without IPv4: the server listens on IPv6, and its database is reached by it."""

import socket
import sys
from pathlib import Path

import psycopg
import pytest
import requests

from tests import postgres
from tests.maria_project.server import environment, process, wait_for
from tests.ports import free_port

pytestmark = pytest.mark.slow
NETWORKS = """
SELECT DISTINCT network FROM audit_app_auditlog WHERE event_type = 'session.created'
"""


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_a_visitor_and_the_database_are_reached_by_ipv6(tmp_path: Path) -> None:
    postgres.need_postgres()
    port = free_port()
    with postgres.serving(address="::1") as server:
        assert "@[::1]:" in server.url
        env = environment(
            tmp_path, DATABASE_URL=server.url, ALLOWED_HOSTS="[::1]", HOST="::1", PORT=str(port),
            RATE_LIMIT_CREATE="2/h",
        )  # fmt: skip
        command = [sys.executable, "manage.py", "serve", "--web-only"]
        url = f"http://[::1]:{port}"
        with process(command, env, tmp_path / "output"):
            wait_for(lambda: is_live(url), what="the server")
            created = [
                requests.post(f"{url}/api/v1/sessions/", json={}, timeout=60).status_code
                for _ in range(3)
            ]
        with psycopg.connect(server.url) as sql:
            networks = sql.execute(NETWORKS).fetchall()
    assert created == [201, 201, 429]
    assert networks == [("::/48",)]


def is_live(url: str) -> bool:
    try:
        return requests.get(f"{url}/health/live", timeout=60).ok
    except requests.ConnectionError:
        return False
