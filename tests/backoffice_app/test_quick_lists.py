"""Admin lists read one page of their table: counts up to a cap, no DISTINCT, no free sorting.

Row 70: the number of questions to the database is the same for one row and for
many, and pages are found by key.
"""

import re
from collections.abc import Callable
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db import connection, transaction
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_q.models import Failure, Schedule

from audit_app import events
from audit_app.adminkit.read_only import ReadOnlyAdmin
from audit_app.models import AuditLog
from audit_app.services import Entry, record_many
from common import context
from sessions_app.models import ServiceKey, UserSession
from tests.backoffice_app.pages import list_of, page_of, registered, shown_text
from tests.helpers import Visitor
from uploads_app.models import CleanupRun, QuarantinedObject, UploadedFile

MANY = 60
# The rows are counted up to a cap.
_CAPPED = r"(?!\(\*\) FROM \(SELECT .* LIMIT 10001\) )"
COSTLY = re.compile(rf"\b(COUNT{_CAPPED}|DISTINCT|OFFSET)\b", re.IGNORECASE)
NOW = timezone.now()


def _sessions(count: int, start: int = 0) -> list[Any]:
    return UserSession.objects.bulk_create(
        UserSession(
            token_hash=f"h{start + n}",
            created_at=NOW - timedelta(hours=n // 3),
            expires_at=NOW + timedelta(days=1),
        )
        for n in range(count)
    )


def _files(count: int, start: int) -> None:
    sessions = _sessions(count, start + 1000)
    UploadedFile.objects.bulk_create(
        UploadedFile(
            session=session, key=f"uploads/{start + n}", name="a.pdf", size=1,
            content_type="application/pdf", lease_expires_at=NOW,
        )
        for n, session in enumerate(sessions)
    )  # fmt: skip


def _events(count: int, start: int) -> None:
    with transaction.atomic():
        for n in range(count):
            with context.as_actor(f"staff:{n % 5 + 10**6}"):  # Their accounts are deleted.
                record_many(events.STAFF_SIGNED_IN, [Entry()])


# How so many rows of each model are made; `start` keeps what is unique apart.
MAKERS: dict[type[Model], Callable[[int, int], Any]] = {
    UserSession: _sessions,
    UploadedFile: _files,
    AuditLog: _events,
    ServiceKey: lambda count, start: ServiceKey.objects.bulk_create(
        ServiceKey(name=f"key-{start + n}", key_hash=f"h{start + n}", expires_at=NOW)
        for n in range(count)
    ),
    CleanupRun: lambda count, _: CleanupRun.objects.bulk_create(
        CleanupRun(actor="system", grace=timedelta(), limit=1) for _ in range(count)
    ),
    QuarantinedObject: lambda count, start: QuarantinedObject.objects.bulk_create(
        QuarantinedObject(key=f"uploads/{start + n}", size=1, modified_at=NOW, reason="no_row")
        for n in range(count)
    ),
    Schedule: lambda count, start: Schedule.objects.bulk_create(
        Schedule(name=f"task {start + n}", func="f") for n in range(count)
    ),
    Failure: lambda count, start: Failure.objects.bulk_create(
        Failure(
            id=f"{start + n:032}", name="n", func="f", started=NOW, stopped=NOW, success=False,
            args=(), kwargs={},
        )
        for n in range(count)
    ),
    User: lambda count, start: User.objects.bulk_create(
        User(username=f"user-{start + n}") for n in range(count)
    ),
    Group: lambda count, start: Group.objects.bulk_create(
        Group(name=f"group {start + n}") for n in range(count)
    ),
}  # fmt: skip
OURS = [model for model in registered() if isinstance(admin.site._registry[model], ReadOnlyAdmin)]


def questions(client: Client, url: str) -> list[str]:
    """Return the SQL of one page."""
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert client.get(url).status_code == 200
    return [query["sql"] for query in captured]


@pytest.mark.both
def test_every_list_has_a_row_factory() -> None:
    assert set(MAKERS) == set(registered())


@pytest.mark.both
def test_t70_many_rows_cost_as_many_queries_as_one(superuser: Client) -> None:
    for model in registered():
        MAKERS[model](1, 0)
        few = questions(superuser, list_of(model))
        MAKERS[model](MANY, 100)
        many = questions(superuser, list_of(model))
        # One more counts the rows, if there is a second page.
        assert len(many) <= len(few) + (model in OURS), many
        if model in OURS:
            for sql in [*few, *many]:
                assert not COSTLY.search(sql), sql


ODD_QUERIES = ("all=", "_facets=True", "o=2.-1", "q=x", "p=3", "p=after~x~y", "e=1")


def test_t70_no_query_parameter_makes_a_list_count_or_sort(superuser: Client) -> None:
    for model, query in product(OURS, ODD_QUERIES):
        for sql in questions(superuser, f"{list_of(model)}?{query}"):
            assert not COSTLY.search(sql), sql
            if f'FROM "{model._meta.db_table}"' in sql and "ORDER BY" in sql and "LIMIT 51" in sql:
                leading = [
                    *(admin.site._registry[model].ordering or ()),
                    *(model._meta.ordering or ()),
                ][0]
                assert f'."{str(leading).removeprefix("-")}"' in sql.rpartition("ORDER BY")[2]


def links(html: str) -> dict[str, str]:
    """Return a list's paging links by label."""
    nav = html.partition('<nav class="pages"')[2].partition("</nav>")[0]
    found = re.findall(r'<a href="([^"]+)"[^>]*>[‹ ]*(\w+)', nav)
    return {word: address.replace("&amp;", "&") for address, word in found}


def walk(
    client: Client, model: type[Model], words: tuple[str, ...], address: str = ""
) -> tuple[list[list[Any]], str]:
    """Follow one of the paging links to the end; return the keys of each page, and the last address."""
    pages = []
    while True:
        html = client.get(list_of(model) + address).content.decode()
        pages.append(re.findall(r'<th class="field-[^>]*><a href="([^"?]+)', html))
        onward = [links(html)[word] for word in words if word in links(html)]
        if not onward:
            return pages, address
        address = onward[0]


def test_t70_paging_shows_every_row_once_in_both_directions(
    superuser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for model in OURS:
        monkeypatch.setattr(type(admin.site._registry[model]), "list_per_page", 7)
        with transaction.atomic():
            MAKERS[model](15, 0)
            _there_and_back(superuser, model)
            transaction.set_rollback(True)


def _there_and_back(superuser: Client, model: type[Model]) -> None:
    rows = model._default_manager.defer(*_pickles(model)).values_list("pk", flat=True)
    there, last = walk(superuser, model, ("Older", "Next"))
    shown = [page for pages in there for page in pages]
    assert len(shown) == len(set(shown)) == len(rows) >= 15, model
    assert [len(page) for page in there[:-1]] == [7] * (len(there) - 1)
    back, _ = walk(superuser, model, ("Newer", "Previous"), last)
    assert back[: len(there)] == there[::-1]


def _pickles(model: type[Model]) -> list[str]:
    return ["args", "kwargs", "result"] if model is Failure else []


UNREADABLE_PLACES = (
    "", "x", "after~", "after~2026-11-23~", "after~x~1",
    "before~2026-11-23T00:00:00+00:00~99999999999999999999",
    "after~0001-01-01T00:00:00+14:00~1", "after~~", "~~~~", "after~2026-02-30T00:00:00Z~1",
)  # fmt: skip


def test_an_invalid_page_parameter_shows_the_first_page(superuser: Client) -> None:
    _events(3, 0)
    for place in UNREADABLE_PLACES:
        page = superuser.get(list_of(AuditLog), {"p": place})
        assert page.status_code == 200, place
        assert "staff.signed_in" in page.content.decode(), place
        assert "Newest" not in links(page.content.decode()), place


MASKED_LOOKUPS = (
    "name__startswith", "email__icontains", "token_hash__startswith", "status__regex", "name",
    "recoverycode__code_hash__startswith", "uploads__name__startswith", "status__gte",
)  # fmt: skip


def test_query_parameters_cannot_search_masked_values(visitor: Visitor, make_staff: Any) -> None:
    visitor.identify(name="Anna Bell")
    auditor = make_staff("Auditor")
    for lookup in MASKED_LOOKUPS:
        answer = auditor.get(list_of(UserSession), {lookup: "A"})
        assert answer.status_code == 400, lookup
        assert page_of(visitor.row) not in answer.content.decode(), lookup
    file_lists = auditor.get(list_of(UploadedFile), {"name__startswith": "r"})
    assert file_lists.status_code == 400


def test_t69_a_bulk_action_takes_only_selected_rows(make_staff: Any) -> None:
    MAKERS[QuarantinedObject](MANY, 0)
    operator = make_staff("Operator")
    html = operator.get(list_of(QuarantinedObject)).content.decode()
    assert "across all pages" not in html
    first = QuarantinedObject.objects.latest("pk")
    captured = {"action": "give_back", "_selected_action": [str(first.pk)], "index": "0"}
    page = operator.post(
        list_of(QuarantinedObject), {**captured, "select_across": "1"}, follow=True
    ).content.decode()
    assert "select the rows one by one" in shown_text(page)
    page = operator.post(list_of(QuarantinedObject), {**captured, "select_across": "0"})
    assert [orphan.pk for orphan in page.context["trash_items"]] == [first.pk]


def test_an_empty_list_has_a_message(superuser: Client) -> None:
    for model, query, said in [
        (UserSession, "", "There are no sessions yet."),
        (
            UserSession,
            "?status__exact=revoked",
            "No sessions match status: Revoked. Clear the filters",
        ),
        (AuditLog, "?actor=system", "No audit events match. Clear the filters"),
    ]:
        html = superuser.get(list_of(model) + query).content.decode()
        assert said in shown_text(html)
