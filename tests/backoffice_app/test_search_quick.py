"""Each look-up of a search uses its index, with a constant number of queries."""

import re
from collections.abc import Iterable
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit_app.models import AuditLog, AuditPersonal
from audit_app.services import record
from common import context
from sessions_app import events as session_events
from sessions_app.models import UserSession
from tests.backoffice_app.search_box import FIND, ask
from tests.helpers import Visitor, started, uploaded
from tests.uploads_app.cleanup.cleanup_support import many
from uploads_app.models import UploadedFile

pytestmark = pytest.mark.both

# What no search may read from one end to the other.
LARGE = ("sessions_app_usersession", "uploads_app_uploadedfile", "audit_app_auditlog", "audit_app_auditpersonal")  # fmt: skip
# How PostgreSQL reads all of a table.
_WHOLE = ("seqscan", "mergejoin", "hashjoin")
NAME, EMAIL = "Änne Bell", "anne@mail.example"


@pytest.fixture
def anne(db: None) -> Visitor:
    """A visitor with a name, an e-mail address and a file."""
    visitor = started()
    visitor.identify(name=NAME, email=EMAIL)
    uploaded(visitor)
    return visitor


def terms(visitor: Visitor) -> dict[str, tuple[str, set[str]]]:
    """Return a term of each kind, and the indexes that its look-ups should use."""
    file = UploadedFile.objects.get(session=visitor.row)
    request = AuditLog.objects.get(event_type="upload.stored").request_id
    by_name = {"session_name", "session_last_word", "upload_name"}
    return {
        "code": (visitor.row.support_code, set()),
        "near code": (visitor.row.support_code[:-1] + "U", set()),
        "uuid": (visitor.uuid, {"audit_request"}),
        "uuid start": (visitor.uuid[:8], by_name),
        "e-mail": (EMAIL, {"session_email_newest"}),
        "name": ("änne", by_name),
        "name in ASCII": ("bell", by_name),
        "address": ("127.0.0.1", {"audit_address"}),
        "network": ("127.0.0.0/24", {"audit_address"}),
        "file start": (str(file.pk)[:8], {"upload_sha256"}),
        "event start": (request[:8], {"audit_request"}),
        "request": (request, {"audit_request"}),
        "a proxy's request": ("edge-request-1", {"audit_request"}),
        "sha256": (file.sha256, {"upload_sha256"}),
        "key": (file.key, set()),
    }


def plans(queries: Iterable[dict[str, str]]) -> list[str]:
    """Return the query plans of the queries that read a large table."""
    captured = [query["sql"] for query in queries if query["sql"].startswith("SELECT")]
    found = []
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # A small table is scanned, unless sequential scans are disabled.
            for way in _WHOLE:
                cursor.execute(f"SET LOCAL enable_{way} = off")
        for sql in captured:
            if any(f'FROM "{table}"' in sql for table in LARGE):
                verb = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
                cursor.execute(f"{verb} {sql}".replace("%", "%%"))
                found.append("\n".join(str(row[-1]) for row in cursor.fetchall()))
        if connection.vendor == "postgresql":
            for way in _WHOLE:
                cursor.execute(f"SET LOCAL enable_{way} = on")
    return found


def test_t70_every_lookup_uses_its_index(support: Client, anne: Visitor) -> None:
    others_wrote(300)
    for kind, (term, indexes) in terms(anne).items():
        with CaptureQueriesContext(connection) as captured:
            assert support.post(FIND, {"q": term}).status_code == 302
        made = plans(captured)
        assert made, kind
        for plan in made:
            # No table scan, and no index scan with a filter.
            assert not re.search(r"Seq Scan|\bSCAN\b", plan), (kind, plan)
            # The join of two tables is not a look-up.
            assert "Filter:" not in plan.replace("Join Filter:", ""), (kind, plan)
            if "Index" in plan:
                assert "Index Cond:" in plan, (kind, plan)
        for index in indexes:
            assert any(re.search(rf"\b{index}\b", plan) for plan in made), (kind, index, made)


def others_wrote(count: int) -> None:
    """Add sessions, files and events of other visitors: PostgreSQL prefers the selective index then.

    It reads a few hundred sessions completely in the order of another index.
    """
    UserSession.objects.bulk_create(
        UserSession(
            uuid=f"ffffffff-0000-4000-8000-{number:012}",
            token_hash=f"f{number:063}",
            name=f"Other {number}",
            email=f"{number}@other.example",
            expires_at=timezone.now() + timedelta(days=1),
        )
        for number in range(10 * count)
    )
    many(count, age=timedelta(hours=1), objects=False, per_session=1)
    for number in range(count):
        request_context = context.RequestContext(
            address=context.parse_address(f"10.0.{number // 250}.{number % 250}")
        )
        with context.using(request_context), transaction.atomic():
            record(session_events.EXPIRED, session_uuid=None, reason="idle")
    assert AuditPersonal.objects.filter(address__startswith="10.0.").count() == count
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "ANALYZE sessions_app_usersession, uploads_app_uploadedfile, audit_app_auditlog,"
                " audit_app_auditpersonal"
            )


@pytest.mark.usefixtures("extended_once")
def test_t70_a_search_has_a_constant_number_of_queries(support: Client, anne: Visitor) -> None:
    def queries() -> dict[str, int]:
        counted = {}
        for kind, (term, _) in searched.items():
            with CaptureQueriesContext(connection) as captured:
                ask(support, term)
            counted[kind] = len(captured)
        return counted

    searched = terms(anne)
    add(anne, range(1))
    queries()  # The first view of a session is recorded.
    before = queries()
    add(anne, range(1, 26))
    assert queries() == before


def add(visitor: Visitor, numbers: range) -> None:
    """Add sessions, files and events that match the same terms."""
    now, file = timezone.now(), UploadedFile.objects.get(session=visitor.row)
    sessions = UserSession.objects.bulk_create(
        UserSession(
            uuid=f"{visitor.uuid[:8]}-0000-4000-8000-{n:012}", name=NAME, email=EMAIL,
            token_hash=f"{n:064}", expires_at=now + timedelta(days=1),
        )
        for n in numbers
    )  # fmt: skip
    UploadedFile.objects.bulk_create(
        UploadedFile(
            session=session, key=f"uploads/{session.pk}/x.pdf", name="bell.pdf", status="deleted",
            size=1, content_type="application/pdf", sha256=file.sha256, lease_expires_at=now,
        )
        for session in sessions
    )  # fmt: skip
    stored = AuditLog.objects.get(event_type="upload.stored")
    request_context = context.RequestContext(
        request_id=stored.request_id, address=context.parse_address("127.0.0.1"), actor="visitor"
    )
    with context.using(request_context), transaction.atomic():
        for session in sessions:
            record(session_events.EXPIRED, session_uuid=session.pk, reason="idle")
