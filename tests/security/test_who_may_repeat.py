"""Who may repeat which request, when, with which proof: every combination.

The visitor's request was done, and its answer may have been lost. A repetition is only
for whoever has the key of that attempt, and only until its new token is proven. Everybody
else who still has an older token gets no new one.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.db.models import F

from sessions_app.models import RecoveryCode, RetiredToken, UserSession
from sessions_app.services.recovery import issue_recovery_code
from sessions_app.services.tokens import OVERLAP
from tests.carriers import (
    CARRIERS,
    CURRENT,
    RECOVER,
    SESSIONS,
    Carrier,
    Holder,
    age_retired,
    begin,
    retry_header,
)
from tests.cases import cases
from tests.helpers import SOAK, age_session, code, events
from tests.security.routes import state

pytestmark = pytest.mark.both

KEY = "c0ffee00-0000-4000-8000-000000000000"
TEN_MINUTES = timedelta(minutes=10)

NEW_SESSION = "another session"
NEW_TOKEN = "a new token"
NO_TOKEN = "done, but no new token"
REFUSED = "401, and nothing changes"

# What a repeated request gets, by its token. Of each four: the answer was lost, with the
# attempt's key and without; the answer was used, with the key and without.
#   old      ended, as its overlap is over; for a reset: the token that asked for it
#   retired  replaced, but still good
#   newest   the token of the answer
# A recovery is proven by its code, whichever token is beside it.
TABLE = {
    ("create", "old"): (NEW_SESSION, NEW_SESSION, NEW_SESSION, NEW_SESSION),
    ("create", "retired"): (NO_TOKEN, NO_TOKEN, NO_TOKEN, NO_TOKEN),
    ("create", "newest"): (NO_TOKEN, NO_TOKEN, NO_TOKEN, NO_TOKEN),
    ("reset", "old"): (NEW_TOKEN, REFUSED, REFUSED, REFUSED),
    ("reset", "retired"): (REFUSED, REFUSED, REFUSED, REFUSED),
    ("reset", "newest"): (NEW_SESSION, NEW_SESSION, NEW_SESSION, NEW_SESSION),
    ("recover", "old"): (NEW_TOKEN, REFUSED, REFUSED, REFUSED),
    ("recover", "retired"): (NEW_TOKEN, REFUSED, REFUSED, REFUSED),
    ("recover", "newest"): (NEW_TOKEN, REFUSED, REFUSED, REFUSED),
    ("identify", "old"): (REFUSED, REFUSED, REFUSED, REFUSED),
    ("identify", "retired"): (NO_TOKEN, NO_TOKEN, NO_TOKEN, NO_TOKEN),
    ("identify", "newest"): (NEW_TOKEN, NEW_TOKEN, NEW_TOKEN, NEW_TOKEN),
    ("verify", "old"): (REFUSED, REFUSED, REFUSED, REFUSED),
    ("verify", "retired"): (NO_TOKEN, NO_TOKEN, NO_TOKEN, NO_TOKEN),
    ("verify", "newest"): (NEW_TOKEN, NEW_TOKEN, NEW_TOKEN, NEW_TOKEN),
}


@dataclass(frozen=True)
class Repetition:
    """One cell of the table."""

    action: str
    token: str
    lost: bool
    has_key: bool
    outcome: str


def repetitions() -> Iterator[Repetition]:
    """Yield every cell of the table."""
    for (action, token), outcomes in TABLE.items():
        ways = itertools.product((True, False), (True, False))
        for (lost, has_key), outcome in zip(ways, outcomes, strict=True):
            yield Repetition(action, token, lost, has_key, outcome)


@dataclass(frozen=True)
class Attempt:
    """A request that was done: the tokens around it, and how it is repeated."""

    old: Holder
    retired: Holder
    newest: Holder
    repeat: Callable[[Holder, str | None], Any]

    def holder(self, token: str) -> Holder:
        """Return the holder of the token of this name."""
        found: Holder = getattr(self, token)
        return found


def renewed(holder: Holder, name: str) -> Holder:
    """Rotate the token by new contact data; return the holder of the new one."""
    return holder.following(holder.identify(name=name))


def visited(carrier: Carrier) -> tuple[Holder, Holder]:
    """Return an ended and the newest token of one session, whose address can be verified."""
    old = begin(carrier)
    newest = old.following(old.identify(email="ada@example.org"))
    assert newest.ask("POST", CURRENT + "email/").status_code == 202
    age_retired(old.row, OVERLAP)
    return old, newest


def rotated(repeat: Callable[[Holder, str | None], Any]) -> Callable[[Carrier], Attempt]:
    """Return an attempt that rotated a session's token; `repeat` is a later request."""

    def done(carrier: Carrier) -> Attempt:
        old, retired = visited(carrier)
        return Attempt(old, retired, renewed(retired, "Ada"), repeat)

    return done


def create(holder: Holder, key: str | None) -> Any:
    return holder.ask("POST", SESSIONS, {"credential": holder.carrier}, **retry_header(key))


def identify(holder: Holder, key: str | None) -> Any:
    return holder.ask("PATCH", CURRENT, {"name": "Grace"}, **retry_header(key))


def verify(holder: Holder, key: str | None) -> Any:
    digits = mail.outbox[-1].subject.split(" ")[0]
    return holder.ask("POST", CURRENT + "email/verify/", {"code": digits}, **retry_header(key))


def reset(carrier: Carrier, reason: str = "requested") -> Attempt:
    """Reset a session that also has a retired token."""
    retired = begin(carrier)
    old = renewed(retired, "Ada")
    newest = old.following(old.reset(reason, KEY))
    return Attempt(old, retired, newest, lambda holder, key: holder.reset(reason, key))


def recover(carrier: Carrier) -> Attempt:
    """Recover a session on another device."""
    old, retired = visited(carrier)
    typed = issue_recovery_code(session=old.row, reason="lost the phone")

    def repeat(holder: Holder, key: str | None) -> Any:
        body = {"code": typed, "credential": carrier}
        return holder.ask("POST", RECOVER, body, **retry_header(key))

    stranger = Holder(old.uuid, "", carrier)
    return Attempt(old, retired, stranger.following(repeat(stranger, KEY)), repeat)


ATTEMPTS = {
    "create": rotated(create),
    "reset": reset,
    "recover": recover,
    "identify": rotated(identify),
    "verify": rotated(verify),
}


def everything() -> list[Any]:
    """Return every row that a refused request must not change."""
    retired, codes = RetiredToken.objects.order_by("pk"), RecoveryCode.objects.order_by("pk")
    return [*state(), *retired.values_list(), *codes.values_list()]


def new_token(answer: Any, carrier: Carrier) -> str | None:
    """Return the token of an answer, after checking that only its carrier has one."""
    if carrier == "bearer":
        assert "maria_session" not in answer.cookies
        token: str | None = answer.json().get("token")
        return token
    assert "token" not in answer.json()
    return answer.cookies["maria_session"].value if answer.cookies else None


def is_refused(holder: Holder) -> bool:
    """Return whether a token opens nothing."""
    return bool(holder.current().status_code == 401)


@cases("carrier", CARRIERS if SOAK else CARRIERS[:1])
@cases("repetition", repetitions())
def test_t90_who_may_repeat_what(db: None, repetition: Repetition, carrier: Carrier) -> None:
    action, outcome = repetition.action, repetition.outcome
    attempt = ATTEMPTS[action](carrier)
    if not repetition.lost:
        assert attempt.newest.current().status_code == 200
    before, logged, hash_before = everything(), events(), attempt.newest.row.token_hash

    answer = attempt.repeat(attempt.holder(repetition.token), KEY if repetition.has_key else None)

    given = new_token(answer, carrier)
    if outcome == REFUSED:
        assert (answer.status_code, given) == (401, None)
        assert code(answer) in ("session_invalid", "recovery_invalid")
        assert everything() == before
        return
    assert answer.status_code in (200, 201), answer.content
    uuid = answer.json()["uuid"]
    assert (given is not None) == (outcome != NO_TOKEN)
    assert (uuid != attempt.newest.uuid) == (outcome == NEW_SESSION)
    assert (attempt.newest.row.token_hash != hash_before) == (outcome == NEW_TOKEN)
    assert events().count("session.recovered") == logged.count("session.recovered")
    assert events().count("session.reset") - logged.count("session.reset") == (
        (action, repetition.token) == ("reset", "newest")
    )
    if given:
        assert Holder(uuid, given, carrier).current().json()["uuid"] == uuid
    if outcome == NEW_TOKEN and action in ("reset", "recover"):
        assert is_refused(attempt.newest)  # the new token is in place of the lost one


@cases("has_key", [True, False])
@cases("lost", [True, False])
@cases("token", ["old", "retired"])
@cases("reason", ["not_me", "mismatch"])
def test_t90_a_session_of_another_person_is_not_followed(
    db: None, reason: str, token: str, lost: bool, has_key: bool
) -> None:
    attempt = reset("cookie", reason)
    if not lost:
        assert attempt.newest.current().status_code == 200
    before = everything()

    answers = [
        attempt.holder(token).reset(said, KEY if has_key else None)
        for said in (reason, "requested")
    ]

    for answer in answers:
        assert (answer.status_code, code(answer)) == (401, "session_invalid")
        assert not answer.cookies
    assert everything() == before
    assert attempt.newest.current().status_code == 200


@cases("key", ["C0FFEE00-0000-4000-8000-000000000000", "x", None])
@cases("action", ["reset", "recover"])
def test_t90_another_key_repeats_nothing(db: None, action: str, key: str | None) -> None:
    attempt = ATTEMPTS[action]("cookie")
    before = everything()

    assert attempt.repeat(attempt.old, key).status_code == 401

    assert everything() == before


@cases("elapsed, status", [(timedelta(minutes=9, seconds=50), 200), (TEN_MINUTES, 401)])
@cases("action", ["reset", "recover"])
def test_t90_a_key_is_good_for_ten_minutes(
    db: None, action: str, elapsed: timedelta, status: int
) -> None:
    attempt = ATTEMPTS[action]("cookie")
    age_session(attempt.newest.row, elapsed)
    RecoveryCode.objects.update(expires_at=F("expires_at") - elapsed)

    answer = attempt.repeat(attempt.old, KEY)

    assert answer.status_code in (status, status + 1)


@cases("action", ["reset", "recover"])
def test_t90_a_use_and_another_rotation_open_no_repetition(db: None, action: str) -> None:
    """The newest token is unused again, but not the one of the attempt."""
    attempt = ATTEMPTS[action]("cookie")
    newest = renewed(attempt.newest, "Grace")
    before = everything()

    assert attempt.repeat(attempt.old, KEY).status_code == 401

    assert everything() == before
    assert newest.current().status_code == 200


def test_t90_after_not_me_the_old_token_reaches_nothing(db: None) -> None:
    attempt = reset("cookie", "not_me")

    for _ in range(3):
        assert attempt.old.reset("not_me").status_code == 401
    begun = create(attempt.old, None)

    assert begun.json()["uuid"] not in (attempt.old.uuid, attempt.newest.uuid)
    age_retired(attempt.newest.row, OVERLAP)
    assert attempt.newest.identify(name="Grace").status_code == 200


@cases("used", [True, False])
def test_t91_all_tokens_from_before_a_recovery_end_30_s_later(db: None, used: bool) -> None:
    attempt = recover("cookie")
    if used:
        assert attempt.newest.current().status_code == 200
    attempt.repeat(attempt.old, KEY)  # prolongs nothing

    assert attempt.retired.current().status_code == 200
    age_retired(attempt.old.row, OVERLAP)

    assert is_refused(attempt.retired)
    assert is_refused(attempt.old)


@cases("used", [True, False])
def test_t91_the_old_device_may_not_replace_a_recovered_session(db: None, used: bool) -> None:
    attempt = recover("cookie")
    if used:
        assert attempt.newest.current().status_code == 200
    before = everything()

    for key in (None, KEY):
        answer = attempt.retired.reset(key=key)
        assert (answer.status_code, code(answer)) == (401, "session_invalid")
        assert "reason" not in answer.json()

    assert everything() == before
    assert events(attempt.old.uuid)[-1] == "session.refused"
    assert attempt.newest.current().status_code == 200


def test_t91_a_second_code_ends_the_repetition_of_the_first(db: None) -> None:
    attempt = recover("cookie")
    issue_recovery_code(session=attempt.old.row, reason="again")

    assert attempt.repeat(attempt.old, KEY).status_code == 401


def test_t91_a_repeated_recovery_is_recorded_as_such(db: None) -> None:
    attempt = recover("cookie")
    logged = events(attempt.old.uuid)

    assert attempt.repeat(attempt.old, KEY).status_code == 200

    assert events(attempt.old.uuid) == [*logged, "session.token_rotated"]


def test_t91_an_ended_session_is_not_recovered_again(db: None) -> None:
    attempt = recover("cookie")
    assert attempt.retired.ask("DELETE", CURRENT).status_code == 204

    assert attempt.repeat(attempt.old, KEY).status_code == 401


def test_t03_of_a_key_only_the_hash_is_stored(db: None) -> None:
    for action in ("reset", "recover"):
        ATTEMPTS[action]("cookie")
    kept = [
        *UserSession.objects.values_list("retry_key"),
        *RecoveryCode.objects.values_list("retry_key"),
    ]
    hashes = [value for (value,) in kept if value]
    assert [len(value) for value in hashes] == [64, 64]
    assert KEY not in str(everything())
