"""A visitor with the demo page in one tab: actions and visible state.

The developer's part of the page tells what the package knows (UUID, status); everything
else is looked for by role and name, as a visitor finds it.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import FilePayload, Locator, Page, Request, Route, expect

from tests.browser.site import Site

API = re.compile(r"/api/v1/")
CURRENT = re.compile(r"/api/v1/sessions/current/$")
SESSIONS = re.compile(r"/api/v1/sessions/$")
UPLOADS = re.compile(r"/api/v1/uploads/$")
PROBLEM = "application/problem+json"
_OPEN_DETAILS = "document.querySelector('details.developer').open = true"


@dataclass
class Visit:
    """One tab with the demo page. `calls` are its requests to the API: `POST sessions/`, …"""

    page: Page
    site: Site
    calls: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", self._note)

    def open(self, query: str = "") -> None:
        """Load the page; `query` selects its options: `?start=load`."""
        self.page.goto(f"{self.site.url}/{query}")
        self.page.evaluate(_OPEN_DETAILS)

    def reload(self) -> None:
        """Reload the page."""
        self.page.reload()
        self.page.evaluate(_OPEN_DETAILS)

    def fact(self, name: str) -> Locator:
        """A developer fact of the page: `Session UUID`, `Status`, `Error`, `Last change`, …"""
        return self.page.locator("dl > div", has_text=name).locator("dd")

    @property
    def uuid(self) -> str:
        """The UUID that the page shows; `none` without a session."""
        return self.fact("Session UUID").text_content() or ""

    @property
    def status(self) -> Locator:
        """The status line, empty unless there is a problem."""
        return self.page.get_by_role("status").first

    @property
    def alert(self) -> Locator:
        """The open dialog."""
        return self.page.get_by_role("alertdialog")

    def button(self, name: str) -> Locator:
        """Return a button by its full name."""
        return self.page.get_by_role("button", name=name, exact=True)

    def say(self, text: str) -> None:
        """Write to Maria and send it."""
        message = self.page.get_by_role("textbox", name="Message")
        message.fill(text)
        message.press("Enter")

    def begin(self) -> str:
        """Create a session by writing to Maria; return its UUID."""
        self.say("Good morning")
        expect(self.page.get_by_role("log")).to_contain_text("You: Good morning")
        self.expect_known()
        return self.uuid

    def choose(self, content: bytes, name: str) -> None:
        """Choose a file to send."""
        file = FilePayload(name=name, mimeType="application/octet-stream", buffer=content)
        self.page.get_by_label("Choose files").set_input_files(file)

    def file(self, name: str) -> Locator:
        """Return a file's line in the list."""
        return self.page.get_by_role("listitem").filter(has_text=name)

    def upload(self, content: bytes, name: str = "report.pdf") -> None:
        """Choose a file and wait until it is stored."""
        self.choose(content, name)
        expect(self.file(name)).to_contain_text("Stored")

    def remembered(self) -> str | None:
        """Return the UUID that the browser remembers."""
        found: str | None = self.page.evaluate("localStorage.getItem('session_uuid')")
        return found

    def expect_status(self, status: str) -> None:
        """Wait until the session is in this state."""
        expect(self.fact("Status")).to_have_text(status)

    def expect_known(self) -> None:
        """Wait until the server has confirmed the session."""
        expect(self.fact("Ends")).to_be_attached()
        self.expect_status("ready")

    def expect_uuid(self, uuid: str) -> None:
        """Wait until the page shows this session."""
        expect(self.fact("Session UUID")).to_have_text(uuid)

    def _note(self, request: Request) -> None:
        path = urlsplit(request.url).path
        if path.startswith("/api/v1/"):
            self.calls.append(f"{request.method} {path.removeprefix('/api/v1/')}")


def hold_request(route: Route) -> None:
    """Never answer a request."""


def answered(**answer: Any) -> Any:
    """Return a handler that answers instead of the server."""
    return lambda route: route.fulfill(**answer)


def problem(status: int, code: str, **headers: str) -> dict[str, Any]:
    """Return a problem response of the API, for `answered`."""
    document = {"status": status, "code": code, "title": code, "detail": "The database is away."}
    return {
        "status": status,
        "body": json.dumps(document),
        "headers": {"Content-Type": PROBLEM, **headers},
    }
