"""Browsers without cookies or storage, and pages that carry the proof themselves.

The session works as long as the page, the page says that it will not survive a reload, and
nothing is tried more than once.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser, BrowserContext, Error, Route, expect

from tests.browser.chromium import Watch, how_to_launch
from tests.browser.site import Site
from tests.browser.visit import API, Visit
from tests.helpers import pdf

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("demo")]

FORGETFUL = "This browser stores no data for this page. Your session ends when you reload it."
NO_STORAGE = """Object.defineProperty(window, "localStorage", {
  get() { throw new DOMException("The user has switched it off.", "SecurityError") } })"""
FILL_STORAGE = """() => {
  for (let size = 2 ** 22; size >= 1; size /= 2) {
    try { for (let n = 0; ; n++) localStorage.setItem(`filler ${size} ${n}`, "x".repeat(size)); }
    catch { /* What is left is smaller. */ }
  }
  for (const key of ["session_probe", "session_uuid"]) localStorage.removeItem(key);
}"""
BLOCK_ALL = {"profile": {"default_content_setting_values": {"cookies": 2}}}


def refuse_cookies(route: Route) -> None:
    """Continue a request as a browser without cookies does."""
    request = route.request
    headers = {k: v for k, v in request.all_headers().items() if k != "cookie"}
    answer = requests.request(
        request.method, request.url, headers=headers, data=request.post_data_buffer, timeout=30
    )
    kept = {k: v for k, v in answer.headers.items() if k.lower() != "set-cookie"}
    route.fulfill(status=answer.status_code, headers=kept, body=answer.content)


def expect_forgetful(visit: Visit) -> None:
    """Check that the page warns that the session is not persistent."""
    expect(visit.status).to_contain_text(FORGETFUL)
    expect(visit.fact("Survives a reload")).to_have_text("no")


def expect_session_works(visit: Visit, site: Site) -> None:
    """Check that a session of one page can store a file and be replaced."""
    uuid = visit.uuid
    visit.upload(pdf())
    assert "upload.stored" in site.events(uuid)
    visit.button("Start a new session").click()
    visit.alert.get_by_role("button", name="Start a new session").click()
    expect(visit.alert).to_be_hidden()
    visit.expect_known()
    assert visit.uuid != uuid
    assert visit.uuid in site.sessions()


def test_without_cookies_the_page_carries_the_proof(visit: Visit, site: Site) -> None:
    visit.page.route(API, refuse_cookies)
    visit.open()
    uuid = visit.begin()

    expect_forgetful(visit)
    expect(visit.alert).to_be_hidden()
    assert visit.calls.count("POST sessions/") == 2
    assert visit.remembered() is None
    expect_session_works(visit, site)
    assert visit.calls.count("POST sessions/") == 2
    assert visit.page.context.cookies() == []
    assert [e for e in site.events(uuid) if e == "session.refused"] == []

    visit.reload()

    assert visit.uuid == "none"
    visit.expect_status("idle")
    visit.begin()
    assert visit.uuid != uuid
    assert visit.calls.count("POST sessions/") == 4


def test_a_browser_without_local_storage_still_has_its_cookie(visit: Visit, site: Site) -> None:
    visit.page.add_init_script(NO_STORAGE)
    visit.open()
    uuid = visit.begin()

    expect_forgetful(visit)
    assert site.events(uuid) == ["session.created"]
    visit.reload()
    visit.expect_status("idle")
    visit.page.keyboard.press("Tab")
    visit.expect_known()
    assert visit.uuid == uuid, "the cookie brings it back"
    expect_session_works(visit, site)


def test_a_full_local_storage_changes_nothing(visit: Visit, site: Site) -> None:
    visit.open("?start=manual")
    visit.page.evaluate(FILL_STORAGE)
    visit.open()
    uuid = visit.begin()

    expect_forgetful(visit)
    assert site.events(uuid) == ["session.created"]
    expect_session_works(visit, site)


@pytest.fixture
def blocked(browser: Browser, watch: Watch, tmp_path: Path) -> Iterator[BrowserContext]:
    """Return a profile whose settings forbid sites to store data."""
    preferences = tmp_path / "Default" / "Preferences"
    preferences.parent.mkdir()
    preferences.write_text(json.dumps(BLOCK_ALL))
    context = browser.browser_type.launch_persistent_context(tmp_path, **how_to_launch())
    watch.over(context)
    yield context
    context.close()


def test_without_any_storage_a_page_has_a_session(blocked: BrowserContext, site: Site) -> None:
    visit = Visit(blocked.new_page(), site)
    visit.open()
    with pytest.raises(Error, match="Access is denied"):
        visit.page.evaluate("localStorage")
    visit.begin()

    expect_forgetful(visit)
    expect(visit.alert).to_be_hidden()
    assert visit.calls.count("POST sessions/") == 2
    expect_session_works(visit, site)
    assert visit.calls.count("POST sessions/") == 2


def test_a_token_in_memory_leaves_nothing_behind(visit: Visit, site: Site) -> None:
    visit.open("?credential=memory")
    uuid = visit.begin()

    expect_forgetful(visit)
    assert visit.calls.count("POST sessions/") == 1
    assert site.audit(uuid)[0]["details"]["credential"] == "bearer"
    kept = visit.page.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie])")
    assert "mss1_" not in kept
    assert visit.remembered() is None
    assert visit.page.context.cookies() == []
    expect_session_works(visit, site)

    visit.reload()

    assert visit.uuid == "none"


def test_a_token_in_the_tab_survives_a_reload_and_no_other_tab_has_it(
    visit: Visit, site: Site, context: BrowserContext
) -> None:
    visit.open("?credential=session")
    uuid = visit.begin()
    before = site.events()

    visit.reload()

    assert visit.uuid == uuid
    visit.expect_known()
    expect(visit.fact("Survives a reload")).to_have_text("yes")
    assert site.events() == before
    assert context.cookies() == []
    assert visit.remembered() is None

    other = Visit(context.new_page(), site)
    other.open("?credential=session")
    other.expect_status("idle")
    assert other.begin() != uuid
    visit.reload()
    visit.expect_known()
    assert visit.uuid == uuid
    expect_session_works(visit, site)
