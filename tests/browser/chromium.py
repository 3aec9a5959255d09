"""Debian's Chromium, driven by Playwright, and a watch for misbehaving pages.

Sync Playwright keeps an event loop running in its thread, and Django refuses its
database to such a thread. So `Browsers` hides the loop between the modules that
use a browser, and a test that uses one asks the site for rows, never the ORM.
"""

import asyncio
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Playwright,
    Request,
    WebError,
    sync_playwright,
)

from tests.need import missing

INSTALL_HINT = "apt-get install chromium"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
# The headless shell has the same engine without tabs, menus and PDF viewer, at half the cost.
SHELL = "chromium-headless-shell"
FLAGS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--disable-gpu",
    "--no-first-run",
    # No request of a page or of the browser leaves this machine.
    "--host-resolver-rules=MAP *.example 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE localhost, "
    "EXCLUDE 127.0.0.*",
]
VIOLATION = "securitypolicyviolation"
_REPORT_VIOLATIONS = f"""
addEventListener("{VIOLATION}", (event) =>
  console.error("{VIOLATION}", event.effectiveDirective, event.blockedURI));
"""


def need_chromium() -> str:
    """Return the browser's path; without one skip the test, or fail it in CI."""
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    return found or missing(f"Chromium is missing: {INSTALL_HINT}")


def how_to_launch(*, whole: bool = True) -> dict[str, Any]:
    """Return Playwright's launch options for the whole browser or the headless shell."""
    return {
        "executable_path": (None if whole else shutil.which(SHELL)) or need_chromium(),
        # Chromium refuses its sandbox as root.
        "chromium_sandbox": os.geteuid() != 0,
        "args": FLAGS,
    }


@contextmanager
def launched(*, whole: bool = False) -> Iterator[Browser]:
    """Run a browser; `whole` if a test needs more than the headless shell."""
    options = how_to_launch(whole=whole)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**options)
        yield browser
        browser.close()
    assert asyncio._get_running_loop() is None, "the next module could not use its database"


class Browsers:
    """The browsers of one test process, each launched on first use."""

    def __init__(self) -> None:
        self._running = ExitStack()
        self._playwright: Playwright | None = None
        self._launched: dict[bool, Browser] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    @contextmanager
    def lent(self, *, whole: bool) -> Iterator[Browser]:
        """Lend a browser; until it is returned, this thread cannot use Django's database."""
        with self._loop_in_sight():
            yield self._browser(whole)

    def close(self) -> None:
        """Close all browsers."""
        with self._loop_in_sight():
            self._running.close()

    @contextmanager
    def _loop_in_sight(self) -> Iterator[None]:
        asyncio._set_running_loop(self._loop)
        try:
            yield
        finally:
            self._loop = asyncio._get_running_loop()
            asyncio._set_running_loop(None)

    def _browser(self, whole: bool) -> Browser:
        if self._playwright is None:
            self._playwright = self._running.enter_context(sync_playwright())
        if whole not in self._launched:
            browser = self._playwright.chromium.launch(**how_to_launch(whole=whole))
            self._launched[whole] = self._running.enter_context(browser)
        return self._launched[whole]


@dataclass
class Watch:
    """Records what pages must not do: uncaught errors, policy violations, dialogs, foreign requests.

    `hosts` are the `host:port` that pages may ask. A test that means something
    to happen takes it out of `problems` with `take`.
    """

    hosts: set[str]
    problems: list[str] = field(default_factory=list)

    def over(self, context: BrowserContext) -> None:
        """Watch every present and future page of a context."""
        context.add_init_script(_REPORT_VIOLATIONS)
        context.on("weberror", self._on_error)
        context.on("console", self._on_console)
        context.on("dialog", self._on_dialog)
        context.on("request", self._on_request)

    def take(self, beginning: str) -> list[str]:
        """Remove and return the problems that start with `beginning`."""
        taken = [problem for problem in self.problems if problem.startswith(beginning)]
        self.problems = [problem for problem in self.problems if problem not in taken]
        return taken

    def _on_error(self, error: WebError) -> None:
        self.problems.append(f"error {error.error}")

    def _on_console(self, message: ConsoleMessage) -> None:
        # Other console errors are about 4xx and 5xx responses, which tests provoke.
        if message.text.startswith(VIOLATION):
            self.problems.append(message.text)
        elif message.type == "error" and "Content Security Policy" in message.text:
            self.problems.append(f"policy {message.text}")

    def _on_dialog(self, dialog: Dialog) -> None:
        self.problems.append(f"dialog {dialog.type} {dialog.message}")
        if dialog.type == "beforeunload":
            dialog.accept()  # the visitor leaves the page
        else:
            dialog.dismiss()

    def _on_request(self, request: Request) -> None:
        url = urlsplit(request.url)
        if url.scheme in ("http", "https", "ws", "wss") and url.netloc not in self.hosts:
            self.problems.append(f"request {request.url}")
