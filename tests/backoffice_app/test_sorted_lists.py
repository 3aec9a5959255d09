"""Lists in the orders that an index serves, and the extent of a list."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit_app.adminkit import lists
from audit_app.models import AuditLog
from sessions_app.models import UserSession
from tests.backoffice_app.pages import list_of, page_of
from tests.backoffice_app.test_quick_lists import links
from tests.backoffice_app.test_search_quick import others_wrote, plans
from tests.helpers import started
from uploads_app.models import UploadedFile

NOW = timezone.now()
# All of a table, or a sort of all matching rows. Rows with the same value may be sorted.
_READS_ALL = re.compile(
    r"Seq Scan|\bSCAN (?!subquery)\w+$|TEMP B-TREE FOR ORDER BY|(?<!Incremental )Sort  \(",
    re.MULTILINE,
)
# Each order, and the index that serves it.
ORDERS = {
    (UserSession, "o=created_at"): "session_created",
    (UserSession, "status__exact=active&o=created_at"): "session_status",
    (UserSession, "status__exact=active&o=-last_seen_at"): "session_last_seen",
    (UploadedFile, "o=created_at"): "upload_created",
    (UploadedFile, "status__exact=stored&o=-size"): "upload_sizes",
    (AuditLog, "o=occurred_at"): "audit_occurred_at",
}


def _sessions(count: int) -> list[UserSession]:
    """Create sessions whose order by last seen is not that by creation."""
    return UserSession.objects.bulk_create(
        UserSession(
            token_hash=f"h{n}",
            created_at=NOW - timedelta(hours=n),
            last_seen_at=NOW - timedelta(minutes=n * 7 % count // 2),
            expires_at=NOW + timedelta(days=1),
        )
        for n in range(count)
    )


def shown(client: Client, address: str) -> list[str]:
    html = client.get(address).content.decode()
    return re.findall(r'<th class="field-[^>]*><a href="([^"?]+)', html)


@pytest.mark.both
def test_t70_every_offered_order_reads_its_index(superuser: Client) -> None:
    others_wrote(100)
    started()
    if connection.vendor == "postgresql":
        # So few rows are rather sorted.
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off")
    for (model, query), index in ORDERS.items():
        with CaptureQueriesContext(connection) as captured:
            assert superuser.get(f"{list_of(model)}?{query}").status_code == 200
        # The keys of a page and the count; the rows of the page are read by their keys.
        found = plans([query for query in captured if "LIMIT" in query["sql"]])
        listed = [plan for plan in found if re.search(rf"\b{index}\b", plan)]
        assert listed, (query, found)
        for plan in listed:
            assert not _READS_ALL.search(plan), (query, plan)


@pytest.mark.both
def test_a_list_is_sorted_and_paged_by_last_seen(
    superuser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sessions_app.admin.sessions.UserSessionAdmin.list_per_page", 7)
    rows = _sessions(20)
    wanted = sorted(rows, key=lambda row: (row.last_seen_at, str(row.uuid)), reverse=True)
    html = superuser.get(list_of(UserSession)).content.decode()
    address = re.search(r'href="([^"]+)"[^>]*>Last seen first', html)
    assert address is not None
    query, seen = address[1].replace("&amp;", "&"), []
    assert "status__exact=active" in query
    while query:
        html = superuser.get(list_of(UserSession) + query).content.decode()
        assert re.search(r'aria-current="true">Last seen first', html)
        seen += shown(superuser, list_of(UserSession) + query)
        query = links(html).get("Next", "")
    assert seen == [page_of(row) for row in wanted]


def test_an_order_without_an_index_is_neither_offered_nor_applied(superuser: Client) -> None:
    _sessions(5)
    week = f"created_at__gte={(NOW - timedelta(days=7)):%Y-%m-%d}"
    for query in (f"{week}&o=-last_seen_at", "o=-last_seen_at", "o=name", "o=-size", "o=1"):
        page = superuser.get(f"{list_of(UserSession)}?{query}").content.decode()
        assert shown(superuser, f"{list_of(UserSession)}?{query}") == shown(
            superuser, list_of(UserSession)
        ), query
        assert ("Last seen first" in page) == (week not in query), query


@pytest.mark.both
def test_the_first_page_counts_its_rows_up_to_a_cap(
    superuser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    _sessions(60)
    page = superuser.get(list_of(UserSession)).content.decode()
    assert "1–50 of 60" in page
    second = superuser.get(list_of(UserSession) + links(page)["Older"]).content.decode()
    assert "10 on this page" in second
    monkeypatch.setattr(lists, "MOST_COUNTED", 55)
    assert "1–50 of 55+" in superuser.get(list_of(UserSession)).content.decode()
