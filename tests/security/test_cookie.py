"""The token's cookie is protected from scripts, other sites and sibling domains."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from tests.helpers import Visitor
from tests.uploads_app.server import deployment

ROOT = Path(__file__).resolve().parent.parent.parent
TOKEN = "mss1_[A-Za-z0-9_-]{43}"
DATE = r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT"
# 30 days, 30 more by an extension, and 7 days in which the page can still explain "expired".
MAX_AGE = 67 * 24 * 60 * 60
IN_PRODUCTION = """
import django; django.setup()
from django.test import Client
client = Client(headers={"Host": "maria.example"})
answer = client.post("/api/v1/sessions/", {}, content_type="application/json")
assert answer.status_code == 201, answer.content
print(answer.cookies.output())
again = client.post("/api/v1/sessions/", {}, content_type="application/json")
assert again.status_code == 200, again.content
ended = client.delete(
    "/api/v1/sessions/current/", headers={"X-Session-UUID": answer.json()["uuid"]}
)
assert ended.status_code == 204, ended.content
print(ended.cookies.output())
"""


@pytest.mark.both
def test_t06_the_cookie_in_development(db: None) -> None:
    cookies = Visitor().start().cookies

    assert re.fullmatch(
        f"Set-Cookie: maria_session={TOKEN}; expires={DATE}; HttpOnly; "
        f"Max-Age={MAX_AGE}; Path=/; SameSite=Strict",
        cookies.output(),
    )


def test_t06_a_reset_sets_the_same_cookie(visitor: Visitor) -> None:
    assert re.fullmatch(
        f"Set-Cookie: maria_session={TOKEN}; expires={DATE}; HttpOnly; "
        f"Max-Age={MAX_AGE}; Path=/; SameSite=Strict",
        visitor.reset().cookies.output(),
    )


@pytest.mark.slow
def test_t06_the_cookie_in_production(tmp_path: Path) -> None:
    """A separate process, because the settings decide production when they are imported."""
    ran = subprocess.run(
        [sys.executable, "-c", IN_PRODUCTION],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "DJANGO_SETTINGS_MODULE": "maria_project.settings",
            "ENV_FILE": os.devnull,
            "DATA_DIR": str(deployment(tmp_path / "data").data),
            "PUBLIC_URL": "https://maria.example",
            "SECRET_KEY": "x" * 50,
        },
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert ran.returncode == 0, ran.stderr
    created, ended = ran.stdout.strip().splitlines()
    assert re.fullmatch(
        f"Set-Cookie: __Host-Http-maria_session={TOKEN}; expires={DATE}; HttpOnly; "
        f"Max-Age={MAX_AGE}; Path=/; SameSite=Strict; Secure",
        created,
    )
    assert "domain" not in (created + ended).lower()
    assert re.fullmatch(
        'Set-Cookie: __Host-Http-maria_session=""; expires=Thu, 01 Jan 1970 00:00:00 GMT; '
        "Max-Age=0; Path=/; SameSite=Strict; Secure",
        ended,
    )


def test_t06_the_development_cookie_proves_nothing_in_production(
    visitor: Visitor, settings: Any
) -> None:
    """A sibling domain can set `maria_session`, but not a name that begins with __Host-."""
    settings.PRODUCTION = True
    settings.VISITOR_COOKIE_NAME = "__Host-Http-maria_session"

    assert visitor.current().status_code == 401


def test_t06_no_other_cookie_reaches_a_visitor(visitor: Visitor) -> None:
    visitor.current()
    visitor.upload()

    assert set(visitor.cookies) == {settings.VISITOR_COOKIE_NAME}
