"""Stale action pages: if the session has changed, the action must be confirmed again."""

import re
from typing import Any

import pytest

from tests.backoffice_app.pages import page_of, shown_text
from tests.helpers import Visitor, events, uploaded

pytestmark = pytest.mark.both


def opened(staff: Any, url: str) -> str:
    """Open an action's page and return its hidden state."""
    html = staff.get(url).content.decode()
    found = re.search(r'name="seen" value="([^"]*)"', html)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("action", ["revoke", "extend", "recover"])
def test_a_session_that_ended_since_is_unchanged(
    visitor: Visitor, make_staff: Any, action: str
) -> None:
    support = make_staff("Support")
    url = page_of(visitor.row, action)
    seen = opened(support, url)
    visitor.end()
    before, row = events(), visitor.row

    answer = support.post(url, {"seen": seen, "reason": "a reason of mine", "days": 7})

    assert "This action is no longer possible" in shown_text(answer.content.decode())
    assert 'value="a reason of mine"' in answer.content.decode()
    assert 'type="submit" class="default"' not in answer.content.decode()
    assert events() == before
    assert (visitor.row.status, visitor.row.expires_at) == (row.status, row.expires_at)


def test_of_two_staff_one_acts_and_the_other_must_confirm_again(
    visitor: Visitor, make_staff: Any
) -> None:
    upload = uploaded(visitor)
    url = page_of(upload, "quarantine")
    one, other = make_staff("Support"), make_staff("Support")
    seen = opened(other, url)
    one.post(url, {"seen": opened(one, url), "reason": "malware"})
    upload.refresh_from_db()
    assert upload.status == "quarantined"
    answer = other.post(url, {"seen": seen, "reason": "malware"})
    assert "This action is no longer possible" in shown_text(answer.content.decode())
    # To a confirmation from a new page the service says that it is too late.
    again = other.post(url, {"seen": opened(other, url), "reason": "malware"}, follow=True)
    assert "not stored any more. Nothing was changed" in shown_text(again.content.decode())
    assert events().count("upload.quarantined") == 1


def test_what_was_typed_is_confirmed_again_unchanged(visitor: Visitor, make_staff: Any) -> None:
    support = make_staff("Support")
    url = page_of(visitor.row, "erase")
    seen, typed = opened(support, url), {"why": "Abuse", "reason": "spam"}
    visitor.end()
    answer = support.post(url, {"seen": seen, **typed}).content.decode()
    assert "confirm again if you still want this" in shown_text(answer)
    assert 'value="spam"' in answer
    assert re.search('value="Abuse"[^>]* checked', answer)


def test_a_preset_and_free_text_become_one_reason(visitor: Visitor, make_staff: Any) -> None:
    support = make_staff("Support")
    support.post(page_of(visitor.row, "revoke"), {"why": "Abuse", "reason": "spam"})
    assert visitor.row.end_reason == "Abuse: spam"


@pytest.mark.parametrize("body", [{"why": "Nonsense"}, {"why": "Abuse", "reason": "x" * 200}, {}])
def test_an_invalid_reason_shows_the_form_again(
    visitor: Visitor, make_staff: Any, body: dict[str, str]
) -> None:
    answer = make_staff("Support").post(page_of(visitor.row, "revoke"), body)
    assert answer.status_code == 200
    assert 'class="errorlist"' in answer.content.decode()
    assert visitor.current().status_code == 200
