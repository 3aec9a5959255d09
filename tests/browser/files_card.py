"""The page at `/` and its card “Your files”, as a visitor uses them; and what the server has of it."""

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
    """One tab at `/`. `sent` collects the upload requests that its page makes."""

    page: Page
    site: Site
    sent: list[Request] = field(default_factory=list)

    def open(self) -> None:
        """Open the page and note the uploads that it makes from now on."""
        self.page.set_default_timeout(10_000)
        self.page.on("request", self._on_request)
        self.page.goto(self.site.url)
        expect(self.region).to_be_visible()

    def begin(self) -> None:
        """Open the page and begin a session, as the first key pressed on it does."""
        self.open()
        self.page.keyboard.press("Shift")
        expect(self.region).to_contain_text("in all.")  # its limits are known by then

    @property
    def region(self) -> Locator:
        """The part of the page that shows the files."""
        return self.page.get_by_role("region", name="Your files")

    @property
    def field(self) -> Locator:
        """Where files are chosen, and dropped."""
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
        named = self.page.get_by_text(name, exact=True)
        return self.region.get_by_role("listitem").filter(has=named)

    def press(self, action: str, name: str) -> None:
        """Press a button of a file's line."""
        self.file(name).get_by_role("button", name=action).click()

    def expect_stored(self, *names: str) -> None:
        """Wait until each of these files is said to be stored."""
        for name in names:
            expect(self.file(name)).to_contain_text("Stored, ", timeout=15_000)

    def expect_files(self, *names: str) -> None:
        """Wait until these files are listed, in this order, and no others."""
        expect(self.region.locator("bdi")).to_have_text(list(names))

    def rows(self) -> Sequence[tuple[object, ...]]:
        """Name and status of every file that the session ever had, in the order of sending."""
        return self.site.deployment.rows(
            "SELECT name, status FROM uploads_app_uploadedfile "
            f"WHERE session_id = '{self.uuid.replace('-', '')}' ORDER BY created_at"
        )

    def objects(self) -> list[bytes]:
        """The bytes of every object that the session has in the store."""
        folder = self.site.deployment.data / "storage" / "uploads" / self.uuid
        return [path.read_bytes() for path in sorted(folder.glob("*"))]

    def stored_events(self) -> int:
        """How often a file of the session was stored, as the audit log says."""
        return self.site.events(self.uuid).count("upload.stored")

    def _on_request(self, request: Request) -> None:
        if request.method == "POST" and request.url.endswith("/api/v1/uploads/"):
            self.sent.append(request)


class SlowNetwork:
    """The page's way to the server, which can be slow."""

    def __init__(self, page: Page) -> None:
        self._session = page.context.new_cdp_session(page)
        self._session.send("Network.enable")

    def limit(self, bytes_per_second: float) -> None:
        """Slow down what the page sends; -1 lets it run freely again."""
        speed = {"downloadThroughput": -1, "uploadThroughput": bytes_per_second}
        self._session.send(
            "Network.emulateNetworkConditions", {"offline": False, "latency": 0, **speed}
        )


class UploadGate:
    """Keeps a page's uploads on their way, in the browser, until it is opened."""

    def __init__(self, page: Page) -> None:
        self._page, self._kept = page, list[Route]()
        self._is_open = False
        page.route(UPLOADS, self._on_route)

    def open(self) -> None:
        """Let all uploads go."""
        self._is_open = True
        while self._kept:
            self.pass_one()

    def pass_one(self) -> None:
        """Let the upload go that has waited longest."""
        self._kept.pop(0).continue_()

    def wait_for(self, count: int) -> None:
        """Wait until so many uploads are kept."""
        wait_for(lambda: self._count() == count, what=f"{count} uploads on their way")

    def _count(self) -> int:
        self._page.wait_for_timeout(1)  # Playwright tells of requests only while it is called
        return len(self._kept)

    def _on_route(self, route: Route) -> None:
        if self._is_open:
            route.continue_()
        else:
            self._kept.append(route)
