"""A token in a client's hands: the headers that carry it, by cookie or as a bearer."""

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
CURRENT = "/api/v1/sessions/current/"


@dataclass(frozen=True)
class Holder:
    """One token of a session, and how its client carries it; it does not follow a renewal."""

    uuid: str
    token: str
    carrier: Carrier

    @property
    def headers(self) -> dict[str, str]:
        """What every request of this client carries."""
        if self.carrier == "bearer":
            return {"Authorization": f"Bearer {self.token}"}
        return {"Cookie": f"maria_session={self.token}", "X-Session-UUID": self.uuid}

    @property
    def row(self) -> UserSession:
        """The session's row."""
        return UserSession.objects.get(pk=self.uuid)

    def ask(self, method: str, path: str, data: Any = None, **headers: str) -> Any:
        """Send a request with this token; a mapping goes as JSON, or as a form to uploads/."""
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
        """PATCH sessions/current/: attaching contact data renews the token."""
        return self.ask("PATCH", CURRENT, values)

    def following(self, response: Any) -> "Holder":
        """Return the holder of the token that an answer gave, checking that it came one way only."""
        uuid = response.json()["uuid"]
        if self.carrier == "bearer":
            assert not response.cookies
            return Holder(uuid, response.json()["token"], "bearer")
        assert "token" not in response.json()
        return Holder(uuid, response.cookies["maria_session"].value, "cookie")


def begin(carrier: Carrier) -> Holder:
    """Begin a session and return who holds its token."""
    response = Client().post(SESSIONS, {"credential": carrier}, content_type="application/json")
    assert response.status_code == 201, response.content
    return Holder("", "", carrier).following(response)


def age_retired(session: UserSession, by: timedelta) -> None:
    """Set back until when a session's retired tokens are good."""
    RetiredToken.objects.filter(session=session).update(good_until=F("good_until") - by)


def _json(data: Any) -> bytes:
    return json.dumps(data).encode()
