"""The session's page: the visitor's card, the parts of the page, and sentences for the visitor."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from django.db import transaction
from django.test import Client

from audit_app.events import registered
from audit_app.models import AuditLog
from audit_app.services import record
from backoffice_app.answers import (
    FILE_ANSWERS,
    REFUSAL_ANSWERS,
    answer_about_event,
    answer_about_file,
)
from backoffice_app.zones import COOKIE
from sessions_app import events as session_events
from tests.backoffice_app.pages import inline_code, page_of, shown_text
from tests.helpers import Visitor, age_session, pdf, uploaded
from tests.maria_project.pages import table_rows
from uploads_app.models import UploadedFile
from uploads_app.services.inspection import quarantine_upload


def page(staff: Client, visitor: Visitor) -> str:
    answer = staff.get(page_of(visitor.row))
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    html = answer.content.decode()
    assert inline_code(html) == []
    return html


def card_of(html: str) -> str:
    return html[html.index('class="case-card') : html.index('class="case-main"')]


# The card --------------------------------------------------------------------------


def test_the_card_has_the_visitor_masked_the_storage_and_the_session_before(
    visitor: Visitor, support: Client
) -> None:
    uploaded(visitor, pdf("one"))
    old = visitor.row
    visitor.reset()
    visitor.identify(name="Erika Muster", email="erika@example.org")
    html = page(support, visitor)
    card = card_of(html)
    text = shown_text(card)
    assert f'data-copy="{visitor.row.support_code}"' in card
    for fact in ("E••• M•••", "e•••@e•••", "only claimed", "0 of 3 files"):
        assert fact in text
    assert f"{old} reset, 1 file there" in text
    assert "Erika" not in html


@pytest.mark.parametrize(
    ("role", "links"),
    [
        ("Support", ["reveal", "give_files", "export", "person", "erase"]),
        ("Auditor", ["person"]),
    ],
)
def test_the_card_offers_what_fits_this_session_and_this_person(
    visitor: Visitor, make_staff: Any, role: str, links: list[str]
) -> None:
    uploaded(visitor)
    visitor.end()
    card = card_of(page(make_staff(role), visitor))
    assert re.findall(rf'href="[^"]+{visitor.uuid}/(\w+)/"', card) == links
    buttons = re.findall(r'class="button (button-\w+)', card)
    assert buttons == (["button-primary", "button-danger"] if role == "Support" else [])


def test_every_part_of_the_page_is_reached_by_a_plain_link(
    visitor: Visitor, support: Client
) -> None:
    uploaded(visitor)
    html = page(support, visitor)
    tabs = re.search(r'<nav class="tabs".*?</nav>', html, re.DOTALL)
    assert tabs is not None
    assert shown_text(tabs[0]) == "Timeline Files 1 Details"
    for part in re.findall(r'href="#(\w+)"', tabs[0]):
        assert html.count(f'id="{part}"') == 1
    # A form inside another one would be ignored.
    assert re.search(r"<form(?:(?!</form>).)*<form", html, re.DOTALL) is None


def test_each_code_id_and_hash_has_a_copy_button(visitor: Visitor, support: Client) -> None:
    upload = uploaded(visitor)
    stored = AuditLog.objects.get(event_type="upload.stored")
    expected = [
        (visitor.row, [visitor.uuid, visitor.row.support_code, stored.request_id]),
        (upload, [str(upload.pk), upload.sha256, upload.key]),
        (stored, [str(stored.event_id), stored.target]),
    ]
    for row, values in expected:
        html = support.get(page_of(row)).content.decode()
        assert [value for value in values if f'data-copy="{value}"' not in html] == []


# The timeline ----------------------------------------------------------------------


def test_events_are_grouped_by_day_in_the_time_zone_of_the_reader(
    visitor: Visitor, support: Client
) -> None:
    support.cookies[COOKIE] = "Pacific/Auckland"
    with (
        time_machine.travel(datetime(2026, 11, 24, 10, 30, tzinfo=UTC), tick=False),
        transaction.atomic(),
    ):
        record(session_events.EXPIRED, session_uuid=visitor.row.uuid, reason="idle")
    with (
        time_machine.travel(datetime(2026, 11, 24, 11, 30, tzinfo=UTC), tick=False),
        transaction.atomic(),
    ):
        record(session_events.EXPIRED, session_uuid=visitor.row.uuid, reason="idle")
    html = page(support, visitor)
    days = re.findall(r'<time datetime="([\d-]+)">([^<]+)</time></h3>', html)
    assert ("2026-11-25", "Wed, 25 November 2026") in days
    assert ("2026-11-24", "Tue, 24 November 2026") in days


def test_technical_events_are_folded_and_refusals_stand_out(
    visitor: Visitor, support: Client
) -> None:
    with transaction.atomic():
        for _ in range(3):
            record(session_events.TOKEN_ROTATED, session_uuid=visitor.row.uuid, reason="completed")
    visitor.upload(b"no pdf", name="Virus Muster.exe")
    html = page(support, visitor)
    assert "<summary>3 technical events</summary>" in html
    assert html.count("story-refused") == 1
    assert "V•••.exe was refused: its type is not allowed" in shown_text(html)
    assert ">success<" not in html


# Sentences for the visitor ---------------------------------------------------------


def test_the_sentences_for_the_visitor_are_those_of_the_docs() -> None:
    files = {row[0]: row[1] for row in table_rows("docs/support.md", "state", "tell the visitor")}
    refusals = table_rows("docs/support.md", "refusal", "tell the visitor")
    assert files == FILE_ANSWERS
    assert {row[0].strip("`"): row[1] for row in refusals} == REFUSAL_ANSWERS


def test_each_file_has_its_sentence_and_no_sentence_has_a_name(
    visitor: Visitor, support: Client
) -> None:
    upload = uploaded(visitor, name="Krankenakte.pdf")
    seen = [answer_about_file(upload)]
    html = page(support, visitor)
    assert f'data-copy="{FILE_ANSWERS["stored"]}"' in html
    assert "You uploaded a file." in shown_text(html)
    assert f'data-copy="{FILE_ANSWERS["stored"]}"' in support.get(page_of(upload)).content.decode()
    stored = AuditLog.objects.get(event_type="upload.stored")
    assert 'data-copy="You uploaded a file."' in support.get(page_of(stored)).content.decode()
    quarantine_upload(upload=upload, reason="x")
    seen.append(answer_about_file(UploadedFile.objects.get(pk=upload.pk)))
    visitor.delete_upload(str(upload.pk))
    seen.append(answer_about_file(UploadedFile.objects.get(pk=upload.pk)))
    kept = uploaded(visitor)
    age_session(visitor.row, timedelta(days=40))
    seen.append(answer_about_file(UploadedFile.objects.get(pk=kept.pk)))
    assert [name for name, answer in FILE_ANSWERS.items() if answer in seen] == [
        "stored", "stored, session over", "quarantined", "deleted by the visitor",
    ]  # fmt: skip


def test_each_event_of_a_session_has_a_sentence_for_its_visitor(visitor: Visitor) -> None:
    cache.clear()
    visitor.upload(b"no pdf", name="x.exe")
    refused = AuditLog.objects.get(event_type="upload.rejected")
    assert answer_about_event(refused) == REFUSAL_ANSWERS["type_not_allowed"]
    created = AuditLog.objects.get(event_type="session.created")
    assert answer_about_event(created) == "You started this session."
    names = {event.name for event in registered()}
    assert {key for key in REFUSAL_ANSWERS if "." in key} <= names
