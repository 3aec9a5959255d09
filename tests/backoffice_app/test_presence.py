"""Staff see who else has a session's page open."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from backoffice_app.live.presence import RENEWED_AFTER, SECONDS
from tests.backoffice_app.pages import page_of, shown_text
from tests.helpers import Visitor, events, started

pytestmark = pytest.mark.both


def opened(staff: Client, visitor: Visitor, page: str = "change") -> str:
    return shown_text(staff.get(page_of(visitor.row, page)).content.decode())


def test_others_are_shown_while_their_page_is_open(
    visitor: Visitor, make_staff: Any, cache_in_step: None
) -> None:
    anna, ben = make_staff("Support"), make_staff("Support")
    names = [one.user.username for one in (anna, ben)]
    is_there = [f"{name} is viewing this session." for name in names]
    with time_machine.travel(timezone.now(), tick=False) as clock:
        assert "viewing this session" not in opened(anna, visitor)
        assert is_there[0] in (page := opened(ben, visitor))
        assert is_there[1] not in page
        recorded = len(events())
        for _ in range(3):
            clock.shift(timedelta(seconds=RENEWED_AFTER + 1))
            assert is_there[1] in opened(anna, visitor, "live")
            assert is_there[0] in opened(ben, visitor, "live")
        assert len(events()) == recorded
        # Anna closes her page.
        clock.shift(timedelta(seconds=SECONDS - 1))
        assert is_there[0] in opened(ben, visitor, "live")
        clock.shift(timedelta(seconds=2))
        assert "viewing this session" not in opened(ben, visitor, "live")


def test_each_session_has_its_own_viewers(visitor: Visitor, make_staff: Any) -> None:
    anna, ben, other = make_staff("Support"), make_staff("Support"), started()
    opened(anna, visitor)
    assert "viewing this session" not in opened(ben, other)


def test_t64_staff_without_the_permission_are_not_shown(visitor: Visitor, make_staff: Any) -> None:
    operator, support = make_staff("Operator"), make_staff("Support")
    assert operator.get(page_of(visitor.row, "live")).status_code == 403
    assert "viewing this session" not in opened(support, visitor)
