"""Token rotation: new contact data rotates the token, and no client loses its session.

The old token stays good until 30 s after the new token's first use, and for 24 h if the
new one is never used. So neither a lost answer nor a concurrent request loses the session.
"""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.db.models.functions import Now

from sessions_app.models import RetiredToken
from sessions_app.services.tokens import OVERLAP
from tests.carriers import CARRIERS, CURRENT, Carrier, Holder, age_retired, begin
from tests.helpers import Visitor, at_once, code, events
from tests.security.routes import state
from tests.sessions_app.support import end_as

pytestmark = pytest.mark.both

SECOND = timedelta(seconds=1)


@pytest.fixture(params=CARRIERS)
def holder(db: None, request: pytest.FixtureRequest) -> Holder:
    """A holder of a new session's token, for each carrier."""
    return begin(request.param)


def renewed(holder: Holder, name: str = "Ada") -> Holder:
    """Rotate the token by adding contact data; return the holder of the new one."""
    response = holder.identify(name=name)
    assert response.status_code == 200, response.content
    return holder.following(response)


def assert_refused(holder: Holder) -> None:
    """Assert that the token is refused everywhere and that the attempts change nothing."""
    before = state()
    for response in (holder.current(), holder.identify(name="Mallory")):
        assert (response.status_code, code(response)) == (401, "session_invalid")
    assert state() == before


def assert_changed_without_a_token(holder: Holder, name: str) -> None:
    """Assert that a change succeeds and the session keeps its newest token."""
    token_hash = holder.row.token_hash
    answer = holder.identify(name=name)
    assert (answer.status_code, answer.json()["name"]) == (200, name)
    assert "token" not in answer.json()
    assert not answer.cookies
    assert holder.row.token_hash == token_hash


def test_t16_the_old_token_is_good_for_24_h_if_the_new_one_is_never_used(holder: Holder) -> None:
    renewed(holder)
    age_retired(holder.row, timedelta(hours=24) - 10 * SECOND)

    for _ in range(3):
        assert holder.current().json()["uuid"] == holder.uuid
    assert RetiredToken.objects.get().good_until is None
    age_retired(holder.row, 10 * SECOND)
    assert_refused(holder)


def test_t16_the_new_token_is_good_also_after_the_old_one_has_ended(holder: Holder) -> None:
    new = renewed(holder)
    age_retired(holder.row, timedelta(hours=24))

    assert new.current().status_code == 200
    assert_refused(holder)


@pytest.mark.parametrize(("seconds", "good"), [(20, True), (31, False)])
def test_t16_the_old_token_is_good_for_30_s_after_the_new_ones_first_use(
    holder: Holder, seconds: int, good: bool
) -> None:
    new = renewed(holder)
    new.current()
    left = RetiredToken.objects.values_list(F("good_until") - Now(), flat=True).get()
    assert OVERLAP - 2 * SECOND < left <= OVERLAP  # allows for a slow test
    age_retired(holder.row, left - OVERLAP + seconds * SECOND)

    if good:
        assert holder.current().status_code == 200
    else:
        assert_refused(holder)
    assert new.current().status_code == 200


def test_t16_a_use_of_the_new_token_counts_once(holder: Holder) -> None:
    new = renewed(holder)
    new.current()
    until = RetiredToken.objects.get().good_until

    new.current()
    new.current()

    assert RetiredToken.objects.get().good_until == until


def test_t16_each_of_several_rotations_ends_the_tokens_before(holder: Holder) -> None:
    holders = [holder]
    for number in range(3):
        holders.append(renewed(holders[-1], f"Ada {number}"))

    assert holders[-1].current().status_code == 200
    for old in holders[:-1]:
        assert old.current().status_code == 200
    age_retired(holder.row, OVERLAP + SECOND)
    for old in holders[:-1]:
        assert_refused(old)
    assert holders[-1].current().status_code == 200
    assert events(holder.uuid).count("session.token_rotated") == 3


def test_t16_the_table_of_retired_tokens_does_not_grow(holder: Holder) -> None:
    for number in range(4):
        holder = renewed(holder, f"Ada {number}")
        holder.current()
        age_retired(holder.row, OVERLAP + SECOND)

    assert RetiredToken.objects.count() == 1


def test_t16_a_client_that_keeps_its_old_token_fills_no_table(holder: Holder) -> None:
    newest = renewed(holder)

    for name in ("Ada", "Byron", "Lovelace"):
        assert_changed_without_a_token(holder, name)

    assert RetiredToken.objects.count() == 1
    assert newest.current().status_code == 200


def test_t16_an_unchanged_value_rotates_nothing(holder: Holder) -> None:
    new = renewed(holder)
    token_hash, logged = holder.row.token_hash, events()

    for again in (holder.identify(name="Ada"), new.identify(name="Ada")):
        assert again.status_code == 200
        assert "token" not in again.json()
        assert not again.cookies

    assert events() == logged
    assert holder.row.token_hash == token_hash


def test_t16_removing_contact_data_rotates_nothing(holder: Holder) -> None:
    new = renewed(holder)

    answer = new.identify(name="")

    assert "token" not in answer.json()
    assert not answer.cookies
    assert events(holder.uuid).count("session.token_rotated") == 1


@pytest.mark.parametrize("used", [False, True])
def test_t16_a_retired_token_changes_but_rotates_nothing(holder: Holder, used: bool) -> None:
    new = renewed(holder)
    if used:
        new.current()

    assert_changed_without_a_token(holder, "Ada Lovelace")  # a change that was in progress

    assert events(holder.uuid).count("session.token_rotated") == 1
    assert new.current().status_code == 200


def test_t16_a_reset_token_opens_no_successor_in_use(holder: Holder) -> None:
    """Not with the key either, and also right after a rotation."""
    first, inside = (holder.following(holder.reset(key="k")) for _ in range(2))
    assert first.uuid == inside.uuid
    assert_refused(first)  # the second answer replaced its token
    assert inside.current().status_code == 200
    for name in ("Ada", "Byron"):
        before = state()
        late = holder.reset(key="k")
        assert (late.status_code, code(late)) == (401, "session_invalid")
        assert "token" not in late.json()
        assert not late.cookies
        assert state() == before
        inside = renewed(inside, name)  # a token that was not used yet


@pytest.mark.parametrize("carrier", CARRIERS)
def test_t16_concurrent_changes_with_one_token_lose_no_client(
    committed: None, carrier: Carrier
) -> None:
    """One answer has the new token. The others leave theirs, and it stays good for 30 s."""
    holder = begin(carrier)

    answers = at_once(6, lambda n: holder.identify(name=f"Ada {n}"))

    assert [answer.status_code for answer in answers] == [200] * 6
    (newer,) = (answer for answer in answers if answer.cookies or "token" in answer.json())
    assert events(holder.uuid).count("session.token_rotated") == 1
    holders = [holder.following(newer), *[holder] * 5]
    answers = at_once(6, lambda n: holders[n].current())
    assert [answer.status_code for answer in answers] == [200] * 6


@pytest.mark.parametrize("how", ["expired", "reset", "ended", "revoked"])
def test_t16_no_token_of_a_session_outlives_it(visitor: Visitor, make_staff: Any, how: str) -> None:
    old = Holder(visitor.uuid, visitor.token, "cookie")
    visitor.cookies["maria_session"] = (new := renewed(old)).token
    newest = renewed(new, "Ada Lovelace")
    visitor.cookies["maria_session"] = newest.token
    assert visitor.current().status_code == 200

    end_as(how, visitor, make_staff)

    for holder in (old, new, newest):
        response = holder.current()
        assert (response.status_code, code(response)) == (401, "session_invalid")
        assert response.json()["reason"] == how
    age_retired(old.row, OVERLAP + SECOND)
    assert "reason" not in old.current().json()  # the token is unknown now


def test_t16_every_token_of_an_erased_session_is_forgotten(holder: Holder) -> None:
    new = renewed(holder)
    assert new.ask("DELETE", f"{CURRENT}?erase=true").status_code == 204

    for one in (holder, new):
        response = one.current()
        assert (response.status_code, code(response)) == (401, "session_invalid")
        assert "reason" not in response.json()
    assert not RetiredToken.objects.exists()


def test_t16_each_rotation_is_recorded_once(holder: Holder) -> None:
    new = renewed(holder)
    assert new.identify(email="ada@example.org").status_code == 200

    assert events(holder.uuid) == [
        "session.created",
        *["session.identified", "session.token_rotated"] * 2,
    ]
