"""Each index of sessions and uploads is one that a query of the product reads.

Keys are not listed: they enforce a rule. The queries are those of the product, or are written
here as the named place writes them.
"""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from common import folding
from common.folding import LastWord
from sessions_app.models import RetiredToken, UserSession, past_retention
from tests.backoffice_app.test_search_quick import others_wrote
from uploads_app.models import CleanupRun, QuarantinedObject, UploadedFile

# In ./test on SQLite only: PostgreSQL chooses by statistics, and what ANALYZE finds here stays
# for the tests after this one.
pytestmark = pytest.mark.django_db

NOW = timezone.now()
ID = uuid.UUID(int=1)
Query = Callable[[], "QuerySet[Any]"]
SESSIONS, FILES = UserSession.objects, UploadedFile.objects
RUNS, TRASH = CleanupRun.objects, QuarantinedObject.objects


def starts(expression: Any, rows: "QuerySet[Any]") -> "QuerySet[Any]":
    return next(iter(folding.beginning(rows, expression, "ann")))


READS: dict[str, Query] = {
    "session_created": lambda: SESSIONS.order_by("-created_at")[:5],
    "session_status": lambda: SESSIONS.filter(status="ended").order_by("-created_at", "-uuid")[:5],
    "session_last_seen": lambda: SESSIONS.filter(status="active").order_by("-last_seen_at", "-uuid")[:5],
    "session_expiry": lambda: SESSIONS.due().order_by("expires_at")[:5],
    "session_erased": lambda: SESSIONS.being_erased().order_by("erased_at")[:5],
    "session_contact": lambda: SESSIONS.past_retention().with_contact_data().order_by().values("ended_at"),
    "session_name": lambda: starts("name", SESSIONS.filter(name__gt=""))[:5],
    "session_last_word": lambda: starts(LastWord("name"), SESSIONS.filter(name__gt=""))[:5],
    "session_email_newest": lambda: SESSIONS.of_email("a@b.example").order_by("-created_at")[:5],
    "usersession.ended_at": lambda: SESSIONS.filter(past_retention()).order_by("ended_at")[:5],
    "retiredtoken.session": lambda: RetiredToken.objects.filter(session=ID),
    "upload_created": lambda: FILES.order_by("-created_at")[:5],
    "upload_session": lambda: FILES.order_by("session_id", "id")[:5],
    "upload_status": lambda: FILES.filter(status="missing").order_by("-created_at", "-id")[:5],
    "upload_inspection": lambda: FILES.filter(inspection="clean").order_by("-created_at", "-id")[:5],
    "upload_verdict": lambda: FILES.filter(status="stored", inspection="clean").order_by("-created_at", "-id")[:5],
    "upload_type": lambda: FILES.filter(content_type="a/b").order_by("-created_at", "-id")[:5],
    "upload_sizes": lambda: FILES.filter(status="stored").order_by("-size").values("size")[:5],
    "upload_pending": lambda: FILES.lapsed().order_by("lease_expires_at")[:5],
    "upload_deleting": lambda: FILES.deleting().order_by("id")[:5],
    "upload_uninspected": lambda: FILES.uninspected().order_by("stored_at")[:5],
    "upload_claimed": lambda: FILES.in_inspection().order_by("inspection_claimed_until")[:5],
    "upload_inspected": lambda: FILES.filter(inspection_cost__gt=0, inspected_at__gt=Now()).order_by("inspected_at"),
    "upload_name": lambda: starts("name", FILES.filter(name__gt=""))[:5],
    "upload_sha256": lambda: FILES.filter(sha256="a", sha256__gt="").order_by("-created_at")[:5],
    "upload_copies": lambda: FILES.filter(restored_from=ID).order_by(),
    "cleanup_status": lambda: RUNS.filter(status="stopped").order_by("-finished_at")[:5],
    "cleanup_runs_by_status": lambda: RUNS.filter(status="stopped").order_by("-id")[:5],
    "cleanup_dry_runs": lambda: RUNS.filter(dry_run=True).order_by("-id")[:5],
    "quarantine_status": lambda: TRASH.in_trash().order_by("quarantined_at")[:5],
    "quarantine_latest": lambda: TRASH.order_by("-quarantined_at", "-id")[:5],
    "quarantine_reason": lambda: TRASH.filter(reason="a").order_by("-quarantined_at", "-id")[:5],
    "quarantinedobject.key, for LIKE": lambda: TRASH.of_session(ID).order_by(),
}  # fmt: skip
ONLY_POSTGRESQL = {"quarantinedobject.key, for LIKE"}
# SQLite reads the index of two filters of staff's lists, or the key, which serve it as well.
ONLY_READ_ON_POSTGRESQL = {"upload_claimed", "upload_deleting"}


def test_each_index_is_read_by_a_query() -> None:
    others_wrote(50)
    orphans(1000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        if connection.vendor == "postgresql":
            # So few rows would rather be read and sorted.
            cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
    existing = indexes()
    is_expected = connection.vendor == "postgresql"
    assert existing.keys() == {name for name in READS if is_expected or name not in ONLY_POSTGRESQL}
    if connection.vendor == "sqlite":
        existing = {
            name: one for name, one in existing.items() if name not in ONLY_READ_ON_POSTGRESQL
        }
    unread = {
        name: plan for name in existing if existing[name] not in (plan := READS[name]().explain())
    }
    assert unread == {}


@pytest.mark.skipif(connection.vendor != "sqlite", reason="only SQLite has numbers of rows")
def test_a_key_that_refers_to_an_event_is_the_number_of_its_row() -> None:
    of_events = ("audit_app_auditpersonal", "audit_app_feedentry")
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM sqlite_master WHERE name LIKE 'sqlite_autoindex_audit%'")
        trees = [
            name for (name,) in cursor.fetchall() if name.rpartition("_")[0].endswith(of_events)
        ]

    assert len(trees) == 1, trees  # the position in the feed


def orphans(count: int) -> None:
    """Fill the trash: of few rows PostgreSQL reads any index."""
    TRASH.bulk_create(
        QuarantinedObject(
            key=f"uploads/{uuid.uuid4()}/{uuid.uuid4()}.pdf",
            size=1,
            modified_at=NOW,
            status=["purged", "restored", "quarantined"][number % 10 if number % 10 < 3 else 0],
            reason=f"reason {number % 9}",
            quarantined_at=NOW - timedelta(hours=number),
        )
        for number in range(count)
    )


def indexes() -> dict[str, str]:
    """Return the indexes that enforce no rule: their name here, and their name in the database."""
    found = {}
    for app in ("sessions_app", "uploads_app"):
        for model in apps.get_app_config(app).get_models():
            named = {index.name for index in model._meta.indexes}
            with connection.cursor() as cursor:
                constraints = connection.introspection.get_constraints(cursor, model._meta.db_table)
            for name, one in constraints.items():
                if one["index"] and not one["unique"] and not one["primary_key"]:
                    found[name if name in named else _label(model, name, one)] = name
    return found


def _label(model: Any, name: str, one: Any) -> str:
    field = next(f.name for f in model._meta.fields if [f.column] == one["columns"])
    return f"{model._meta.model_name}.{field}{', for LIKE' if name.endswith('_like') else ''}"
