"""Calls under each rate limit, a frozen clock, and a fixture that sets a limit."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from tests.helpers import Visitor


@pytest.fixture(autouse=True)
def clock() -> Iterator[Any]:
    """A clock that stands still, so that no window ends while a test counts."""
    with time_machine.travel(timezone.now(), tick=False) as traveller:
        yield traveller


@pytest.fixture
def limit(settings: Any) -> Callable[..., None]:
    def set_limit(name: str, *rates: str) -> None:
        settings.RATE_LIMITS = {**settings.RATE_LIMITS, name: list(rates)}

    return set_limit


def create(visitor: Visitor, address: str) -> Any:
    return Visitor(REMOTE_ADDR=address).start()


def validate(visitor: Visitor, address: str) -> Any:
    return Visitor(REMOTE_ADDR=address).post(
        "/api/v1/sessions/validate/", {"uuid": visitor.uuid}, content_type="application/json"
    )


def failed_proof(visitor: Visitor, address: str) -> Any:
    stranger = Visitor(REMOTE_ADDR=address)
    stranger.cookies["maria_session"] = "mss1_" + "A" * 43
    return stranger.current()


def current(visitor: Visitor, address: str) -> Any:
    return visitor.get("/api/v1/sessions/current/", REMOTE_ADDR=address)


def upload(visitor: Visitor, address: str) -> Any:
    return visitor.upload(b"no pdf", REMOTE_ADDR=address)


@dataclass(frozen=True)
class Call:
    """A call under a limit: the limit's name, the call, and its status while the limit allows it."""

    limit: str
    ask: Callable[[Visitor, str], Any]
    good: int

    def __str__(self) -> str:
        return self.limit


BY_CLIENT = [
    Call("create", create, 201),
    Call("validate", validate, 200),
    Call("failed_proof", failed_proof, 401),
]
BY_SESSION = [Call("session", current, 200), Call("upload", upload, 415)]
CALLS = [*BY_CLIENT, *BY_SESSION]
