"""Staff cookies in production: another host of the same domain cannot set them."""

import json
import os
import subprocess
import sys
from http.cookies import Morsel, SimpleCookie
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import Visitor
from tests.maria_project.server import ROOT
from tests.uploads_app.server import deployment

# A sign-in, a page with a message, and what it answered.
IN_PRODUCTION = """
import json, django; django.setup()
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
login = {"username": "anna", "password": "correct horse battery"}
User.objects.create_superuser(**login)
client = Client(headers={"Host": "maria.example"})
page = client.get("/admin/login/", secure=True)
signed_in = client.post("/admin/login/?next=/admin/", login, secure=True)
saved = client.post("/admin/auth/group/add/", {"name": "x"}, secure=True)
shown = client.get("/admin/", secure=True)
answers = [page, signed_in, saved, shown]
print(json.dumps([[a.status_code, a.cookies.output(header=""), dict(a.headers)] for a in answers]))
"""
STAFF = "__Host-maria_staff"


def answers_in_production(folder: Path, **extra: str) -> list[Any]:
    """Run IN_PRODUCTION in its own process: the settings decide production when they are imported."""
    env = {
        "PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "maria_project.settings",
        "ENV_FILE": os.devnull, "DATA_DIR": str(deployment(folder).data), "TRUSTED_PROXIES": "1",
        "PUBLIC_URL": "https://maria.example", "SECRET_KEY": "x" * 50, **extra,
    }  # fmt: skip
    ran = subprocess.run(
        [sys.executable, "-c", IN_PRODUCTION], cwd=ROOT, env=env, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    return list(json.loads(ran.stdout))


def cookies_of(answer: Any) -> dict[str, "Morsel[str]"]:
    read: SimpleCookie = SimpleCookie()
    for line in answer[1].splitlines():
        read.load(line)
    return dict(read)


@pytest.mark.slow
def test_t95_staff_cookies_in_production_have_the_host_prefix(tmp_path: Path) -> None:
    answers = answers_in_production(tmp_path / "data", HSTS_INCLUDE_SUBDOMAINS="true")

    assert [status for status, _, _ in answers] == [200, 302, 302, 200]
    page, signed_in, saved, shown = map(cookies_of, answers)
    every = {**page, **signed_in, **saved}
    assert set(every) == {STAFF, f"{STAFF}_known", "__Host-csrftoken", "__Host-messages"}
    for name, cookie in every.items():
        assert (cookie["path"], cookie["domain"], cookie["secure"]) == ("/", "", True), name
        is_readable = name == "__Host-csrftoken"
        assert bool(cookie["httponly"]) is not is_readable, name
        # Lax: a link in an alert mail opens the page.
        assert cookie["samesite"] == ("Strict" if name.endswith("_known") else "Lax"), name
    removed = shown["__Host-messages"]
    assert (removed["max-age"], removed["path"], removed["secure"]) == ("0", "/", True)
    for _, _, headers in answers:
        assert headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"


def test_t95_the_development_cookies_prove_nothing_in_production(
    make_staff: Any, settings: Any
) -> None:
    """Another host of the domain can set the names without the prefix."""
    staff = make_staff()
    assert staff.get("/admin/").status_code == 200
    settings.SESSION_COOKIE_NAME = STAFF
    assert staff.get("/admin/").status_code == 302


def test_every_answer_names_the_features_that_no_page_needs(visitor: Visitor) -> None:
    for path in ("/", "/admin/login/", "/api/v1/sessions/current/", "/health/live", "/missing"):
        policy = visitor.get(path)["Permissions-Policy"]
        assert {"camera=()", "microphone=()", "geolocation=()"} <= set(policy.split(", ")), path
