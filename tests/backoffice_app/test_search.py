"""Staff search: sessions, files and events, with the reason for each match."""

import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from audit_app.models import AuditLog
from audit_app.services import record
from backoffice_app.search.lookups import CANDIDATES, SHOWN
from common import context
from common.context import RequestContext
from sessions_app.events import EXPIRED
from sessions_app.models import UserSession
from sessions_app.uuid_helpers import generate_support_code
from tests.backoffice_app.pages import list_of, page_of, shown_text
from tests.backoffice_app.search_box import FIND, ask, found, linked, opened, whys
from tests.helpers import Visitor, age_session, started, uploaded
from uploads_app.models import UploadedFile

# Nobody else in these tests has them.
NAME, EMAIL, FILE = "Änne von Bell", "anne.bell@mail.example", "Befund März 2026.pdf"


@pytest.fixture
def others(db: None) -> list[UserSession]:
    """Two sessions of other visitors."""
    rows = []
    for _ in range(2):
        other = started()
        other.identify(name="Zeno Yask", email="zeno@mail.example")
        rows.append(other.row)
    return rows


@pytest.fixture
def anne(others: list[UserSession]) -> Visitor:
    """A visitor with a name, an e-mail address, a file and a client address."""
    visitor = Visitor(REMOTE_ADDR="198.51.100.7")
    assert visitor.start().status_code == 201
    assert visitor.identify(name=NAME, email=EMAIL).status_code == 200
    uploaded(visitor, name=FILE)
    return visitor


SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "lower case": str.lower,
    "no hyphens": lambda code: code.replace("-", ""),
    "spaces": lambda code: code.replace("-", " "),
    "no prefix": lambda code: code.removeprefix("MAR-"),
    "bare": lambda code: code.removeprefix("MAR-").replace("-", "").lower(),
    "O for 0": lambda code: "MAR-" + code[4:].replace("0", "O"),
    "o and l for 0 and 1": lambda code: (
        "mar-" + code[4:].lower().replace("0", "o").replace("1", "l")
    ),
    "I for 1": lambda code: "MAR-" + code[4:].replace("1", "I"),
    "around it": lambda code: f"  {code}\t",
    "with dots": lambda code: code.replace("-", "."),
    "with long dashes": lambda code: code.replace("-", "–"),
    "with a mark that nobody sees": lambda code: f"\u202d{code}\u202c",
}


def test_a_support_code_in_any_spelling(support: Client, others: list[UserSession]) -> None:
    code = ""
    while not {"0", "1"} <= set(code[4:]):
        code = generate_support_code()
    UserSession.objects.filter(pk=others[0].pk).update(support_code=code)
    for how, spelling in SPELLINGS.items():
        assert opened(support, spelling(code)) == page_of(others[0]), how


@pytest.mark.both
def test_a_session_uuid_or_its_start(support: Client, others: list[UserSession]) -> None:
    one, text = others[0], str(others[0].uuid)
    for term in (text, text.upper(), text.replace("-", ""), f" {{{text}}} ", f"urn:uuid:{text}"):
        assert opened(support, term) == page_of(one)
        assert whys(support.get(FIND, {"q": term})) == ["session UUID"]
    for term in (text[:6], text[:9].upper(), text[:14].replace("-", ""), text[:35]):
        answer = ask(support, term)
        assert linked(answer, others) == [one], term
        assert whys(answer) == ["session UUID starts with this"]
    assert found(support, text[:5], others) == []
    assert found(support, str(uuid.uuid4()), others) == []


@pytest.mark.both
def test_a_whole_e_mail_address(support: Client, anne: Visitor) -> None:
    for term in (EMAIL, EMAIL.upper(), f" {EMAIL.title()} "):
        answer = ask(support, term)
        assert [hit.row for hit in answer.context["answer"].groups[0].hits] == [anne.row]
        assert whys(answer) == ["e-mail address, not verified"]


@pytest.mark.both
def test_part_of_an_e_mail_address_finds_nothing(support: Client, anne: Visitor) -> None:
    for term in (EMAIL[:-1], EMAIL[1:], "@mail.example", "anne.bell@", f"x{EMAIL}"):
        assert found(support, term, [anne.row]) == []


@pytest.mark.both
def test_the_start_of_a_name_or_of_its_last_word(support: Client, anne: Visitor) -> None:
    for term in ("Änne von Bell", "änne v", "ÄNNE", "A\u0308nn", "ä"):
        answer = ask(support, term)
        assert linked(answer, [anne.row]) == [anne.row], term
        assert whys(answer) == ["name starts with this"], term
    assert whys(ask(support, "Bell")) == ["last word of the name starts with this"]
    both = ["last word of the name starts with this", "file name starts with this"]
    assert whys(ask(support, "be")) == both


@pytest.mark.both
def test_what_a_name_does_not_begin_with_finds_no_one(support: Client, anne: Visitor) -> None:
    for term in ("ell", "von", "nne", "anne", "Änne_von", "Änne%", "%", "Bell x"):
        assert found(support, term, [anne.row]) == [], term


@pytest.mark.both
def test_the_beginning_of_a_file_name(support: Client, anne: Visitor) -> None:
    file = UploadedFile.objects.get()
    for term in (FILE, "befund", "BEFUND MÄ", "Befund M"):
        answer = ask(support, term)
        assert linked(answer, [file]) == [file], term
        assert whys(answer) == ["file name starts with this"], term
        assert anne.row.support_code in shown_text(answer.content.decode())


@pytest.mark.both
def test_names_in_any_script(support: Client, others: list[UserSession]) -> None:
    for name in ("ИВАНОВА", "Straße Ωmega", "O'Neil \\ %_", "李 小龙", "🦀 Crab"):
        UserSession.objects.filter(pk=others[0].pk).update(name=name)
        for term in (name.lower(), name[:1], name.rsplit(maxsplit=1)[-1].upper()):
            assert found(support, term, others) == [others[0]], term


@pytest.mark.both
def test_a_client_address_finds_who_was_seen_there_last(
    support: Client, others: list[UserSession]
) -> None:
    spelled = {
        "198.51.100.7": ["198.51.100.7", " 198.51.100.7 ", "::ffff:198.51.100.7"],
        "2001:db8::a": ["2001:db8::a", "2001:0DB8:0:0:0:0:0:A", "[2001:db8::a]"],
    }
    for seen, terms in spelled.items():
        visitors = [Visitor(REMOTE_ADDR=seen) for _ in range(2)]
        for visitor in visitors:
            visitor.start()
        rows = [visitor.row for visitor in visitors]
        for term in terms:
            answer = ask(support, term)
            assert linked(answer, [*rows, *others]) == rows[::-1], term
            assert all(why.startswith("seen from this address, last on 20") for why in whys(answer))
    assert found(support, "198.51.100.70", rows) == []


@pytest.mark.both
def test_where_staff_work_is_no_visitors_address(support: Client, anne: Visitor) -> None:
    support.get(page_of(anne.row), REMOTE_ADDR="203.0.113.9")
    assert AuditLog.objects.filter(personal__address="203.0.113.9").exists()
    assert found(support, "203.0.113.9", [anne.row]) == []


@pytest.mark.both
def test_a_request_id_finds_its_events_and_sessions(support: Client, anne: Visitor) -> None:
    event = AuditLog.objects.get(event_type="upload.stored")
    of_request = list(AuditLog.objects.filter(request_id=event.request_id))
    other = AuditLog.objects.exclude(request_id=event.request_id).first()
    for term in (event.request_id, event.request_id.upper(), str(uuid.UUID(event.request_id))):
        answer = support.get(FIND, {"q": term})
        assert sorted(whys(answer)) == ["part of this request"] + ["request id"] * len(of_request)
        assert set(linked(answer, [*of_request, other, anne.row])) == {*of_request, anne.row}
        assert opened(support, term) == f"{list_of(AuditLog)}?request={event.request_id}"
        assert ask(support, term).context["cl"].result_count == len(of_request)


def test_a_proxys_own_request_id(support: Client, settings: Any) -> None:
    settings.TRUSTED_PROXIES = 1
    visitor = Visitor(headers={"X-Request-ID": "edge.Berlin-77_x"})
    visitor.start()
    assert opened(support, "edge.Berlin-77_x") == f"{list_of(AuditLog)}?request=edge.Berlin-77_x"
    assert found(support, "edge.Berlin-77_x", [visitor.row]) == [visitor.row]


@pytest.mark.both
def test_a_file_by_its_sha_256_id_and_key(support: Client, anne: Visitor) -> None:
    file = UploadedFile.objects.get()
    same = started()
    assert same.upload(b"".join([anne.download(str(file.pk))])).status_code == 201
    copy = UploadedFile.objects.get(session=same.row)
    for term in (file.sha256, file.sha256.upper()):
        answer = ask(support, term)
        assert linked(answer, [file, copy]) == [copy, file]
        assert whys(answer) == ["SHA-256 (same content)"] * 2
    assert found(support, file.sha256[:-1], [file, copy]) == [copy, file]
    copy.delete()
    assert opened(support, file.sha256) == page_of(file)
    for term, why in (
        (str(file.pk), "file id"),
        (file.pk.hex, "file id"),
        (file.key, "object key"),
    ):
        assert opened(support, term) == page_of(file)
        assert whys(support.get(FIND, {"q": term})) == [why]
    assert found(support, file.key[:-1], [file]) == []


@pytest.mark.both
def test_values_are_masked_and_the_state_and_code_are_shown(support: Client, anne: Visitor) -> None:
    anne.end()
    for term in (EMAIL, "änne", "befund", anne.uuid[:8]):
        html = ask(support, term).content.decode().replace(f'value="{term}"', "")
        text = shown_text(html)
        for value in (NAME, "von Bell", EMAIL, FILE, "198.51.100.7"):
            assert value not in html, (term, value)
        assert anne.row.support_code in text
    assert "Ended" in shown_text(ask(support, EMAIL).content.decode())
    assert "Ä••• v••• B•••" in shown_text(ask(support, EMAIL).content.decode())


@pytest.mark.both
def test_the_newest_come_first_and_twenty_are_shown(
    support: Client, others: list[UserSession]
) -> None:
    template = others[0]
    UserSession.objects.bulk_create(
        UserSession(
            name="Many Faces", email="many@mail.example", token_hash=f"{n:064}",
            created_at=timezone.now() - timedelta(days=n), expires_at=template.expires_at,
        )
        for n in range(21)
    )  # fmt: skip
    rows = list(UserSession.objects.filter(name="Many Faces").order_by("-created_at"))
    for term in ("many@mail.example", "many f", "faces"):
        answer = ask(support, term)
        assert linked(answer, rows) == rows[:20]
        assert "Only 20 are shown. There are more." in shown_text(answer.content.decode())
    UserSession.objects.filter(pk=rows[20].pk).delete()
    assert "Only 20 are shown" not in shown_text(ask(support, "faces").content.decode())


@pytest.mark.both
def test_with_very_many_matches_the_page_says_that_newer_ones_may_be_missing(
    support: Client, db: None
) -> None:
    now = timezone.now()
    many = [
        UserSession(
            uuid=uuid.uuid4(), token_hash=f"{n:064}", support_code=generate_support_code(),
            name=f"Legion {n:03}", expires_at=now + timedelta(days=1),
        )
        for n in range(CANDIDATES)
    ]  # fmt: skip
    *but_one, last = many
    UserSession.objects.bulk_create(but_one)
    missing = (
        "these are the newest of the first 200 in alphabetical order, so newer ones may be missing"
    )
    assert missing not in shown_text(ask(support, "legion").content.decode())
    UserSession.objects.bulk_create([last])
    assert missing in shown_text(ask(support, "legion").content.decode())


def test_a_single_result_has_its_link_focused(support: Client, anne: Visitor) -> None:
    html = ask(support, EMAIL).content.decode()
    assert f'<a href="{page_of(anne.row)}" autofocus>' in html
    assert html.count(" autofocus") == 1


def test_without_results_the_page_says_what_was_searched_and_what_to_ask(support: Client) -> None:
    text = shown_text(ask(support, "nobody").content.decode())
    assert "No results. Searched by:" in text
    assert "start of a name, start of a file name" in text
    assert "Ask for the code again, symbol by symbol. 0 is never O" in text
    empty = support.get(FIND)
    assert empty.status_code == 200
    assert "What you can search by" in shown_text(empty.content.decode())


def test_the_box_is_on_every_page(support: Client, anne: Visitor) -> None:
    for url in (
        "/admin/", list_of(UserSession), page_of(anne.row), page_of(anne.row, "revoke"), FIND,
        "/admin/password_change/",
    ):  # fmt: skip
        html = support.get(url).content.decode()
        assert f'method="post" action="{FIND}" role="search"' in html, url
    assert FIND not in Client().get("/admin/login/").content.decode()


def test_a_list_narrows_by_state_and_leaves_finding_to_the_box(
    support: Client, others: list[UserSession]
) -> None:
    ended = started()
    ended.end()
    rows = [*others, ended.row]

    def listed(**query: str) -> set[UserSession]:
        html = support.get(list_of(UserSession), query).content.decode()
        return {row for row in rows if page_of(row) in html}

    assert listed(status__exact="ended") == {ended.row}
    assert listed(status__exact="active") == set(others)
    assert listed(status__exact="revoked") == set()
    assert 'id="searchbar"' not in support.get(list_of(UserSession)).content.decode()


def test_an_old_session_is_found(support: Client, anne: Visitor) -> None:
    age_session(anne.row, timedelta(days=4000))
    assert found(support, EMAIL, [anne.row]) == [anne.row]


@pytest.mark.both
def test_a_request_with_many_events_links_to_all_of_them(support: Client, anne: Visitor) -> None:
    request_id = str(uuid.uuid4())
    request_context = RequestContext(request_id=request_id, actor="visitor")
    with context.using(request_context), transaction.atomic():
        for _ in range(SHOWN + 1):
            record(EXPIRED, session_uuid=anne.row.pk, reason="idle")
    html = support.get(FIND, {"q": request_id}).content.decode()
    link = re.search(r'<a href="([^"]+)">All events of this request</a>', html)
    assert link
    listed = support.get(link[1])
    assert listed.status_code == 200
    assert listed.context["cl"].result_count == SHOWN + 1
