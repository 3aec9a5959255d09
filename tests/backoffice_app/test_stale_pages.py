"""Two staff act on one session, or it ends while its page is open: the second is asked to look again."""

import re
from typing import Any

import pytest

from tests.backoffice_app.pages import page_of, shown_text
from tests.helpers import Visitor, events, uploaded

pytestmark = pytest.mark.both


def opened(staff: Any, url: str) -> str:
    """Open an action's page and return what it says was seen."""
    html = staff.get(url).content.decode()
    found = re.search(r'name="seen" value="([^"]*)"', html)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("action", ["revoke", "extend", "recover"])
def test_a_session_that_ended_meanwhile_is_left_alone(
    visitor: Visitor, make_staff: Any, action: str
) -> None:
    support = make_staff("Support")
    url = page_of(visitor.row, action)
    seen = opened(support, url)
    visitor.end()
    before, row = events(), visitor.row

    answer = support.post(url, {"seen": seen, "reason": "a reason of mine", "days": 7})

    assert "the data has changed since you opened the page" in shown_text(answer.content.decode())
    assert 'value="a reason of mine"' in answer.content.decode()
    assert events() == before
    assert (visitor.row.status, visitor.row.expires_at) == (row.status, row.expires_at)


def test_of_two_staff_one_acts_and_the_other_checks_again(
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
    assert "the data has changed since you opened the page" in shown_text(answer.content.decode())
    # Who has looked again may still want it; the service then says that it was too late.
    again = other.post(url, {"seen": opened(other, url), "reason": "malware"}, follow=True)
    assert "not stored any more, so nothing was done" in shown_text(again.content.decode())
    assert events().count("upload.quarantined") == 1


def test_a_preset_and_words_of_ones_own_become_one_reason(
    visitor: Visitor, make_staff: Any
) -> None:
    support = make_staff("Support")
    support.post(page_of(visitor.row, "revoke"), {"why": "Abuse", "reason": "spam"})
    assert visitor.row.end_reason == "Abuse: spam"


@pytest.mark.parametrize("body", [{"why": "Nonsense"}, {"why": "Abuse", "reason": "x" * 200}, {}])
def test_a_reason_that_will_not_do_is_requested_again(
    visitor: Visitor, make_staff: Any, body: dict[str, str]
) -> None:
    answer = make_staff("Support").post(page_of(visitor.row, "revoke"), body)
    assert answer.status_code == 200
    assert 'class="errorlist"' in answer.content.decode()
    assert visitor.current().status_code == 200
