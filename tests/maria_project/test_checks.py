"""Start-up checks: each id is reported for its setting, and a default system has no message."""

import importlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from django.conf import settings as product_settings
from django.core.checks import run_checks
from django.core.checks.registry import registry
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from environs import EnvError

import audit_app.checks
import maria_project.checks
import sessions_app.checks
import uploads_app.checks
from common.checks import SETTINGS
from maria_project import database_move
from maria_project.settings.environment import SettingsEnv, read_old_names
from maria_project.settings.storage_url import moving, storage
from tests.cases import cases
from tests.databases import lift_triggers

SOURCES = [
    Path(str(module.__file__)).read_text()
    for module in (audit_app.checks, maria_project.checks, sessions_app.checks, uploads_app.checks)
]
IDS = {found for text in SOURCES for found in re.findall(r'id="(\w+\.[EW]\d+)"', text)}
OURS = ("audit_app.", "maria_project.", "sessions_app.", "uploads_app.")
PACKAGES = {"common", "sessions_app", "audit_app", "uploads_app", "backoffice_app", "maria_project"}

LONG_KEY = "k" * 50
PRODUCTION = {
    "PRODUCTION": True,
    "PUBLIC_URL": "https://maria.example",
    "TRUSTED_PROXIES": 1,
    "SECRET_KEY": LONG_KEY,
    "ALERT_EMAILS": ["ops@maria.example"],
    # Any file that exists.
    "AUDIT_SEAL_PUBLIC_KEYS_FILE": Path(os.devnull),
}
DAY = timedelta(days=1)
WIDE = Path(tempfile.mkdtemp())
WIDE.chmod(0o711)


def stored_at(**options: str) -> dict[str, Any]:
    """Return STORAGES with uploads in a bucket."""
    bucket = {
        "BACKEND": "uploads_app.storage.s3_store.S3Store",
        "OPTIONS": {"bucket_name": "b", **options},
    }
    return {**product_settings.STORAGES, "uploads": bucket}


# id → settings with which it fires; each just over its boundary where it has one.
DISK = storage("STORAGE_URL", "", Path("storage"))
FIRES: list[tuple[str, dict[str, Any]]] = [
    ("audit_app.W001", {**PRODUCTION, "AUDIT_SEAL_PUBLIC_KEYS_FILE": Path("/nowhere")}),
    ("maria_project.E001", {**PRODUCTION, "PUBLIC_URL": "http://maria.example"}),
    ("maria_project.E001", {**PRODUCTION, "PUBLIC_URL": "maria.example"}),
    ("maria_project.E002", {**PRODUCTION, "DEBUG": True}),
    ("maria_project.E003", {"ALLOWED_ORIGINS": ["https://maria.example/path"]}),
    ("maria_project.E003", {"ALLOWED_ORIGINS": ["*"]}),
    ("maria_project.E003", {"ALLOWED_ORIGINS": ["null"]}),
    ("maria_project.E003", {"ALLOWED_ORIGINS": ["https://good.example", "maria.example"]}),
    ("maria_project.E003", {"ALLOWED_ORIGINS": ["https://Good.example"]}),
    ("maria_project.E003", {"ALLOWED_ORIGINS": ["HTTPS://good.example"]}),
    ("maria_project.E004", {"TRUSTED_PROXIES": -1}),
    ("maria_project.E005", {**PRODUCTION, "SECRET_KEY": LONG_KEY[:-1]}),
    ("maria_project.E006", {"METRICS_NETWORKS": ["127.0.0.0/8", "here"]}),
    ("maria_project.E006", {"METRICS_NETWORKS": ["10.0.0.1/8"]}),
    ("maria_project.E007", {"ALERT_EMAILS": ["ops@maria.example", "ops"]}),
    ("maria_project.E007", {"ALERT_EMAILS": ["Ops <ops@maria.example>"]}),
    ("maria_project.E007", {"ALERT_EMAILS": ["ops@maria.example\nBcc: eve@b.example"]}),
    ("maria_project.E008", {"STAFF_SECOND_FACTOR": "yes"}),
    ("maria_project.E009", {"STAFF_IDLE_LIMIT": timedelta(seconds=59)}),
    ("maria_project.E009", {"STAFF_SESSION_LIMIT": timedelta(minutes=59)}),
    ("maria_project.W001", {**PRODUCTION, "TRUSTED_PROXIES": 0}),
    (
        "maria_project.W002",
        {**PRODUCTION, "EMAIL_BACKEND": "django.core.mail.backends.console.EmailBackend"},
    ),
    ("maria_project.W003", {**PRODUCTION, "ALERT_EMAILS": []}),
    ("maria_project.W004", {**PRODUCTION, "STORAGES": stored_at(endpoint_url="http://s3.example")}),
    ("maria_project.W005", {"OLD_SETTING_NAMES": ["ALARM_EMAILS"]}),
    ("maria_project.W005", {"OLD_SETTING_NAMES": ["QUARANTINE_RETENTION"]}),
    ("maria_project.W006", {"DATA_DIR": WIDE}),
    (
        "maria_project.W004",
        {
            **PRODUCTION,
            "STORAGES": stored_at(
                endpoint_url="http://localhost:8333", public_endpoint_url="http://files.example"
            ),
        },
    ),
    ("maria_project.E010", {"WEB_PROCESSES": 2, "CACHE_URL": ""}),
    ("maria_project.E010", {"WEB_PROCESSES": 0, "CACHE_URL": "redis://127.0.0.1/0"}),
    ("sessions_app.E001", {"SESSION_UNUSED_LIMIT": 8 * DAY}),
    ("sessions_app.E001", {"SESSION_IDLE_LIMIT": 31 * DAY}),
    ("sessions_app.E001", {"SESSION_ABSOLUTE_LIMIT": 7 * DAY - timedelta(seconds=1)}),
    ("sessions_app.E001", {"SESSION_COMPLETED_LIMIT": 30 * DAY - timedelta(seconds=1)}),
    ("sessions_app.E002", {"RATE_LIMITS": {"create": ["30/m", "many"]}}),
    ("sessions_app.E002", {"RATE_LIMITS": {"create": ["30/week"]}}),
    ("sessions_app.E002", {"RATE_LIMITS": {"create": ["-1/m"]}}),
    ("sessions_app.E003", {"RATE_LIMIT_TRUSTED_NETWORKS": ["10.0.0.0/8", "office"]}),
    ("sessions_app.E003", {"RATE_LIMIT_TRUSTED_NETWORKS": ["10.0.0.0/33"]}),
    ("sessions_app.E003", {"RATE_LIMIT_TRUSTED_NETWORKS": ["10.0.0.1/8"]}),
    ("sessions_app.E004", {"RATE_LIMIT_TRUSTED_FACTOR": 0}),
    ("sessions_app.E005", {"CONSENT_PURPOSES": ["contact", "e mail"]}),
    ("sessions_app.E005", {"CONSENT_PURPOSES": ["p" * 41]}),
    ("uploads_app.E001", {"UPLOAD_TYPES": []}),
    ("uploads_app.E001", {"UPLOAD_TYPES": ["pdf", "exe"]}),
    ("uploads_app.E002", {"UPLOAD_MAX_FILES": 0}),
    ("uploads_app.E002", {"UPLOAD_MAX_BYTES": 0}),
    ("uploads_app.E002", {"UPLOAD_MAX_BYTES": 2, "UPLOAD_MAX_TOTAL_BYTES": 1}),
    ("uploads_app.E002", {"WEB_PROCESSES": 100, "CACHE_URL": "redis://127.0.0.1/0"}),
    ("uploads_app.E003", {"UPLOAD_LEASE": timedelta(0)}),
    ("uploads_app.E003", {"UPLOAD_LEASE": timedelta(minutes=30, seconds=1)}),
    ("uploads_app.E003", {"COMPLETED_RETENTION": 7 * DAY - timedelta(seconds=1)}),
    ("uploads_app.E007", {"UPLOAD_RETENTION": timedelta(seconds=3599)}),
    ("uploads_app.E007", {"TRASH_RETENTION": timedelta(0)}),
    (
        "uploads_app.E007",
        {"UPLOAD_RETENTION": timedelta(seconds=30), "COMPLETED_RETENTION": timedelta(minutes=30)},
    ),
    ("uploads_app.E004", {"HOLD_DOWNLOADS": "no"}),
    ("uploads_app.W002", {"STORAGES": {**product_settings.STORAGES, **moving(DISK, DISK)}}),
    ("uploads_app.W001", {"HOLD_DOWNLOADS": "unless_clean", "UPLOAD_TYPES": ["pdf", "png"]}),
    ("uploads_app.E005", {"DIRECT_UPLOADS": True}),
    ("uploads_app.E006", {"DOWNLOADS": "redirect"}),
    ("uploads_app.E006", {"DOWNLOADS": "Stream"}),
    ("uploads_app.E006", {"DOWNLOADS": "accel", "STORAGES": stored_at(), "TRUSTED_PROXIES": 1}),
    ("uploads_app.E008", {"DOWNLOADS": "accel", "TRUSTED_PROXIES": 0}),
]
# Valid settings exactly at the same boundaries.
SILENT: list[dict[str, Any]] = [
    {},
    {"DOWNLOADS": "accel", "TRUSTED_PROXIES": 1},
    PRODUCTION,
    {"PRODUCTION": False, "PUBLIC_URL": "http://localhost:8000", "DEBUG": True, "SECRET_KEY": "x"},
    {"ALLOWED_ORIGINS": ["https://maria.example", "http://localhost:5173", "app://maria"]},
    {"SESSION_UNUSED_LIMIT": 7 * DAY, "SESSION_ABSOLUTE_LIMIT": 7 * DAY},
    {"SESSION_COMPLETED_LIMIT": 30 * DAY, "CONSENT_PURPOSES": ["p" * 40]},
    {"RATE_LIMITS": {"create": ["1/s", "2/m", "3/h", "4/d"]}},
    {"RATE_LIMIT_TRUSTED_NETWORKS": ["10.0.0.0/8", "10.0.0.1", "2001:db8::/32"]},
    {"RATE_LIMIT_TRUSTED_FACTOR": 1, "METRICS_NETWORKS": []},
    {"STORAGES": stored_at(endpoint_url="http://s3.example")},
    {**PRODUCTION, "STORAGES": stored_at(endpoint_url="http://127.0.0.1:8333")},
    {**PRODUCTION, "STORAGES": stored_at(endpoint_url="https://s3.example")},
    {"UPLOAD_MAX_FILES": 1, "UPLOAD_MAX_BYTES": 1, "UPLOAD_MAX_TOTAL_BYTES": 1},
    {"WEB_PROCESSES": 4, "CACHE_URL": "redis://127.0.0.1/0"},
    {"UPLOAD_LEASE": timedelta(minutes=30), "UPLOAD_RETENTION": timedelta(hours=1)},
    {"TRASH_RETENTION": timedelta(hours=1)},
    {"COMPLETED_RETENTION": 7 * DAY},
    {"STAFF_SECOND_FACTOR": "required"},
    {"STAFF_IDLE_LIMIT": timedelta(minutes=1), "STAFF_SESSION_LIMIT": timedelta(minutes=1)},
]


def said() -> list[Any]:
    """Return the messages of the checks of settings."""
    return run_checks(tags=[SETTINGS])


def apply(settings: Any, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(settings, name, value)


def test_each_check_of_ours_has_a_tag() -> None:
    """A worker runs only those with the tag of settings; one without a tag would be forgotten."""
    ours = [one for one in registry.registered_checks if one.__module__.split(".")[0] in PACKAGES]
    assert len(ours) > 10
    assert [one for one in ours if len({SETTINGS, "database"} & set(one.tags)) != 1] == []


@cases(("check_id", "values"), FIRES, ids=lambda v: v if isinstance(v, str) else "")
def test_each_check_reports_its_setting_with_a_hint(
    settings: Any, check_id: str, values: dict[str, Any]
) -> None:
    apply(settings, values)
    (message,) = said()
    assert message.id == check_id
    assert message.msg.endswith(".")
    assert message.hint
    assert message.is_serious() == check_id.split(".")[1].startswith("E")


@cases("values", SILENT)
def test_valid_settings_have_no_message(settings: Any, values: dict[str, Any]) -> None:
    apply(settings, values)
    assert said() == []


@pytest.mark.both
def test_missing_triggers_are_reported(db: None) -> None:
    assert [m.id for m in run_checks(databases=["default"])] == []
    lift_triggers()
    (message,) = run_checks(databases=["default"])
    assert message.id == "audit_app.E001"
    assert message.is_serious()
    assert "migrate" in (message.hint or "")


def test_an_unfinished_move_of_the_database_is_reported(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {database_move.TABLE} (id integer)")
    (message,) = run_checks(databases=["default"])
    assert message.id == "maria_project.E011"
    assert "move_database" in (message.hint or "")


def test_every_check_id_has_a_test_and_belongs_to_one_check() -> None:
    of_the_database = {"audit_app.E001", "maria_project.E011"}
    assert {check_id for check_id, _ in FIRES} | of_the_database == IDS
    assert all(check_id.startswith(OURS) for check_id in IDS)


@pytest.fixture
def manage(tmp_path: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Return a function that runs manage.py with the given environment."""

    def run(*arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
        inherited = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        own = {"DATA_DIR": str(tmp_path), "ENV_FILE": os.devnull}
        return subprocess.run(
            [sys.executable, product_settings.BASE_DIR / "manage.py", *arguments],
            env={**inherited, **own, **env},
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


def test_a_worker_refuses_wrong_settings(
    manage: Callable[..., "subprocess.CompletedProcess[str]"],
) -> None:
    refused = manage("qcluster", "--run-once", ALLOWED_ORIGINS="*")
    assert refused.returncode == 1
    assert "(maria_project.E003)" in refused.stderr


REAL_HOST = {
    "PUBLIC_URL": "https://maria.example",
    "SECRET_KEY": LONG_KEY,
    "TRUSTED_PROXIES": "1",
    "EMAIL_URL": "submission://maria:secret@mail.example",
    "ALERT_EMAILS": "ops@maria.example,duty@maria.example",
    "AUDIT_SEAL_PUBLIC_KEYS_FILE": os.devnull,
}


@cases(
    ("env", "sentence"),
    [
        ({"PUBLIC_URL": "https://maria.example"}, "SECRET_KEY is missing."),
        ({"SECRET_KEY_FILE": "/nonexistent"}, "SECRET_KEY_FILE: cannot read /nonexistent"),
        ({"TRUSTED_PROXIES": "one"}, "TRUSTED_PROXIES"),
        ({"SESSION_IDLE_LIMIT": "a week"}, "SESSION_IDLE_LIMIT"),
        (
            {"UPLOAD_RETENTION": "30"},
            "UPLOAD_RETENTION: '30' is not a duration: write a number and",
        ),
        ({"TRASH_RETENTION": "1e3"}, "TRASH_RETENTION: '1e3' is not a duration"),
        ({"STAFF_IDLE_LIMIT": ""}, "STAFF_IDLE_LIMIT: '' is not a duration"),
        ({"LOG_LEVEL": "LOUD"}, "LOG_LEVEL"),
        ({"DATABASE_URL": "what"}, "DATABASE_URL"),
        ({"CACHE_URL": "memcached://user:secret@host"}, "CACHE_URL: not the URL of a Redis"),
        ({"CACHE_URL": "redis://:secret@host:port"}, "CACHE_URL: not the URL of a Redis"),
        ({"CACHE_URL": "redis://:secret@host/?timeout=1"}, "CACHE_URL: not the URL of a Redis"),
        ({"STORAGE_URL": "http://key:secret@bucket"}, "STORAGE_URL: the scheme must be s3 or"),
        ({"STORAGE_GROUP": "no-group"}, "STORAGE_GROUP: there is no group 'no-group'"),
        ({"STORAGE_URL_FILE": "/nonexistent"}, "STORAGE_URL_FILE: cannot read /nonexistent"),
    ],
    ids=lambda v: "+".join(v) if isinstance(v, dict) else "",
)
def test_an_invalid_setting_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, env: dict[str, str], sentence: str
) -> None:
    """Imports the settings again, as a new process would."""
    for name in os.environ.keys() - {"PATH", "LANG"}:
        monkeypatch.delenv(name)
    for name, value in {"DATA_DIR": str(tmp_path), "ENV_FILE": os.devnull, **env}.items():
        monkeypatch.setenv(name, value)
    for name in [name for name in sys.modules if name.startswith("maria_project.settings")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises((EnvError, ImproperlyConfigured)) as error:
        importlib.import_module("maria_project.settings")
    (line,) = str(error.value).splitlines()
    assert sentence in line
    assert "secret" not in line


@cases(
    ("env", "in_use", "emails", "retention"),
    [
        ({}, [], [], 7 * DAY),
        ({"ALARM_EMAILS": "a@b.example"}, ["ALARM_EMAILS"], ["a@b.example"], 7 * DAY),
        ({"QUARANTINE_RETENTION": "3d"}, ["QUARANTINE_RETENTION"], [], 3 * DAY),
        (
            {"ALARM_EMAILS": "a@b.example", "ALERT_EMAILS": "c@d.example"},
            ["ALARM_EMAILS"],
            ["c@d.example"],
            7 * DAY,
        ),
    ],
    ids=lambda v: "+".join(v) if isinstance(v, dict) else "",
)
def test_a_renamed_setting_is_still_read_under_its_old_name(
    env: dict[str, str], in_use: list[str], emails: list[str], retention: timedelta
) -> None:
    environ = dict(env)
    assert read_old_names(environ) == in_use
    with patch.dict(os.environ, environ, clear=True):
        reader = SettingsEnv()
        assert reader.list("ALERT_EMAILS", []) == emails
        assert reader.duration("TRASH_RETENTION", 7 * DAY) == retention


@pytest.mark.slow
def test_settings_with_old_names_start_with_a_warning(manage: Callable[..., Any]) -> None:
    old = {"ALARM_EMAILS": REAL_HOST["ALERT_EMAILS"], "QUARANTINE_RETENTION": "7d"}
    env = {name: value for name, value in REAL_HOST.items() if name != "ALERT_EMAILS"}
    done = manage("check", **{**env, **old})
    assert done.returncode == 0
    assert done.stderr.count("maria_project.W005") == 2
    assert "maria_project.W003" not in done.stderr


@pytest.mark.slow
def test_an_invalid_setting_stops_start_up(manage: Callable[..., Any]) -> None:
    done = manage("check", STORAGE_URL="http://key:secret@bucket")
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("Settings: STORAGE_URL: the scheme must be s3 or")
    assert "secret" not in line


@pytest.mark.slow
def test_settings_that_contradict_others_fail_the_check(manage: Callable[..., Any]) -> None:
    wrong = {"PUBLIC_URL": "http://maria.example", "SECRET_KEY": "short", "RATE_LIMIT_UPLOAD": "20"}
    done = manage("check", **{**REAL_HOST, **wrong})
    assert done.returncode == 1
    for check_id in ("maria_project.E001", "maria_project.E005", "sessions_app.E002"):
        assert check_id in done.stderr


@pytest.mark.slow
def test_a_valid_environment_passes_and_its_secret_can_come_from_a_file(
    manage: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "key"
    path.write_text(LONG_KEY + "\n")
    done = manage("check", **{**REAL_HOST, "SECRET_KEY": "", "SECRET_KEY_FILE": str(path)})
    assert (done.returncode, done.stderr) == (0, "")
    assert "no issues" in done.stdout
