"""The clients of the load: they register over HTTP, and write the requests that are measured."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import requests

from benchmarks.cases import API, BenchmarkCase, Client, Form, head

_TIMEOUT = 60


class Visitors(Protocol):
    """As many clients of a program as the load has connections."""

    def contains(self, case: BenchmarkCase) -> str:
        """Return the text that every good answer contains."""

    def heads(self, case: BenchmarkCase) -> list[bytes]:
        """Return each client's request without the body of an upload; none if it cannot send it."""


class ApiVisitors:
    """Visitors of the product's API, each with a session and a file; with a key also its service."""

    def __init__(self, port: int, form: Form, count: int, service_key: str = "") -> None:
        self._url, self._form, self._key = f"http://localhost:{port}{API}", form, service_key
        self.clients = [self._register() for _ in range(count)]

    def contains(self, case: BenchmarkCase) -> str:
        return case.contains

    def heads(self, case: BenchmarkCase) -> list[bytes]:
        clients: Sequence[Client] = self.clients
        if case.sender == "service":
            clients = [self._introduce(client) for client in clients] if self._key else []
        return [self._head(case, client) for client in clients]

    def _head(self, case: BenchmarkCase, client: Client) -> bytes:
        body, content_type = client.body(case, self._form)
        described = {"Content-Type": content_type, "Content-Length": str(len(body))} if body else {}
        headers = {**client.headers(case), **described}
        begun = head(case.method, client.path(case), headers).encode()
        return begun if case.effect == "store" else begun + body

    def _register(self) -> Client:
        with requests.Session() as browser:
            answer = browser.post(f"{self._url}/sessions/", json={}, timeout=_TIMEOUT)
            answer.raise_for_status()
            uuid, cookie = answer.json()["uuid"], _cookie(answer)
            headers = {"X-Session-UUID": uuid, "Content-Type": self._form.content_type}
            upload = browser.post(
                f"{self._url}/uploads/", self._form.body, headers=headers, timeout=_TIMEOUT
            )
            upload.raise_for_status()
        return Client(uuid, cookie, upload.json()["id"])

    def _introduce(self, client: Client) -> Client:
        """Return the service with a new assertion of a visitor, which is valid for 5 minutes."""
        answer = requests.post(
            f"{self._url}/sessions/current/assertion/",
            headers={"Cookie": client.cookie, "X-Session-UUID": client.uuid},
            timeout=_TIMEOUT,
        )
        answer.raise_for_status()
        return replace(client, service_key=self._key, assertion=answer.json()["assertion"])


class BetterAuthVisitors:
    """Anonymous users of Better Auth: they sign in, and get their session."""

    def __init__(self, port: int, count: int) -> None:
        self._origin = {"Origin": f"http://localhost:{port}"}
        url = f"http://localhost:{port}/api/auth/sign-in/anonymous"
        answers = [requests.post(url, headers=self._origin, timeout=_TIMEOUT) for _ in range(count)]
        self._cookies = [_cookie(answer) for answer in answers]

    def contains(self, case: BenchmarkCase) -> str:
        return '"isAnonymous":true'

    def heads(self, case: BenchmarkCase) -> list[bytes]:
        sent = [self._head(case.name, cookie) for cookie in self._cookies]
        return [begun.encode() for begun in sent if begun]

    def _head(self, name: str, cookie: str) -> str:
        headers = {"User-Agent": "benchmark", "Accept": "application/json", **self._origin}
        match name:
            case "create":
                return head(
                    "POST", "/api/auth/sign-in/anonymous", {**headers, "Content-Length": "0"}
                )
            case "current":
                return head("GET", "/api/auth/get-session", {**headers, "Cookie": cookie})
        return ""


def _cookie(answer: requests.Response) -> str:
    return "; ".join(f"{name}={value}" for name, value in answer.cookies.items())
