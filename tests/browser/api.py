"""Calls the API by `fetch` from a page of the product, without the front end."""

import base64
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Page

from tests.browser.site import Site

# A page of the product that does not use the front end.
PLAIN_PAGE = "/admin/login/"
_CALL = """
async ({ method, path, uuid, json, file }) => {
  const headers = uuid ? { "X-Session-UUID": uuid } : {};
  let body;
  if (json !== null) {
    headers["Content-Type"] = "application/json";
    body = JSON.stringify(json);
  }
  if (file !== null) {
    const bytes = Uint8Array.from(atob(file.base64), (c) => c.charCodeAt(0));
    body = new FormData();
    body.append("file", new File([bytes], file.name));
  }
  const answer = await fetch("/api/v1/" + path, { method, headers, body });
  const text = await answer.text();
  return { status: answer.status, body: text ? JSON.parse(text) : null };
}
"""


@dataclass
class PageVisitor:
    """A visitor in a real browser: the page stores the UUID, the cookie proves the session."""

    page: Page
    site: Site
    uuid: str = ""

    def open(self) -> None:
        """Open a page of the product from which the API can be called."""
        self.page.goto(self.site.url + PLAIN_PAGE)

    def start(self) -> None:
        """Open a page and create a session, or return to the one that the cookie proves."""
        self.open()
        status, body = self.call("POST", "sessions/", {})
        assert status in (200, 201), body
        self.uuid = body["uuid"]

    def call(self, method: str, path: str, json: Any = None) -> tuple[int, Any]:
        """Call a path below /api/v1/ and return the status and the JSON of the response."""
        return self._call(method=method, path=path, json=json, file=None)

    def upload(self, content: bytes, name: str = "report.pdf") -> str:
        """Upload a file and return its id."""
        file = {"name": name, "base64": base64.b64encode(content).decode()}
        status, body = self._call(method="POST", path="uploads/", json=None, file=file)
        assert status == 201, body
        return str(body["id"])

    def current(self) -> str:
        """Return the UUID of the session that the browser proves, or an error code."""
        _, body = self._call(method="GET", path="sessions/current/", json=None, file=None)
        return str(body.get("uuid", body.get("code")))

    def _call(self, **request: Any) -> tuple[int, Any]:
        answer = self.page.evaluate(_CALL, {**request, "uuid": self.uuid})
        return answer["status"], answer["body"]
