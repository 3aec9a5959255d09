"""The number of queries of each session endpoint does not grow with the data."""

from typing import Any

import pytest

from tests.helpers import Visitor, started, uploaded

pytestmark = pytest.mark.both


def current(visitor: Visitor) -> Any:
    return visitor.current()


def validate(visitor: Visitor) -> Any:
    return visitor.post(
        "/api/v1/sessions/validate/", {"uuid": visitor.uuid}, content_type="application/json"
    )


def create_again(visitor: Visitor) -> Any:
    return visitor.start()


def create(visitor: Visitor) -> Any:
    return Visitor().start()


@pytest.mark.parametrize(
    ("call", "queries"),
    [
        (validate, 1),  # the session
        (current, 1),  # the session with its quota and consents
        (create_again, 1),  # the session
        (
            create,
            6,
        ),  # two of the transaction; session, event, its personal part, its place in the feed
    ],
)
def test_the_number_of_queries_does_not_grow(
    visitor: Visitor, call: Any, queries: int, django_assert_num_queries: Any, settings: Any
) -> None:
    settings.UPLOAD_MAX_FILES = 10
    uploaded(visitor)
    with django_assert_num_queries(queries):
        call(visitor)

    for _ in range(3):
        uploaded(visitor)
        uploaded(started())
    with django_assert_num_queries(queries):
        call(visitor)
