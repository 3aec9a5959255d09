"""What a database contains, as the product reads it: for the comparison of two databases.

`python -m tests.maria_project.moved_rows fill` adds rows of every kind, and prints the cookies of
new sessions and all rows by table; `… read FILE COOKIES …` prints the rows, and what the cookies open.
"""

import io
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import django
from django.test.utils import setup_test_environment

FILE = b"%PDF-1.4\n%%EOF"
TIMES = (
    datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    datetime(2026, 1, 2, 3, 4, 5, 120_000, tzinfo=UTC),
    datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
)
DEEP = {
    "b": [1, {"long": None, "a\x00": 'q"\\\n\t'}],
    "aa": "\u2028é\U0001f600",
    "é": [True, {}, []],
}
TEXTS = (
    "",
    "\\N",
    "\\.",
    "tab\tline\nreturn\rbell\x07\x08\x0b\x0c\\",
    "nul\x00nul",
    "ı\U0001f600\u202e",
)


def fill() -> dict[str, Any]:
    from django.contrib.admin.models import ADDITION, LogEntry
    from django.contrib.auth.models import Group, User
    from django.core.management import call_command
    from django.utils.timezone import now
    from django_otp.plugins.otp_static.models import StaticDevice
    from django_q.models import OrmQ, Task

    from backoffice_app.models import ProcessKind, ProcessReport
    from sessions_app.models import UserSession
    from tests.helpers import Visitor
    from uploads_app.models import CleanupRun

    call_command("seed_demo", sessions=12, stdout=sys.stderr)
    visitors = []
    for _ in range(2):
        visitor = Visitor()
        assert visitor.start().status_code == 201
        visitors.append(visitor)
    visitors[0].upload()
    staff = User.objects.create_superuser("mover", password="a long password of staff")
    staff.groups.set(Group.objects.all())
    visitors[0].force_login(staff)
    StaticDevice.objects.create(user=staff, name="codes").token_set.create(token="abc")
    for number, text in enumerate(TEXTS):
        session = UserSession.objects.create(token_hash=f"{number}", name=text)
        session.retired_tokens.create(token_hash=f"{number}", replaced_at=TIMES[number % 3])
        LogEntry.objects.create(user=staff, action_flag=ADDITION, object_repr=text)
        OrmQ.objects.create(key="maria", payload=text)
        Task.objects.create(
            id=f"{number:032}", name=text, func="f", args=(text, TIMES), result={1: b"\x00\xff"},
            started=TIMES[0], stopped=TIMES[2],
        )  # fmt: skip
    for share in (0.1, 1.0, 1e-7, 123456789.125):
        CleanupRun.objects.create(
            actor="mover", grace=timedelta(days=-1, microseconds=1), limit=0, allow_share=share,
            findings=DEEP, sample=[DEEP], started_at=TIMES[1],
        )  # fmt: skip
    offsets = (
        timedelta(0),
        timedelta(days=400, hours=3),
        timedelta(microseconds=-1),
        timedelta(minutes=5),
    )
    for offset in offsets:
        ProcessReport.objects.create(
            host="old", kind=ProcessKind.WEB, version="1", migrations={}, keys=[], settings={},
            clock_offset=offset, seen_at=now() - timedelta(days=1),
        )  # fmt: skip
    # A number that was used must not be used again.
    OrmQ.objects.latest("id").delete()
    return {
        "cookies": [{name: one.value for name, one in v.cookies.items()} for v in visitors],
        "last": OrmQ.objects.latest("id").pk + 1,
        "rows": _rows(),
    }


def read(file: str, *cookies: str) -> dict[str, Any]:
    """Read all rows, then use the product, which changes them."""
    from django_q.models import OrmQ

    return {
        "rows": _rows(),
        "opened": [_opened(json.loads(one)) for one in cookies],
        "next": OrmQ.objects.create(key="maria", payload="").pk,
        "cleanup": _said("cleanup_orphans", dry_run=True),
        "again": _said("move_database", source=Path(file)),
    }


def _rows() -> dict[str, list[str]]:
    from django.apps import apps

    return {
        model._meta.db_table: sorted(_shown(row) for row in model._default_manager.values_list())
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed
    }


def _said(command: str, **options: Any) -> str:
    from django.core.management import call_command

    call_command(command, stdout=(output := io.StringIO()), **options)
    return output.getvalue()


def _shown(row: tuple[Any, ...]) -> str:
    # The one change: PostgreSQL cannot store this character.
    return repr([_sorted(value) for value in row]).replace("\\x00", "\ufffd")


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return sorted((str(key), _sorted(item)) for key, item in value.items())
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def _opened(cookies: dict[str, str]) -> list[Any]:
    from tests.helpers import Visitor

    visitor = Visitor()
    for name, value in cookies.items():
        visitor.cookies[name] = value
    answer = visitor.get("/api/v1/sessions/current/")
    return [answer.status_code, answer.json().get("uuid"), visitor.get("/admin/").status_code]


if __name__ == "__main__":
    django.setup()
    setup_test_environment()
    works: dict[str, Callable[..., Any]] = {"fill": fill, "read": read}
    print(json.dumps(works[sys.argv[1]](*sys.argv[2:])))
