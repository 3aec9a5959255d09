"""Visitors who use the product through the proxy, and repeat what fails, as the front end does."""

import hashlib
import random
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import requests

from tests.cluster.journal import NO_ANSWER, Journal, Reply, now

API = "/api/v1"
# Needs neither the store nor a disk for arriving files.
WITHOUT_STORE = frozenset({"create", "validate", "current", "end", "link"})
OPERATIONS = WITHOUT_STORE | {"upload", "download", "delete", "follow"}
# Longer than the proxy waits for a host.
TIMEOUT_SECONDS = 40
PAUSE_SECONDS = 0.1
FILES = 2


class GaveUp(Exception):
    """The rehearsal has ended, or the answer is a refusal."""


class Visitor:
    """One visitor after the other: each has a session, files, and a journal of what was promised."""

    def __init__(self, url: str, certificate: str, journal: Journal, size: int) -> None:
        self._url, self._journal, self._size = url, journal, size
        self._client = requests.Session()
        self._client.verify = certificate
        self._client.trust_env = False
        self._proof: dict[str, str] = {}

    def visit_until_stopped(self) -> None:
        """Be one visitor after the other."""
        while not self._journal.stop.is_set():
            try:
                self.visit()
            except GaveUp:
                continue

    def visit(self) -> None:
        """Create a session, use it, and end it if the visitor is of that kind."""
        session = self.use_without_files()
        files = [self.upload() for _ in range(FILES)]
        for file in files:
            self._download(file)
        self._follow_link(files[0])
        self._journal.to_delete.add(files[0])
        self._request("delete", "DELETE", f"/uploads/{files[0]}/")
        self._journal.deleted.add(files[0])
        if random.random() < 0.5:
            self._end(session)

    def use_without_files(self) -> str:
        """Create a session and ask about it; return its UUID."""
        session = self.create()
        self._request("validate", "POST", "/sessions/validate/", json={"uuid": session})
        self._request("current", "GET", "/sessions/current/")
        return session

    def create(self) -> str:
        """Create a session; return its UUID."""
        self._proof = {}
        self._client.cookies.clear()
        response = self._request("create", "POST", "/sessions/", json={})
        session = str(response.json()["uuid"])
        cookie = response.headers["Set-Cookie"].partition(";")[0]
        self._client.cookies.clear()
        self._proof = {"Cookie": cookie, "X-Session-UUID": session}
        self._journal.created.add(session)
        return session

    def upload(self) -> str:
        """Store a file that no other visitor has; return its id."""
        content = self._content()
        key = {"Idempotency-Key": str(uuid.uuid4())}
        response = self._request("upload", "POST", "/uploads/", headers=key, files=_file(content))
        file = str(response.json()["id"])
        self._journal.stored[file] = hashlib.sha256(content).hexdigest()
        return file

    def _content(self) -> bytes:
        return b"%PDF-1.4\n" + random.randbytes(self._size)

    def _download(self, file: str) -> None:
        response = self._request("download", "GET", f"/uploads/{file}/download/")
        self._compare(file, response)

    def _follow_link(self, file: str) -> None:
        link = self._request("link", "POST", f"/uploads/{file}/link/").json()["url"]
        path = link[link.index(API) + len(API) :]
        self._compare(file, self._request("follow", "GET", path))

    def _compare(self, file: str, response: requests.Response) -> None:
        if hashlib.sha256(response.content).hexdigest() != self._journal.stored[file]:
            self._journal.spoiled.append(file)

    def _end(self, session: str) -> None:
        response = self._request("end", "DELETE", "/sessions/current/", accepted=(204, 401))
        if response.ok or response.json().get("reason") == "ended":
            self._journal.ended.add(session)

    def _request(
        self, operation: str, method: str, path: str, accepted: tuple[int, ...] = (), **extra: Any
    ) -> requests.Response:
        """Send a request, and repeat it until it is answered; GaveUp if it is refused."""
        headers = {**self._proof, **extra.pop("headers", {})}
        while True:
            time.sleep(PAUSE_SECONDS)
            response = self._attempt(operation, method, path, headers=headers, **extra)
            if response is not None and (response.ok or response.status_code in accepted):
                return response
            if self._journal.stop.is_set() or (response is not None and _is_final(response)):
                raise GaveUp

    def send_upload(self) -> Reply:
        """Send an upload once, and promise nothing about it."""
        self._attempt(
            "upload", "POST", "/uploads/", headers=self._proof, files=_file(self._content())
        )
        return self._last

    def _attempt(
        self, operation: str, method: str, path: str, **extra: Any
    ) -> "requests.Response | None":
        started, response = now(), None
        url = f"{self._url}{API}{path}"
        with suppress(requests.ConnectionError, requests.Timeout):
            response = self._client.request(method, url, timeout=TIMEOUT_SECONDS, **extra)
        status = NO_ANSWER if response is None else response.status_code
        self._last = Reply(operation, status, started, now() - started, _code(response))
        self._journal.replies.append(self._last)
        return response


@contextmanager
def visiting(
    url: str, certificate: str, journal: Journal, size: int, count: int = 6
) -> Iterator[None]:
    """Let visitors come and go; at the end wait for what they have begun."""
    visitors = [Visitor(url, certificate, journal, size) for _ in range(count)]
    threads = [threading.Thread(target=one.visit_until_stopped) for one in visitors]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        journal.stop.set()
        for thread in threads:
            thread.join()


def _file(content: bytes) -> dict[str, tuple[str, bytes]]:
    return {"file": ("report.pdf", content)}


def _is_final(response: requests.Response) -> bool:
    """Return whether the same request would be refused again."""
    return response.status_code < 500 and "Retry-After" not in response.headers


def _code(response: requests.Response | None) -> str:
    if response is None or response.ok or "json" not in response.headers.get("Content-Type", ""):
        return ""
    return str(response.json().get("code", ""))
