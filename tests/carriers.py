"""A client with one token: the headers that carry it, as a cookie or as a bearer token."""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from django.db.models import F
from django.test import Client

from sessions_app.models import RetiredToken, UserSession

Carrier = Literal["cookie", "bearer"]
CARRIERS: tuple[Carrier, ...] = ("cookie", "bearer")
SESSIONS = "/api/v1/sessions/"
RECOVER = "/api/v1/sessions/recover/"
CURRENT = "/api/v1/sessions/current/"


@dataclass(frozen=True)
class Holder:
    """One token of a session and its carrier. A rotation does not change it."""

    uuid: str
    token: str
    carrier: Carrier

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every request of this client."""
        if self.carrier == "bearer":
            return {"Authorization": f"Bearer {self.token}"}
        return {"Cookie": f"maria_session={self.token}", "X-Session-UUID": self.uuid}

    @property
    def row(self) -> UserSession:
        """The session's row."""
        return UserSession.objects.get(pk=self.uuid)

    def ask(self, method: str, path: str, data: Any = None, **headers: str) -> Any:
        """Send a request with this token; a mapping is sent as JSON, or as a form to uploads/."""
        extra: dict[str, Any] = {"headers": {**self.headers, **headers}}
        if path.endswith("/uploads/"):
            return Client().post(path, data, **extra)
        return Client().generic(
            method, path, b"" if data is None else _json(data), "application/json", **extra
        )

    def current(self) -> Any:
        """GET sessions/current/."""
        return self.ask("GET", CURRENT)

    def identify(self, **values: Any) -> Any:
        """PATCH sessions/current/: adding contact data rotates the token."""
        return self.ask("PATCH", CURRENT, values)

    def reset(self, reason: str = "requested", key: str | None = None) -> Any:
        """POST sessions/current/reset/ with an Idempotency-Key, if one is given."""
        return self.ask("POST", CURRENT + "reset/", {"reason": reason}, **retry_header(key))

    def following(self, response: Any) -> "Holder":
        """Return a client with the token of a response, after checking that it has one carrier only."""
        uuid = response.json()["uuid"]
        if self.carrier == "bearer":
            assert not response.cookies
            return Holder(uuid, response.json()["token"], "bearer")
        assert "token" not in response.json()
        return Holder(uuid, response.cookies["maria_session"].value, "cookie")


def begin(carrier: Carrier) -> Holder:
    """Create a session and return a client with its token."""
    response = Client().post(SESSIONS, {"credential": carrier}, content_type="application/json")
    assert response.status_code == 201, response.content
    return Holder("", "", carrier).following(response)


def retry_header(key: str | None) -> dict[str, str]:
    """Return the header of a request that can be repeated, if a key is given."""
    return {} if key is None else {"Idempotency-Key": key}


def age_retired(session: UserSession, by: timedelta) -> None:
    """Move the times of a session's retired tokens back, as if `by` had passed."""
    RetiredToken.objects.filter(session=session).update(
        good_until=F("good_until") - by, replaced_at=F("replaced_at") - by
    )


def _json(data: Any) -> bytes:
    return json.dumps(data).encode()
