"""Searches by personal values are limited for each staff member; other searches are not."""

from typing import Any

import pytest

from audit_app.models import AuditLog
from maria_project import settings as project
from sessions_app.limits import Rate, parse_rate
from tests.backoffice_app.pages import shown_text
from tests.backoffice_app.search_box import FIND, searches
from tests.helpers import Visitor

PERSONAL = ("Anne Bell", "anne@mail.example", "198.51.100.7")


def test_personal_searches_are_limited_per_person_and_others_are_not(
    visitor: Visitor, make_staff: Any, settings: Any
) -> None:
    # A day, so that no window ends meanwhile.
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "staff_search": ["3/d"]}
    visitor.identify(name="Anne Bell")
    support, colleague = make_staff("Support"), make_staff("Support")
    for term in PERSONAL:
        assert support.post(FIND, {"q": term}).status_code == 302
    recorded = searches()
    answers = [support.post(FIND, {"q": term}) for term in PERSONAL]
    for answer in answers:
        assert answer.status_code == 429
        assert int(answer["Retry-After"]) > 60
        assert "Try again in" in shown_text(answer.content.decode())
        assert visitor.row.support_code not in answer.content.decode()
    assert searches() == recorded
    refused = AuditLog.objects.get(event_type="ratelimit.exceeded")
    assert refused.actor == f"staff:{support.user.pk}"
    assert refused.details["limit"] == "staff_search-86400s"

    for term in (visitor.row.support_code, visitor.uuid):
        assert support.post(FIND, {"q": term}).status_code == 302
    assert colleague.post(FIND, {"q": PERSONAL[0]}).status_code == 302


def test_personal_searches_are_limited_to_30_in_10_minutes() -> None:
    assert [parse_rate(rate) for rate in project.RATE_LIMITS["staff_search"]] == [Rate(30, 600)]


@pytest.mark.parametrize("rate", ["30/0m", "30/-1m", "30/100000m", "30/10", "30/1.5h"])
def test_a_rate_over_several_periods_is_checked(rate: str) -> None:
    with pytest.raises(ValueError, match="not a rate"):
        parse_rate(rate)
