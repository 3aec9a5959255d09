"""The page at `/` with its card “Your files”, and the server's state of those files."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import FilePayload, Locator, Page, Request, Route, expect

from tests.browser.site import Site
from tests.helpers import pdf
from tests.maria_project.server import wait_for

UPLOADS = "**/api/v1/uploads/"
PDF = "application/pdf"


def chosen(name: str, content: bytes | None = None) -> FilePayload:
    """Return a file to choose or drop; a small PDF unless `content` is given."""
    return {"name": name, "mimeType": PDF, "buffer": pdf() if content is None else content}


@dataclass
class FilesCard:
    """One tab at `/`. `sent` collects the upload requests that its page makes.

    `unanswered` has its requests of any kind that are under way.
    """

    page: Page
    site: Site
    sent: list[Request] = field(default_factory=list)
    unanswered: set[Request] = field(default_factory=set)

    def open(self) -> None:
        """Open the page and record its upload requests."""
        self.page.set_default_timeout(10_000)
        self.page.on("request", self._on_request)
        self.page.on("requestfinished", self._on_answer)
        self.page.on("requestfailed", self._on_answer)
        self.page.goto(self.site.url)
        expect(self.region).to_be_visible()

    def begin(self) -> None:
        """Open the page and create a session by the first interaction."""
        self.open()
        self.page.keyboard.press("Shift")
        expect(self.region).to_contain_text("in all.")  # its limits are known by then

    @property
    def region(self) -> Locator:
        """The part of the page that shows the files."""
        return self.page.get_by_role("region", name="Your files")

    @property
    def field(self) -> Locator:
        """The field where files are chosen and dropped."""
        return self.region.get_by_label("Choose files or drop them here")

    @property
    def uuid(self) -> str:
        """The UUID that the browser remembers."""
        return str(self.page.evaluate("localStorage.getItem('session_uuid')"))

    @property
    def keys(self) -> list[str]:
        """The Idempotency-Key of each upload request, in the order of sending."""
        return [request.headers["idempotency-key"] for request in self.sent]

    def choose(self, *files: FilePayload | Path) -> None:
        """Press the field and choose these files in the dialog that the browser opens."""
        with self.page.expect_file_chooser() as dialog:
            self.field.click()
        dialog.value.set_files(list(files))  # type: ignore[arg-type]

    def file(self, name: str) -> Locator:
        """The line of a file."""
        named = self.page.get_by_text(name, exact=True).or_(
            self.page.get_by_title(name, exact=True)  # a long name is shown short
        )
        return self.region.get_by_role("listitem").filter(has=named)

    def problem(self, name: str) -> Locator:
        """The message in the line of a file."""
        return self.file(name).locator(".maria-error")

    def press(self, action: str, name: str) -> None:
        """Press a button of a file's line."""
        self.file(name).get_by_role("button", name=action).click()

    def wait_for_next_try(self, milliseconds: int) -> None:
        """Let this time pass on the page, more than once if needed, until it sends a file again.

        The timer of a try starts only after the page has asked whether the server is there. No
        time passes meanwhile: the page would believe that the server does not answer.
        """
        sent = len(self.sent)

        def is_sent() -> bool:
            if self.unanswered:
                self.page.wait_for_timeout(20)
            else:
                self.page.clock.fast_forward(milliseconds)
            return len(self.sent) > sent

        wait_for(is_sent)

    def expect_stored(self, *names: str) -> None:
        """Wait until each of these files is shown as stored."""
        for name in names:
            expect(self.file(name)).to_contain_text("Stored, ", timeout=15_000)

    def expect_files(self, *names: str) -> None:
        """Wait until these files are listed, in this order, and no others."""
        expect(self.region.locator("bdi")).to_have_text(list(names))

    def rows(self) -> Sequence[tuple[object, ...]]:
        """Name and status of every upload row of the session, in order."""
        return self.site.deployment.rows(
            "SELECT name, status FROM uploads_app_uploadedfile "
            f"WHERE session_id = '{self.uuid.replace('-', '')}' ORDER BY created_at"
        )

    def objects(self) -> list[bytes]:
        """The bytes of every object that the session has in the store."""
        folder = self.site.deployment.data / "storage" / "uploads" / self.uuid
        return [path.read_bytes() for path in sorted(folder.glob("*"))]

    def stored_events(self) -> int:
        """The number of `upload.stored` events of the session."""
        return self.site.events(self.uuid).count("upload.stored")

    def _on_request(self, request: Request) -> None:
        self.unanswered.add(request)
        if request.method == "POST" and request.url.endswith("/api/v1/uploads/"):
            self.sent.append(request)

    def _on_answer(self, request: Request) -> None:
        self.unanswered.discard(request)


class SlowNetwork:
    """Throttles the page's network."""

    def __init__(self, page: Page) -> None:
        self._session = page.context.new_cdp_session(page)
        self._session.send("Network.enable")

    def limit(self, bytes_per_second: float) -> None:
        """Limit the upload rate; -1 removes the limit."""
        speed = {"downloadThroughput": -1, "uploadThroughput": bytes_per_second}
        self._session.send(
            "Network.emulateNetworkConditions", {"offline": False, "latency": 0, **speed}
        )


class UploadGate:
    """Holds back a page's uploads in the browser until it is opened."""

    def __init__(self, page: Page) -> None:
        self._page, self._kept = page, list[Route]()
        self._is_open = False
        page.route(UPLOADS, self._on_route)

    def open(self) -> None:
        """Continue all uploads."""
        self._is_open = True
        while self._kept:
            self.pass_one()

    def pass_one(self) -> None:
        """Continue the oldest waiting upload."""
        self._kept.pop(0).continue_()

    def wait_for(self, count: int) -> None:
        """Wait until `count` uploads are waiting."""
        wait_for(lambda: self._count() == count, what=f"{count} uploads on their way")

    def _count(self) -> int:
        self._page.wait_for_timeout(1)  # Playwright tells of requests only while it is called
        return len(self._kept)

    def _on_route(self, route: Route) -> None:
        if self._is_open:
            route.continue_()
        else:
            self._kept.append(route)
