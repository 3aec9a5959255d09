"""The pages that `make bench-admin` requests, from our admin and from the stock one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import requests

PATIENCE_SECONDS = 30


class AdminClient:
    """A signed-in staff member at one server; `targets` are the rows that requests ask for."""

    def __init__(self, port: int, targets: Mapping[str, Any]) -> None:
        self.targets = targets
        self._base = f"http://127.0.0.1:{port}/admin/"
        self._session = requests.Session()
        self._session.cookies.set(**targets["cookie"])

    def get(self, path: str, **query: str) -> requests.Response:
        return self._session.get(self._base + path, params=query, timeout=PATIENCE_SECONDS)

    def post(self, path: str, **fields: str) -> requests.Response:
        """Send a form with the CSRF token."""
        name = self.targets["csrf_cookie"]
        if name not in self._session.cookies:
            self.get("password_change/")
        body = {"csrfmiddlewaretoken": self._session.cookies[name], **fields}
        return self._session.post(self._base + path, body, timeout=PATIENCE_SECONDS)


Request = Callable[[AdminClient], requests.Response]


@dataclass(frozen=True)
class BenchmarkPage:
    """A page: the request to our admin, and the nearest equivalent in the stock admin."""

    name: str
    ours: Request
    stock: Request | None


def get(path: str, **query: str) -> Request:
    """Request an address; `{name}` in path or query is replaced by that target."""

    def send(client: AdminClient) -> requests.Response:
        filled = {name: value.format(**client.targets) for name, value in query.items()}
        return client.get(path.format(**client.targets), **filled)

    return send


_SESSIONS, _FILES = "sessions_app/usersession/", "uploads_app/uploadedfile/"
_LOG, _AUDITLOG = "audit_app/auditlog/", "auditlog/logentry/"


def search(term: str) -> Request:
    """Search for a term; `{name}` is replaced by that target."""
    return lambda client: client.post("find/", q=term.format(**client.targets))


def both(name: str, path: str, **query: str) -> BenchmarkPage:
    """Return a page with the same address in both."""
    return BenchmarkPage(name, get(path, **query), get(path, **query))


def deep(name: str, path: str, target: str) -> BenchmarkPage:
    """Return a page far after the first: ours by key, the stock one by page number."""
    return BenchmarkPage(name, get(path, p=f"{{{target}}}"), get(path, p="400"))


PAGES = (
    both("dashboard", ""),
    both("sessions", _SESSIONS),
    both("sessions: expired", _SESSIONS, status__exact="expired"),
    deep("sessions: page 400", _SESSIONS, "deep_session"),
    both("session", _SESSIONS + "{session}/change/"),
    BenchmarkPage("person", get(_SESSIONS + "{session}/person/"), get(_SESSIONS, q="{email}")),
    both("files", _FILES),
    both("files: rejected", _FILES, status__exact="rejected"),
    deep("files: page 400", _FILES, "deep_file"),
    both("file", _FILES + "{upload}/change/"),
    both("audit log", _LOG),
    BenchmarkPage("audit log (stock: django-auditlog)", get(_LOG), get(_AUDITLOG)),
    BenchmarkPage(
        "audit log: one type",
        get(_LOG, type="session.revoked"),
        get(_LOG, event_type__exact="session.revoked"),
    ),
    BenchmarkPage(
        "audit log: refused", get(_LOG, outcome="denied"), get(_LOG, outcome__exact="denied")
    ),
    deep("audit log: page 400", _LOG, "deep_event"),
    both("audit event", _LOG + "{event}/change/"),
    BenchmarkPage("search: support code", search("{code}"), get(_SESSIONS, q="{code}")),
    BenchmarkPage("search: code with a wrong symbol", search("{wrong_code}"), None),
    BenchmarkPage("search: session UUID", search("{session}"), get(_SESSIONS, q="{session}")),
    BenchmarkPage("search: e-mail", search("{email}"), get(_SESSIONS, q="{email}")),
    BenchmarkPage("search: start of a name", search("{name}"), get(_SESSIONS, q="{name}")),
    BenchmarkPage(
        "search: start of a file name", search("{file_name}"), get(_FILES, q="{file_name}")
    ),
    BenchmarkPage("search: SHA-256", search("{sha256}"), get(_FILES, q="{sha256}")),
    BenchmarkPage("search: client address", search("{address}"), None),
    BenchmarkPage("search: request id", search("{request}"), get(_LOG, q="{request}")),
)
