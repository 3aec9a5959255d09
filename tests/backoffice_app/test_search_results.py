"""Results of a search have an address without the term, which the staff session keeps for 15 minutes."""

import logging
import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import Group
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from backoffice_app.search.kept import KEPT_FOR, MOST_KEPT
from tests.backoffice_app.pages import page_of, shown_text
from tests.backoffice_app.search_box import FIND, ask, linked, opened, results_address, searches
from tests.helpers import Visitor, events, started

NAME, EMAIL = "Änne Bell", "anne@mail.example"
PAST = "The search is no longer kept. Search again."


@pytest.fixture
def anne(db: None) -> Visitor:
    """A visitor with a name and an e-mail address."""
    visitor = started()
    visitor.identify(name=NAME, email=EMAIL)
    return visitor


def is_past(answer: Any, anne: Visitor) -> bool:
    """Whether the page says that the search is no longer kept, and offers the box."""
    html = answer.content.decode()
    if answer.status_code != 410:
        return False
    assert PAST in shown_text(html)
    assert 'id="search-here"' in html
    assert linked(answer, [anne.row]) == []
    return True


@pytest.mark.both
def test_t50_results_can_be_reloaded_and_are_recorded_once(
    support: Client, anne: Visitor, caplog: Any
) -> None:
    with caplog.at_level(logging.DEBUG):
        address = results_address(support, NAME)
        for _ in range(3):
            answer = support.get(address)
            assert answer.status_code == 200
            assert linked(answer, [anne.row]) == [anne.row]
            assert "no-store" in answer["Cache-Control"]
            html = answer.content.decode()
            assert f'value="{NAME}"' in html
            assert EMAIL not in html
            assert "Ä••• B•••" in shown_text(html)
    assert searches() == [("name,file_name", 1)]
    assert events().count("staff.session_viewed") == 0
    assert NAME not in " ".join(f"{one.getMessage()} {one.__dict__}" for one in caplog.records)


def test_t50_the_stored_session_has_neither_the_term_nor_the_key(
    support: Client, anne: Visitor
) -> None:
    key = results_address(support, NAME).split("/")[-2]
    (row,) = Session.objects.all()
    stored = str(row.get_decoded())
    assert "searches" in stored
    for value in (NAME, NAME.encode().hex(), NAME.encode("unicode_escape").decode(), key):
        assert value not in stored


def test_a_search_is_kept_for_15_minutes_by_one_session(
    support: Client, anne: Visitor, make_staff: Any
) -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        address = results_address(support, NAME)
        assert is_past(make_staff("Support").get(address), anne)
        clock.shift(KEPT_FOR - timedelta(seconds=1))
        assert support.get(address).status_code == 200
        clock.shift(timedelta(seconds=1))
        assert is_past(support.get(address), anne)
        results_address(support, EMAIL)
        assert len(support.session["searches"]) == 1
    assert searches() == [("name,file_name", 1), ("email", 1)]


def test_sign_out_forgets_searches(support: Client, anne: Visitor) -> None:
    address = results_address(support, NAME)
    support.post("/admin/logout/")
    assert support.get(address)["Location"] == f"/admin/login/?next={address}"
    support.force_login(support.user)  # type: ignore[attr-defined]
    assert is_past(support.get(address), anne)


def test_each_search_has_its_own_address_and_the_oldest_is_replaced(
    support: Client, anne: Visitor
) -> None:
    addresses = [results_address(support, f"{NAME[:3]}{' ' * n}") for n in range(MOST_KEPT)]
    assert len(set(addresses)) == MOST_KEPT
    assert support.get(addresses[0]).status_code == 200
    results_address(support, EMAIL)
    assert is_past(support.get(addresses[0]), anne)
    assert support.get(addresses[1]).status_code == 200


def test_t64_results_follow_permissions_and_a_search_by_new_ones_is_recorded(
    make_staff: Any, anne: Visitor
) -> None:
    auditor = make_staff("Auditor")
    address = results_address(auditor, NAME)
    assert linked(auditor.get(address), [anne.row]) == []
    assert searches() == []
    auditor.user.groups.add(Group.objects.get(name="Support"))
    opened_from = f"{page_of(anne.row)}?from={address.split('/')[-2]}"
    assert "Result 1 of 1" not in auditor.get(opened_from).content.decode()
    for _ in range(2):
        assert linked(auditor.get(address), [anne.row]) == [anne.row]
    assert searches() == [("name,file_name", 1)]
    auditor.user.groups.clear()
    assert auditor.get(address).status_code == 403


def test_a_term_that_is_too_long_or_empty_is_redirected_too(support: Client) -> None:
    address = results_address(support, "x" * 10_000)
    assert "A term has at most 300 characters." in shown_text(support.get(address).content.decode())
    assert len(support.session["searches"][0]["term"]) < 1_000
    assert support.post(FIND, {"q": " \u200b"})["Location"] == FIND
    assert searches() == []


def test_an_opened_page_is_not_a_kept_search(support: Client, anne: Visitor) -> None:
    assert anne.uuid in opened(support, anne.row.support_code)
    assert "searches" not in support.session
    assert events().count("staff.session_viewed") == 0
    ask(support, anne.row.support_code)
    assert events().count("staff.session_viewed") == 1
    assert searches() == []


def test_results_are_only_read(support: Client, anne: Visitor) -> None:
    address = results_address(support, NAME)
    for method in ("post", "put", "delete", "patch"):
        assert getattr(support, method)(address).status_code == 405
    assert re.search(f'method="post" action="{FIND}"', support.get(address).content.decode())


@pytest.mark.both
def test_a_page_opened_from_results_leads_to_the_next_result(
    support: Client, anne: Visitor, make_staff: Any
) -> None:
    for _ in range(2):
        started().identify(name=NAME, email=EMAIL)
    results = results_address(support, EMAIL)
    recorded = searches()
    address = re.findall(
        r'href="([^"]+/change/\?from=[^"]+)"', support.get(results).content.decode()
    )[0]
    visited = []
    while address:
        html = support.get(address).content.decode()
        visited.append(address.partition("?")[0])
        assert f"Result {len(visited)} of 3" in html
        assert f'href="{results}"' in html
        following = re.search(r'href="([^"]+)" rel="next">Next result', html)
        address = following[1] if following else ""
    assert len(set(visited)) == 3
    assert searches() == recorded
    for staff, query in (
        (make_staff("Support"), f"?from={results.split('/')[-2]}"),
        (support, "?from=unknown"),
        (support, ""),
    ):
        assert "Next result" not in staff.get(visited[0] + query).content.decode()
