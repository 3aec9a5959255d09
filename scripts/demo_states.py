"""The states of the demo page that scripts/screenshots.py takes pictures of."""

import json
import time
from collections.abc import Callable

from playwright.sync_api import Locator, Page

from scripts.demo_steps import (
    LONG_NAME,
    NAMES,
    SENTENCE,
    ask_the_server,
    choose,
    dragged_file,
    end_elsewhere,
    files,
    patch_current,
    say,
    slow_down,
    status,
    store,
)


def idle(page: Page) -> None:
    """The page before any action."""


def starting(page: Page) -> None:
    slow_down(page, latency=60_000)
    page.get_by_role("textbox", name="Message").click()
    page.get_by_role("textbox", name="Message").fill(SENTENCE)
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
    page.get_by_role("textbox", name="Message").fill("Is anybody there?")
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
    page.get_by_role("button", name="Start a new session").click()
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
    dialog.get_by_label("may contact me").click()
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
    page.get_by_role("textbox", name="Message").click()
    page.get_by_role("textbox", name="Message").fill(SENTENCE)
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
    page.locator(".maria-drop").dispatch_event("dragover", {"dataTransfer": dragged_file(page)})
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
