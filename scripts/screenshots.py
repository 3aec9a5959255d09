"""Takes pictures of the demo page in each of its states, on a server of its own: `make screenshots`.

Every picture is also looked at by axe. What axe finds, what the browser complains of and requests
to foreign hosts are printed, and make the run fail. Three pictures go into `docs/images`.
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from playwright.sync_api import Browser, Error, Locator, Page, Route, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
AXE = ROOT / "frontend/node_modules/axe-core/axe.min.js"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
]
SIZES = {"phone": (390, 844), "desktop": (1280, 800)}
SCHEMES = ("light", "dark")
# For the README: picture, state, size, scheme.
CHOSEN = (
    ("phone light reset", "demo-reset.png"),
    ("desktop light files", "demo-files.png"),
    ("phone dark uploading", "demo-uploading.png"),
)
SENTENCE = "Which forms do I need to move to Lisbon in March?"
NAMES = ("Lease 2026, signed.pdf", "Certidão de nascimento e comprovativo de morada.pdf")
LONG_NAME = "引越しのための賃貸契約書と住民票の写し" * 4 + ".pdf"


def pdf(size: int) -> bytes:
    """Return a PDF of about so many bytes."""
    page = (ROOT / "docs/images/sample.pdf").read_bytes()
    return page + b"%" * max(0, size - len(page) - 7) + b"\n%%EOF\n"


def files(*names: str, size: int = 2_400_000) -> list[dict[str, object]]:
    """Return PDFs to choose, the way Playwright wants them."""
    return [{"name": name, "mimeType": "application/pdf", "buffer": pdf(size)} for name in names]


# What can be done on the page ------------------------------------------------------------------


def say(page: Page, text: str = SENTENCE) -> None:
    """Send a message and wait for the answer, so that there is a session."""
    page.get_by_label("Message").fill(text)
    page.get_by_role("button", name="Send", exact=True).click()
    page.locator(".line[data-who=visitor]", has_text=text).wait_for()


def choose(page: Page, chosen: list[dict[str, object]]) -> None:
    page.locator("input[type=file]").set_input_files(chosen)  # type: ignore[arg-type]


def store(page: Page, *names: str) -> None:
    """Upload files and wait until the server has them."""
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
    """From now on answer after so many milliseconds, and send so many bytes a second."""
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
    """Change what the server says of the session, on its way to the page."""

    def change(route: Route) -> None:
        response = route.fetch()
        route.fulfill(response=response, json={**response.json(), **changes})

    page.route("**/sessions/current/", change)


def end_elsewhere(page: Page) -> None:
    """End the session with a copy of its cookie, as another program would."""
    state = page.context.storage_state()
    uuid = page.evaluate("localStorage.getItem('session_uuid')")
    assert page.context.browser is not None
    other = page.context.browser.new_context(storage_state=state)
    answer = other.request.delete(
        page.url.split("?")[0] + "api/v1/sessions/current/", headers={"X-Session-UUID": uuid}
    )
    assert answer.ok, answer.text()
    other.close()


# The states ------------------------------------------------------------------------------------


def idle(page: Page) -> None:
    """Nothing has happened yet."""


def starting(page: Page) -> None:
    slow_down(page, latency=60_000)
    page.get_by_label("Message").click()
    page.get_by_label("Message").fill(SENTENCE)
    status(page, "starting")


def ready(page: Page) -> None:
    say(page)
    say(page, "And where is the office?")


def files_there(page: Page) -> None:
    say(page)
    store(page, *NAMES)


def uploading(page: Page) -> None:
    say(page)
    store(page, NAMES[0])
    slow_down(page, upload=600_000)
    choose(page, files("Passport and visa.pdf", size=4_800_000))
    page.locator("progress").scroll_into_view_if_needed()
    while (page.evaluate("document.querySelector('progress')?.position") or 0) < 0.55:
        page.wait_for_timeout(100)


def refused(page: Page) -> None:
    say(page)
    choose(
        page,
        [
            {"name": "holiday.jpg", "mimeType": "image/jpeg", "buffer": b"\xff\xd8\xff"},
            {"name": "empty.pdf", "mimeType": "application/pdf", "buffer": b""},
            *files("Everything I own, in one document.pdf", size=6_000_000),
        ],
    )
    page.locator(".maria-file[data-status=failed]").nth(2).wait_for()
    page.locator(".maria-file").first.scroll_into_view_if_needed()


def offline(page: Page) -> None:
    say(page)
    page.route("**/api/**", lambda route: route.abort())
    ask_the_server(page)
    status(page, "offline")


def not_sent(page: Page) -> None:
    say(page)
    page.route("**/api/**", lambda route: route.abort())
    page.get_by_label("Message").fill("Is anybody there?")
    page.get_by_role("button", name="Send", exact=True).click()
    page.get_by_text("Not sent.").wait_for()


def expiring(page: Page) -> None:
    say(page)
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 200))
    patch_current(page, expires_at=soon)
    ask_the_server(page)
    status(page, "expiring")


def reset(page: Page) -> None:
    files_there(page)
    end_elsewhere(page)
    ask_the_server(page)
    page.get_by_role("alertdialog").wait_for()


def put_off(page: Page) -> None:
    reset(page)
    page.keyboard.press("Escape")
    page.locator(".maria-notice").wait_for()


def mismatch(page: Page) -> None:
    say(page)
    page.get_by_text("For developers").click()
    page.get_by_role("button", name="Use another UUID").click()
    page.get_by_role("alertdialog").wait_for()


def confirm(page: Page) -> None:
    say(page)
    page.get_by_role("button", name="Start again").click()
    page.get_by_role("alertdialog").wait_for()


def end(page: Page) -> None:
    say(page)
    page.get_by_role("button", name="End session").click()
    page.get_by_role("dialog").wait_for()


def open_data(page: Page) -> Locator:
    page.get_by_role("button", name="Your data").click()
    return page.get_by_role("dialog", name="Your data")


def data(page: Page) -> None:
    say(page)
    store(page, NAMES[0])
    dialog = open_data(page)
    dialog.get_by_label("Your e-mail address").fill("mariana@example.org")
    dialog.get_by_role("button", name="Save").click()
    dialog.get_by_role("button", name="Send a code").click()
    dialog.get_by_label("six digits").wait_for()
    dialog.get_by_label("may write to me").click()
    dialog.get_by_role("button", name="What happened").click()
    dialog.locator(".maria-activity li").first.wait_for()


def data_refused(page: Page) -> None:
    say(page)
    dialog = open_data(page)
    dialog.get_by_label("Recovery code").fill("1234-5678")
    dialog.get_by_role("button", name="Bring my session back").click()
    dialog.get_by_role("alert").wait_for()


def no_data(page: Page) -> None:
    page.goto(page.url + "?start=manual")
    open_data(page)


def erase(page: Page) -> None:
    say(page)
    open_data(page).get_by_role("button", name="Erase everything").click()
    page.get_by_role("alertdialog").wait_for()


def not_persistent(page: Page) -> None:
    page.goto(page.url + "?credential=memory")
    say(page)
    page.get_by_text("Where are my files?").click()


def failed(page: Page) -> None:
    problem = json.dumps({"code": "forbidden", "detail": "Sessions are switched off here."})
    page.route(
        "**/api/v1/sessions/",
        lambda route: route.fulfill(
            status=403, content_type="application/problem+json", body=problem
        ),
    )
    page.get_by_label("Message").click()
    page.get_by_label("Message").fill(SENTENCE)
    status(page, "failed")


def where(page: Page) -> None:
    say(page)
    page.get_by_text("Where are my files?").click()
    page.get_by_text("For developers").click()
    page.get_by_role("button", name="Get an assertion").click()
    page.locator("output:not(:empty)").wait_for()


def dragged(page: Page) -> None:
    say(page)
    store(page, LONG_NAME)
    page.locator(".maria-drop").dispatch_event("dragover")
    page.locator(".maria-drop[data-over=true]").wait_for()
    page.locator("input[type=file]").focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")


STATES: dict[str, Callable[[Page], None]] = {
    "idle": idle,
    "starting": starting,
    "ready": ready,
    "files": files_there,
    "uploading": uploading,
    "refused": refused,
    "dragged": dragged,
    "offline": offline,
    "not-sent": not_sent,
    "expiring": expiring,
    "reset": reset,
    "put-off": put_off,
    "mismatch": mismatch,
    "confirm": confirm,
    "end": end,
    "data": data,
    "data-refused": data_refused,
    "no-data": no_data,
    "erase": erase,
    "not-persistent": not_persistent,
    "failed": failed,
    "where": where,
}


# Taking them -----------------------------------------------------------------------------------


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """Run the product on a private port with data of its own; the value is its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = {
        **os.environ,
        "PORT": str(port),
        "DATA_DIR": str(folder / "data"),
        "RATE_LIMIT_CREATE": "1000/m",
        "RATE_LIMIT_EMAIL": "1000/h",
        "RATE_LIMIT_RECOVER": "1000/h",
    }
    log = folder / "run.log"
    with log.open("wb") as out:
        child = subprocess.Popen([ROOT / "run"], env=env, stdout=out, stderr=out)
    address = f"http://localhost:{port}/"
    try:
        while not answers(address):
            if child.poll() is not None:
                sys.exit(f"./run ended:\n{log.read_text()}")
            time.sleep(0.2)
        yield address
    finally:
        child.terminate()
        child.wait()


def answers(address: str) -> bool:
    try:
        with urlopen(f"{address}health/ready", timeout=5) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def picture(browser: Browser, address: str, path: Path) -> list[str]:
    """Take the picture that the path names; return what is wrong with the page."""
    size, scheme, state = path.stem.split()
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        device_scale_factor=1.5 if size == "phone" else 1,
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
        has_touch=size == "phone",
    )
    wrong: list[str] = []
    page = context.new_page()
    page.set_default_timeout(10_000)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "console",
        lambda line: wrong.append(line.text) if "Content Security Policy" in line.text else None,
    )
    page.on(
        "request",
        lambda request: None if request.url.startswith(address) else wrong.append(request.url),
    )
    page.goto(address)
    try:
        STATES[state](page)
    except Error as error:
        wrong.append(f"did not get there: {error.message.splitlines()[0]}")
    page.screenshot(path=path)
    page.screenshot(path=path.with_stem(f"{path.stem} whole"), full_page=True)
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run().then(({violations}) => violations)")
    wrong += [f"{rule['id']}: {node['html']}" for rule in found for node in rule["nodes"]]
    sideways = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    if sideways > 0:
        wrong.append(f"wider than the window by {sideways} px")
    context.close()
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("states", nargs="*", help="only these: " + " ".join(STATES))
    parser.add_argument("--folder", type=Path, help="where all pictures go (default: nowhere)")
    parser.add_argument("--address", help="of a running server, instead of one of our own")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        if options.address:
            is_fine = take(options.address, options.states or list(STATES), folder)
        else:
            with server(Path(scratch)) as address:
                is_fine = take(address, options.states or list(STATES), folder)
        for name, wanted in CHOSEN:
            if (folder / f"{name}.png").exists():
                shutil.copy(folder / f"{name}.png", ROOT / "docs/images" / wanted)
    sys.exit(not is_fine)


def take(address: str, states: list[str], folder: Path) -> bool:
    """Take all pictures; return whether nothing is wrong with any page."""
    is_fine = True
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        for state in states:
            for size in SIZES:
                for scheme in SCHEMES:
                    name = f"{size} {scheme} {state}"
                    wrong = picture(browser, address, folder / f"{name}.png")
                    is_fine = is_fine and not wrong
                    print(name, *wrong, sep="\n    ", flush=True)
        browser.close()
    return is_fine


if __name__ == "__main__":
    main()
