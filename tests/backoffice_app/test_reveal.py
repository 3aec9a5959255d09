"""Personal values are masked until a session is revealed, with a reason, for 15 minutes."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db.models import Model
from django.test import Client
from django.utils import timezone

from audit_app.models import AuditLog
from common.masking import mask_address, mask_email, mask_file_name, mask_name, mask_user_agent
from tests.backoffice_app.pages import list_of, page_of, shown_text
from tests.helpers import Visitor, events, uploaded
from uploads_app.models import UploadedFile

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"
PERSONAL = ("Erika Muster", "erika@example.org", "Krankenakte.pdf", "203.0.113.77", FIREFOX)
REVEALED = "staff.personal_data_revealed"


@pytest.fixture
def erika(db: None) -> Visitor:
    """A visitor with personal values and a file."""
    erika = Visitor(HTTP_USER_AGENT=FIREFOX, REMOTE_ADDR="203.0.113.77")
    erika.start()
    erika.identify(name="Erika Muster", email="erika@example.org")
    uploaded(erika, name="Krankenakte.pdf")
    return erika


def rows_of(erika: Visitor) -> list[Model]:
    stored = AuditLog.objects.get(event_type="upload.stored", session_uuid=erika.uuid)
    return [erika.row, UploadedFile.objects.get(session=erika.row), stored]


def found_in(client: Client, url: str) -> set[str]:
    """Return the personal values that a page shows."""
    page = client.get(url)
    assert page.status_code == 200, url
    return {value for value in PERSONAL if value in page.content.decode()}


def reveal(staff: Client, row: Model, reason: str = "the visitor asked me to check") -> Any:
    return staff.post(page_of(row, "reveal"), {"reason": reason}, follow=True)


@pytest.mark.both
def test_pages_and_lists_show_masked_values(erika: Visitor, make_staff: Any) -> None:
    support = make_staff("Support")
    for row in rows_of(erika):
        assert found_in(support, page_of(row)) == set()
        assert found_in(support, list_of(type(row))) == set()
        assert found_in(support, page_of(row, "history")) == set()
    page = shown_text(support.get(page_of(erika.row)).content.decode())
    for masked in ("E••• M•••", "e•••@e•••", "K•••.pdf", "203.0.113.0/24", "Firefox on Linux"):
        assert masked in page


@pytest.mark.both
def test_with_a_reason_values_are_shown_on_all_pages_of_this_session_only(
    erika: Visitor, make_staff: Any
) -> None:
    support, colleague = make_staff("Support"), make_staff("Support")
    other = Visitor(HTTP_USER_AGENT=FIREFOX, REMOTE_ADDR="203.0.113.77")
    other.start()
    other.identify(name="Erika Muster", email="erika@example.org")
    foreign = uploaded(other, name="Krankenakte.pdf")
    session, upload, event = rows_of(erika)

    answer = reveal(support, upload)

    assert "shown to you for 15 minutes, on all its pages" in shown_text(answer.content.decode())
    assert found_in(support, page_of(session)) == set(PERSONAL)
    assert found_in(support, page_of(upload)) == {"Krankenakte.pdf"}
    assert found_in(support, page_of(event)) == {"Krankenakte.pdf", "203.0.113.77", FIREFOX}
    for page in (page_of(other.row), page_of(foreign), list_of(UploadedFile)):
        assert found_in(support, page) == set()
    for page in map(page_of, (session, upload, event)):
        assert found_in(colleague, page) == set()
    assert events().count(REVEALED) == 1
    # The person's page shows the values of this session, and masks the other one.
    person = support.get(page_of(session, "person")).content.decode()
    assert person.count("Erika Muster") == 1
    assert person.count("E••• M•••") == 1
    assert found_in(support, page_of(other.row, "person")) == {"Erika Muster"}


def test_a_reveal_is_recorded_once_and_shown_to_the_visitor(
    erika: Visitor, make_staff: Any
) -> None:
    support = make_staff("Support")
    before = events()
    reveal(support, erika.row, "compare with the caller")

    assert events()[len(before) :] == [REVEALED, "staff.session_viewed"]
    log = AuditLog.objects.get(event_type=REVEALED)
    assert (log.session_uuid, log.actor) == (erika.row.uuid, f"staff:{support.user.pk}")
    assert log.details == {
        "page": f"usersession:{erika.uuid}",
        "reason": "compare with the caller",
    }
    for value in PERSONAL:
        assert value not in log.text
    activity = erika.get("/api/v1/sessions/current/activity/").json()["results"]
    checked = [item for item in activity if item["event"].startswith("staff.")]
    assert [item["event"] for item in checked] == ["staff.session_viewed", REVEALED]
    assert {item["who"] for item in checked} == {"support staff"}


@pytest.mark.parametrize(
    ("seconds", "shown"), [(15 * 60 - 1, True), (15 * 60, False), (15 * 60 + 1, False)]
)
def test_after_15_minutes_values_are_masked_again(
    erika: Visitor, make_staff: Any, seconds: int, shown: bool
) -> None:
    support = make_staff("Support")
    with time_machine.travel(timezone.now(), tick=False) as clock:
        reveal(support, erika.row)
        clock.shift(timedelta(seconds=seconds))
        assert bool(found_in(support, page_of(erika.row))) == shown


@pytest.mark.parametrize("reason", ["", "   ", "x" * 201])
def test_without_a_reason_nothing_is_shown(erika: Visitor, make_staff: Any, reason: str) -> None:
    support = make_staff("Support")
    assert reveal(support, erika.row, reason).status_code == 200
    assert found_in(support, page_of(erika.row)) == set()
    assert REVEALED not in events()


@pytest.mark.parametrize("role", ["", "Auditor", "Operator"])
def test_t64_without_permission_no_reveal(erika: Visitor, make_staff: Any, role: str) -> None:
    staff = make_staff(role)
    for row in rows_of(erika):
        assert reveal(staff, row).status_code == 403
        assert staff.get(page_of(row, "reveal")).status_code == 403
    if role == "Auditor":
        assert found_in(staff, page_of(erika.row)) == set()
    assert REVEALED not in events()


def test_t64_losing_the_permission_masks_values_at_once(erika: Visitor, make_staff: Any) -> None:
    support = make_staff("Support")
    reveal(support, erika.row)
    support.user.groups.clear()
    support.user.groups.add(make_staff("Auditor").user.groups.get())
    assert found_in(support, page_of(erika.row)) == set()


def test_opening_the_form_reveals_nothing(erika: Visitor, make_staff: Any) -> None:
    support = make_staff("Support")
    page = support.get(page_of(erika.row, "reveal"))
    assert "The visitor asked me to check" in page.content.decode()
    assert found_in(support, page_of(erika.row)) == set()


@pytest.mark.parametrize(
    ("mask", "value", "shown"),
    [
        (mask_name, "Erika Muster", "E••• M•••"),
        (mask_name, "<script>alert(1)</script>", "•••"),
        (mask_name, "", ""),
        (mask_name, "李 小龍", "李••• 小•••"),
        (mask_name, "\u202eevil", "•••"),
        (mask_name, "a b c d e", "a••• b••• c•••"),
        (mask_email, "erika@example.org", "e•••@e•••"),
        (mask_email, "no-address", "n•••"),
        (mask_email, "", ""),
        (mask_file_name, "Krankenakte Muster.pdf", "K•••.pdf"),
        (mask_file_name, "Muster", "M•••"),
        (mask_file_name, ".pdf", "•••"),
        (mask_file_name, "x.Erika Muster", "x•••"),
        (mask_file_name, "x.ErikaMuster", "x•••"),
        (mask_address, "203.0.113.77", "203.0.113.0/24"),
        (mask_address, "2001:db8:1:2::3", "2001:db8:1::/48"),
        (mask_address, "nonsense", "n•••"),
        (mask_address, "", ""),
        (mask_user_agent, FIREFOX, "Firefox on Linux"),
        (mask_user_agent, "\u2603 nobody knows it", "an unknown program"),
        (mask_user_agent, "", ""),
    ],
)
def test_each_kind_of_value_has_its_mask(mask: Any, value: str, shown: str) -> None:
    assert mask(value) == shown
