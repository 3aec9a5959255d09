"""One session for all tabs: they share it and follow each other."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from tests.browser.chromium import Watch, how_to_launch
from tests.browser.site import Site
from tests.browser.visit import Visit
from tests.helpers import SOAK

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("demo")]

TABS = 20
ROUNDS = 10 if SOAK else 1
NO_LOCKS = "Object.defineProperty(Navigator.prototype, 'locks', { value: undefined })"
# All tabs load at the same moment, by the clock that they share.
LOAD_AT = "at => void setTimeout(() => location.replace('/?start=load'), at - Date.now())"
IS_SETTLED = """() => {
  const fact = (name) => [...document.querySelectorAll("dt")]
    .find((term) => term.textContent === name)?.nextElementSibling.textContent;
  return fact("Status") === "ready" && fact("Ends") !== undefined && fact("Session UUID");
}"""


def tabs_of(context: BrowserContext, site: Site, count: int) -> list[Visit]:
    """Open the page in several tabs of one browser."""
    tabs = empty_tabs_of(context, site, count)
    for tab in tabs:
        tab.open()
    return tabs


def empty_tabs_of(context: BrowserContext, site: Site, count: int) -> list[Visit]:
    """Open several tabs of one browser, with no page in them yet."""
    return [Visit(context.new_page(), site) for _ in range(count)]


def begin_at_once(tabs: list[Visit]) -> list[str]:
    """Reload all tabs at the same time; return the UUIDs that they show."""
    at = tabs[0].page.evaluate("Date.now() + 300")
    for tab in tabs:
        tab.page.evaluate(LOAD_AT, at)
    for tab in tabs:
        tab.page.wait_for_url("**/?start=load")
    return [str(tab.page.wait_for_function(IS_SETTLED).json_value()) for tab in tabs]


def forget(tabs: list[Visit]) -> None:
    """Clear all tabs, cookies and storage."""
    for tab in tabs:
        tab.page.goto(f"{tab.site.url}/health/live")  # ours too, and soon there
    tabs[0].page.evaluate("localStorage.clear()")
    tabs[0].page.context.clear_cookies()


def test_a_second_tab_has_the_same_session(site: Site, context: BrowserContext) -> None:
    first, second = tabs_of(context, site, 2)
    uuid = first.begin()
    before = site.events()

    second.expect_known()
    assert second.uuid == uuid
    third = Visit(context.new_page(), site)
    third.open()

    assert third.uuid == uuid
    third.expect_known()
    assert site.events() == before


def test_a_reset_in_one_tab_reaches_the_other(site: Site, context: BrowserContext) -> None:
    first, second = tabs_of(context, site, 2)
    old = first.begin()
    second.expect_uuid(old)

    first.button("Start a new session").click()
    first.alert.get_by_role("button", name="Start a new session").click()

    expect(first.alert).to_be_hidden()
    expect(second.fact("Last change")).to_have_text("other_tab")
    second.expect_uuid(first.uuid)
    second.expect_known()
    assert first.uuid != old
    expect(second.alert).to_be_hidden()
    expect(second.page.get_by_role("log")).not_to_contain_text("Good morning")
    assert site.events(old) == ["session.created", "session.reset"]
    assert site.events(first.uuid) == ["session.created"]


def test_a_session_ended_in_one_tab_is_ended_in_the_other(
    site: Site, context: BrowserContext
) -> None:
    first, second = tabs_of(context, site, 2)
    uuid = first.begin()
    second.expect_uuid(uuid)
    known = site.sessions()

    first.button("End session").click()
    first.page.get_by_role("dialog").get_by_role("button", name="End session").click()

    second.expect_status("idle")
    first.expect_status("idle")
    assert first.uuid == second.uuid == "none"
    expect(second.alert).to_be_hidden()
    assert site.events(uuid) == ["session.created", "session.ended"]
    assert site.sessions() == known


def test_t10_many_tabs_at_once_have_one_session(site: Site, context: BrowserContext) -> None:
    tabs = empty_tabs_of(context, site, TABS)
    for _ in range(ROUNDS):
        forget(tabs)
        before = site.sessions()

        shown = begin_at_once(tabs)

        assert set(shown) == {tabs[0].remembered()}
        assert site.sessions() == [*before, shown[0]]
        assert site.events(shown[0]) == ["session.created"]
        assert [tab.alert.count() for tab in tabs] == [0] * TABS


def test_t10_many_tabs_without_web_locks_agree_on_one_session(
    site: Site, new_context: Callable[..., BrowserContext]
) -> None:
    context = new_context()
    context.add_init_script(NO_LOCKS)
    tabs = empty_tabs_of(context, site, 6)
    for _ in range(ROUNDS):
        forget(tabs)

        begin_at_once(tabs)

        assert [tab.page.evaluate("navigator.locks") for tab in tabs] == [None] * len(tabs)

        uuid = tabs[0].remembered()
        assert uuid in site.sessions()
        for tab in tabs:
            tab.expect_uuid(str(uuid))
            tab.expect_known()
        assert [tab.alert.count() for tab in tabs] == [0] * len(tabs)


@pytest.fixture
def context_with_cache(browser: Browser, watch: Watch) -> Iterator[BrowserContext]:
    """Return a profile with the back-forward cache."""
    without = ["--disable-back-forward-cache"]
    with browser.browser_type.launch(**how_to_launch(), ignore_default_args=without) as other:
        context = other.new_context()
        watch.over(context)
        yield context


def test_a_page_restored_from_the_back_forward_cache_updates_itself(
    site: Site, context_with_cache: BrowserContext
) -> None:
    context = context_with_cache
    first, second = tabs_of(context, site, 2)
    old = first.begin()
    second.expect_known()
    second.page.evaluate("window.isFromCache = true")
    second.page.goto(f"{site.url}/about/")
    first.button("Start a new session").click()
    first.alert.get_by_role("button", name="Start a new session").click()
    expect(first.alert).to_be_hidden()

    second.page.go_back(wait_until="commit")

    assert second.page.evaluate("window.isFromCache"), "the browser has loaded the page anew"
    second.expect_uuid(first.uuid)
    second.expect_known()
    assert first.uuid != old
    expect(second.alert).to_be_hidden()
