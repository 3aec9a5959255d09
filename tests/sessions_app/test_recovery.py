"""Recovery: a code from support brings a session to another device, once and in time."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from audit_app.models import AuditLog
from common.context import as_actor
from sessions_app.exceptions import SessionNotActive
from sessions_app.models import RecoveryCode, RetiredToken, UserSession
from sessions_app.services.recovery import issue_recovery_code
from tests.carriers import RECOVER, age_retired, retry_header
from tests.helpers import Visitor, at_once, code, database_text, events, started, uploaded
from tests.sessions_app.support import end_as, expire

LIFETIME = timedelta(minutes=15)
RECOVERED = ["session.recovered", "session.token_rotated"]


def issue(visitor: Visitor) -> str:
    """Issue a code as a staff member does."""
    with as_actor("staff:7"):
        return issue_recovery_code(session=visitor.row, reason="lost the phone")


def recover(typed: str, device: Visitor | None = None, key: str | None = None, **body: str) -> Any:
    """POST sessions/recover/, by default from a new device."""
    return (device or Visitor()).post(
        RECOVER, {"code": typed, **body}, content_type="application/json", headers=retry_header(key)
    )


def recovered(visitor: Visitor) -> Visitor:
    """Recover a visitor's session and return the new device."""
    device = Visitor()
    answer = recover(issue(visitor), device)
    assert answer.status_code == 200, answer.content
    device.uuid = answer.json()["uuid"]
    return device


def proofs() -> list[Any]:
    """Return everything that a recovery can change."""
    return [
        *UserSession.objects.order_by("pk").values(),
        *RetiredToken.objects.order_by("pk").values(),
        *RecoveryCode.objects.order_by("pk").values(),
    ]


def refused(typed: str, **extra: Any) -> None:
    """Assert that a code is refused and nothing changed."""
    before = proofs()
    answer = recover(typed, **extra)
    assert (answer.status_code, code(answer)) == (401, "recovery_invalid")
    assert "maria_session" not in answer.cookies
    assert proofs() == before


def test_recovery_brings_the_session_with_its_files_to_the_other_device(visitor: Visitor) -> None:
    upload = uploaded(visitor)
    device = Visitor()

    answer = recover(issue(visitor), device)

    assert answer.status_code == 200
    activity = answer.json()
    assert (activity["uuid"], activity["support_code"]) == (visitor.uuid, visitor.row.support_code)
    assert activity["used"]["files"] == 1
    assert "token" not in activity
    assert device.token != visitor.token
    assert device.current().json()["uuid"] == visitor.uuid
    assert device.download(str(upload.pk)) == visitor.download(str(upload.pk))
    assert events(visitor.uuid)[2:] == ["session.recovery_issued", *RECOVERED, "upload.downloaded"]
    assert AuditLog.objects.get(event_type="session.token_rotated").details == {
        "reason": "recovered"
    }


def test_a_bearer_client_gets_the_token_only_in_the_body(visitor: Visitor) -> None:
    device = Visitor()

    answer = recover(issue(visitor), device, credential="bearer")

    assert answer.status_code == 200
    assert not device.cookies
    proof = {"Authorization": f"Bearer {answer.json()['token']}"}
    assert Visitor().current(headers=proof).json()["uuid"] == visitor.uuid


@pytest.mark.parametrize(
    "spell",
    [
        str.lower,
        lambda text: f"  {text.replace('-', ' ')} ",
        lambda text: text.replace("-", ""),
        lambda text: text.replace("0", "O").replace("1", "I"),
        lambda text: text.replace("0", "o").replace("1", "l"),
        "--".join,
    ],
    ids=["lower", "spaces", "bare", "O-and-I", "o-and-l", "symbol-by-symbol"],
)
def test_misheard_symbols_of_a_code_are_accepted(
    visitor: Visitor, spell: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = iter("0123456789A1")
    monkeypatch.setattr("sessions_app.services.recovery.secrets.choice", lambda _: next(drawn))
    issued = issue(visitor)
    assert issued == "0123-4567-89A1"

    assert recover(spell(issued)).status_code == 200


def test_two_codes_are_never_the_same(visitor: Visitor) -> None:
    codes = {issue(visitor) for _ in range(20)}

    assert len(codes) == 20
    assert {len(text.replace("-", "")) for text in codes} == {12}  # of 32 symbols: 60 bits


def test_a_code_works_once(visitor: Visitor) -> None:
    issued = issue(visitor)
    assert recover(issued).status_code == 200

    refused(issued)

    assert events().count("session.recovered") == 1


@pytest.mark.both
@pytest.mark.usefixtures("committed")
def test_of_ten_concurrent_recoveries_exactly_one_succeeds() -> None:
    visitor = started()
    issued = issue(visitor)

    answers = at_once(10, lambda _: recover(issued))

    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 9
    assert [event for event in events(visitor.uuid) if event in RECOVERED] == RECOVERED
    assert RetiredToken.objects.count() == 1
    (winner,) = (answer for answer in answers if answer.status_code == 200)
    device = Visitor()
    device.cookies["maria_session"] = winner.cookies["maria_session"].value
    assert device.current().json()["uuid"] == visitor.uuid


@pytest.mark.parametrize(
    ("age", "status"),
    [(LIFETIME - timedelta(seconds=30), 200), (LIFETIME, 401), (LIFETIME * 2, 401)],
    ids=["just-in-time", "15-minutes", "later"],
)
def test_a_recovery_code_is_valid_for_fifteen_minutes(
    visitor: Visitor, age: timedelta, status: int
) -> None:
    issued = issue(visitor)
    left = RecoveryCode.objects.get().expires_at - timezone.now()
    assert LIFETIME - timedelta(seconds=30) < left <= LIFETIME
    RecoveryCode.objects.update(expires_at=F("expires_at") - age)

    assert recover(issued).status_code == status


def test_a_second_code_replaces_the_first(visitor: Visitor) -> None:
    first, second = issue(visitor), issue(visitor)

    refused(first)

    assert recover(second).status_code == 200


@pytest.mark.parametrize("how", ["expired", "reset", "ended", "revoked"])
def test_a_session_that_is_over_cannot_be_recovered(
    visitor: Visitor, make_staff: Any, how: str
) -> None:
    over, issued = visitor.row, issue(visitor)
    end_as(how, visitor, make_staff)

    refused(issued)

    with pytest.raises(SessionNotActive):
        issue_recovery_code(session=over, reason="x")
    assert events().count("session.recovery_issued") == 1


def test_an_erased_session_has_no_code_any_more(visitor: Visitor) -> None:
    issued = issue(visitor)
    visitor.delete("/api/v1/sessions/current/?erase=true", **visitor.named)

    refused(issued)

    assert not RecoveryCode.objects.exists()


@pytest.mark.parametrize(
    "typed", ["7F3K-2QX9-HT4B", "MAR-7F3-K2Q-X9H", "x", "----", "١٢٣٤", "' OR 1=1 --"]
)
def test_an_unknown_code_is_refused_and_recorded(visitor: Visitor, typed: str) -> None:
    issue(visitor)

    refused(typed)

    log = AuditLog.objects.get(event_type="session.refused")
    assert (log.details["code"], log.session_uuid) == ("recovery_invalid", None)


def test_a_support_code_is_not_a_recovery_code(visitor: Visitor) -> None:
    issue(visitor)
    refused(visitor.row.support_code)


@pytest.mark.parametrize(
    "body",
    [{}, {"code": ""}, {"code": "7" * 41}, {"code": ["7"]}, {"code": "7", "credential": "x"}],
)
def test_a_malformed_recovery_code_is_400(visitor: Visitor, body: dict[str, Any]) -> None:
    issue(visitor)
    before = proofs()
    answer = Visitor().post("/api/v1/sessions/recover/", body, content_type="application/json")
    assert (answer.status_code, code(answer)) == (400, "invalid_input")
    assert proofs() == before


@pytest.mark.both
def test_t75_after_ten_tries_an_hour_codes_are_not_checked(visitor: Visitor) -> None:
    issued = issue(visitor)
    for _ in range(10):
        assert recover("7F3K-2QX9-HT4B").status_code == 401
    before = proofs()

    answer = recover(issued)

    assert (answer.status_code, code(answer)) == (429, "rate_limited")
    assert 1 <= int(answer["Retry-After"]) <= 3600
    assert proofs() == before
    assert events().count("session.refused") == 1  # the others are counted
    assert events()[-1] == "ratelimit.exceeded"
    elsewhere = Visitor(REMOTE_ADDR="192.0.2.9")
    assert recover(issued, elsewhere).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}],
    ids=["origin", "null", "fetch"],
)
def test_t07_a_foreign_page_cannot_redeem_a_code(visitor: Visitor, headers: dict[str, str]) -> None:
    issued = issue(visitor)
    before = proofs()

    answer = recover(issued, Visitor(headers=headers))

    assert (answer.status_code, code(answer)) == (403, "origin_not_allowed")
    assert proofs() == before
    assert recover(issued).status_code == 200


def test_a_recovery_replaces_the_browsers_session(visitor: Visitor) -> None:
    other = started()
    left = other.uuid

    assert recover(issue(visitor), other).json()["uuid"] == visitor.uuid

    assert other.current().json()["uuid"] == visitor.uuid
    assert UserSession.objects.get(pk=left).status == "active"


@pytest.mark.parametrize("used", [False, True])
def test_the_old_device_keeps_access_until_30_s_after_the_recovery(
    visitor: Visitor, used: bool
) -> None:
    device = recovered(visitor)
    if used:
        assert device.current().status_code == 200
    assert visitor.current().status_code == 200
    good_until = RetiredToken.objects.get().good_until
    assert good_until is not None
    left = good_until - timezone.now()
    assert timedelta(0) < left <= timedelta(seconds=30)
    age_retired(visitor.row, timedelta(seconds=30))

    answer = visitor.current()
    assert (answer.status_code, code(answer)) == (401, "session_invalid")
    assert "reason" not in answer.json()  # the old token is unknown now
    assert device.current().status_code == 200


def test_the_old_device_cannot_rotate_the_token_again(visitor: Visitor) -> None:
    device = recovered(visitor)

    answer = visitor.identify(name="Mallory")

    assert answer.status_code == 200
    assert "maria_session" not in answer.cookies
    assert device.current().status_code == 200


def test_a_second_recovery_works_after_a_lost_answer(visitor: Visitor) -> None:
    recovered(visitor)  # the first answer was lost

    device = recovered(visitor)

    assert device.current().status_code == 200
    assert events().count("session.recovered") == 2
    assert RetiredToken.objects.filter(good_until=None).count() == 0


def test_both_devices_see_the_recovery_in_their_activity(visitor: Visitor) -> None:
    device = recovered(visitor)

    for reader in (visitor, device):
        activity = reader.get("/api/v1/sessions/current/activity/").json()["results"]
        seen = [(item["event"], item["who"]) for item in activity]
        assert ("session.recovery_issued", "support staff") in seen
        assert ("session.recovered", "you") in seen


def test_a_recovery_does_not_change_the_expiry(visitor: Visitor) -> None:
    before = visitor.row.expires_at

    device = recovered(visitor)

    assert device.row.expires_at == before
    expire(device)
    answer = device.current()
    assert (answer.status_code, answer.json()["reason"]) == (401, "expired")


@pytest.mark.usefixtures("db")
def test_t04_the_code_is_in_no_column_and_in_no_log_line(log_lines: Any) -> None:
    visitor = started()
    issued = issue(visitor)
    texts = [database_text()]
    kept = RecoveryCode.objects.get().code_hash
    recover(issued)
    recover(issued)

    texts += [database_text(), log_lines.getvalue()]

    assert kept in texts[0]
    assert kept in texts[2]  # the SQL is logged, so a leaked code would be found
    for text in texts:
        assert issued not in text
        assert issued.replace("-", "") not in text
