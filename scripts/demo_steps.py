"""What a visitor does on the demo page, for scripts/screenshots.py."""

from pathlib import Path

from playwright.sync_api import JSHandle, Page, Route

ROOT = Path(__file__).resolve().parents[1]
SENTENCE = "Which forms do I need to move to Lisbon in March?"
NAMES = ("Lease 2026, signed.pdf", "Certidão de nascimento e comprovativo de morada.pdf")
LONG_NAME = "引越しのための賃貸契約書と住民票の写し" * 4 + ".pdf"


def pdf(size: int) -> bytes:
    """Return a PDF of about `size` bytes."""
    page = (ROOT / "docs/images/sample.pdf").read_bytes()
    return page + b"%" * max(0, size - len(page) - 7) + b"\n%%EOF\n"


def files(*names: str, size: int = 2_400_000) -> list[dict[str, object]]:
    """Return PDFs for `set_input_files`."""
    return [{"name": name, "mimeType": "application/pdf", "buffer": pdf(size)} for name in names]


def say(page: Page, text: str = SENTENCE) -> None:
    """Send a message and wait for the answer, which creates a session."""
    page.get_by_role("textbox", name="Message").fill(text)
    page.get_by_role("button", name="Send", exact=True).click()
    page.locator(".line[data-who=visitor]", has_text=text).wait_for()


def choose(page: Page, chosen: list[dict[str, object]]) -> None:
    page.locator("input[type=file]").set_input_files(chosen)  # type: ignore[arg-type]


def dragged_file(page: Page) -> JSHandle:
    """Return what the browser passes to the page while a file is dragged over it."""
    return page.evaluate_handle(
        """() => {
          const dragged = new DataTransfer();
          dragged.items.add(new File(["%PDF"], "dragged.pdf"));
          return dragged;
        }"""
    )


def store(page: Page, *names: str) -> None:
    """Upload files and wait until they are stored."""
    choose(page, files(*names))
    for name in names:
        page.locator(".maria-file[data-status=stored]", has_text=name).wait_for()


def ask_the_server(page: Page) -> None:
    page.get_by_text("For developers").click()
    page.get_by_role("button", name="Ask the server now").click()
    page.evaluate("document.querySelector('.developer').open = false; scrollTo(0, 0)")


def status(page: Page, wanted: str) -> None:
    page.locator(f".maria-status[data-status={wanted}]").wait_for()


def slow_down(page: Page, latency: int = 0, upload: int = -1) -> None:
    """Emulate a latency in milliseconds and an upload speed in bytes per second."""
    page.context.new_cdp_session(page).send(
        "Network.emulateNetworkConditions",
        {
            "offline": False,
            "latency": latency,
            "downloadThroughput": -1,
            "uploadThroughput": upload,
        },
    )


def patch_current(page: Page, **changes: object) -> None:
    """Change the session in answers to the page."""

    def change(route: Route) -> None:
        response = route.fetch()
        route.fulfill(response=response, json={**response.json(), **changes})

    page.route("**/sessions/current/", change)


def end_elsewhere(page: Page) -> None:
    """End the session with a copy of its cookie, as another program could."""
    state = page.context.storage_state()
    uuid = page.evaluate("localStorage.getItem('session_uuid')")
    assert page.context.browser is not None
    other = page.context.browser.new_context(storage_state=state)
    answer = other.request.delete(
        page.url.split("?")[0] + "api/v1/sessions/current/", headers={"X-Session-UUID": uuid}
    )
    assert answer.ok, answer.text()
    other.close()
