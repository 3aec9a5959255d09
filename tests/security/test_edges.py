"""Requests from outside that are not about a session: hosts of this machine, and a costly document."""

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from maria_project import docs
from tests.cases import cases
from tests.maria_project.pages import ROOT

LOOPBACK = ["localhost", "localhost:8000", "LOCALHOST", "127.0.0.1", "127.0.0.1:8000", "[::1]:8000"]
CHECKS = ["/health/live", "/health/ready", "/metrics"]


@pytest.fixture
def in_production(settings: Any) -> None:
    settings.PRODUCTION, settings.PUBLIC_HOST = True, "maria.example"
    settings.ALLOWED_HOSTS = ["maria.example"]


def status(path: str, host: str, **environ: str) -> int:
    return Client(REMOTE_ADDR="127.0.0.1").get(path, headers={"Host": host}, **environ).status_code  # type: ignore[arg-type]


def test_t89_production_has_no_loopback_host_by_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Imports the settings again, as a new process would."""
    monkeypatch.setenv("PUBLIC_URL", "https://maria.example")
    monkeypatch.setenv("SECRET_KEY", "k" * 50)
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    for name in [name for name in sys.modules if name.startswith("maria_project.settings")]:
        monkeypatch.delitem(sys.modules, name)
    assert importlib.import_module("maria_project.settings").ALLOWED_HOSTS == ["maria.example"]


@cases("host", LOOPBACK)
@cases("path", CHECKS)
def test_t89_programs_on_this_machine_check_it_at_localhost(
    db: None, in_production: None, host: str, path: str
) -> None:
    assert status(path, host) == 200
    assert status(path, "maria.example") == 200
    for forwarded in ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_VIA"):
        assert status(path, host, **{forwarded: "127.0.0.1"}) == 400, forwarded
    assert status(path, host, REMOTE_ADDR="192.0.2.1") == 400
    assert status(path, f"{host}.evil.example") == 400


@cases("host", LOOPBACK)
@cases(
    "path",
    ["/", "/admin/login/", "/api/v1/sessions/current/", "/metricsx", "/static/maria/mark.svg"],
)
def test_t89_other_addresses_need_the_public_host(
    db: None, in_production: None, host: str, path: str
) -> None:
    assert status(path, host) == 400


def test_t89_the_schema_is_generated_once(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    generated: list[str] = []
    original: Any = SchemaGenerator.get_schema

    def get_schema(*args: Any, **kwargs: Any) -> Any:
        generated.append("a schema")
        return original(*args, **kwargs)

    monkeypatch.setattr(SchemaGenerator, "get_schema", get_schema)
    docs._rendered.cache_clear()
    for query in ("", "?version=1", "?version=%0a", "?lang=de", "?lang=%00", "?x"):
        response = client.get(f"/api/schema/{query}")
        assert (response.status_code, len(generated)) == (200, 1), query
    assert response.content.decode() == (ROOT / "docs" / "openapi.yaml").read_text()
    assert client.get("/api/schema/?format=json").json()["info"]["title"] == "Maria sessions"
    assert client.get("/api/schema/", headers={"Accept": "application/json"}).status_code == 200
    assert len(generated) == 3
