"""Fixtures of the tests in a real browser.

`site`         the product; `site.stop()` and `site.start()` take it down and up again, on the same
               port with the same data. All modules of a test process share it, and what they have
               stored: a test compares with what was there before. A module that wants other
               settings says `SETTINGS = {"UPLOAD_MAX_FILES": "3"}`; one that needs tasks done
               says `WORKER = True`, and gets all that `./run` starts.
`browser`      Chromium, one for each test process: its shell, which does the same with pages for
               half the work, or all of it for a module that says `WHOLE_BROWSER = True`.
`new_context`  a function that opens a profile (cookie jar and storage) of its own and passes
               Playwright's options on: `new_context(color_scheme="dark")`.
`context`, `page`  one such profile, and a tab in it.
`visit`        a visitor in `page` who is about to open the demo page (see `tests.browser.visit`).
`desk`         a staff member of the group Support, in a profile of their own (see `tests.browser.back_office`).
`demo`         has built that page; a module whose tests open it asks for it by `usefixtures`.
`watch`        what went wrong in any of the test's pages. The test fails at its end on an
               uncaught error, a policy violation, a dialog, or a request to another host than the
               site. What a test means to happen it takes out: `assert watch.take("dialog")`;
               what it means to be asked it adds: `watch.hosts.add("127.0.0.2:8000")`.

No test here may use the database of its own process (see `chromium`): it asks
`site.sessions()`, `site.events(uuid)`, `site.audit(uuid)`, and changes things by
`site.manage(…)`, `site.run(…)`, `site.revoke(uuid)`, `site.age_session(uuid, by)`.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser.back_office import BackOffice
from tests.browser.chromium import Browsers, Watch
from tests.browser.site import Site, Sites
from tests.browser.visit import Visit
from tests.maria_project.server import run_quietly
from tests.node import need_node, shell

# For tests that send many files; others stay below the limit.
ROOM = {"UPLOAD_MAX_FILES": "20"}


@pytest.fixture(scope="session")
def browsers() -> Iterator[Browsers]:
    """The browsers that the modules of this process share."""
    browsers = Browsers()
    yield browsers
    browsers.close()


@pytest.fixture(scope="session")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    """The sites that the modules of this process share."""
    sites = Sites(tmp_path_factory.mktemp("sites"))
    yield sites
    sites.close()


@pytest.fixture(scope="module")
def browser(request: pytest.FixtureRequest, browsers: Browsers) -> Iterator[Browser]:
    """Lend Chromium to the tests of one module; the whole browser if it sets WHOLE_BROWSER."""
    with browsers.lent(whole=getattr(request.module, "WHOLE_BROWSER", False)) as browser:
        yield browser


@pytest.fixture(scope="module")
def site(request: pytest.FixtureRequest, sites: Sites) -> Site:
    """Return the site with the SETTINGS and the WORKER of a module."""
    settings = {**ROOM, **getattr(request.module, "SETTINGS", {})}
    return sites.with_settings(settings, worker=getattr(request.module, "WORKER", False))


@pytest.fixture
def watch(site: Site) -> Iterator[Watch]:
    """Fail the test at its end if a page misbehaved."""
    watch = Watch({site.host})
    yield watch
    assert watch.problems == []


@pytest.fixture
def new_context(browser: Browser, watch: Watch) -> Iterator[Callable[..., BrowserContext]]:
    """Return a function that opens a watched profile; all are closed at the end of the test."""
    opened: list[BrowserContext] = []

    def open_one(**options: Any) -> BrowserContext:
        context = browser.new_context(**options)
        watch.over(context)
        opened.append(context)
        return context

    yield open_one
    for context in opened:
        context.close()


@pytest.fixture
def context(new_context: Callable[..., BrowserContext]) -> BrowserContext:
    """Return a profile without cookies or storage."""
    return new_context()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """Return a tab of `context`."""
    return context.new_page()


@pytest.fixture(scope="session")
def demo() -> None:
    """Build the demo page as `./run` does, unless it is up to date."""
    need_node()
    run_quietly(shell("front_build"))


@pytest.fixture
def visit(demo: None, page: Page, site: Site) -> Visit:
    """Return a visitor who has not opened the demo page yet."""
    return Visit(page, site)


@pytest.fixture
def back_office(new_context: Callable[..., BrowserContext], site: Site) -> BackOffice:
    """A staff member of the group Support, in a browser of their own."""
    return BackOffice(new_context().new_page(), site).sign_in("Support")
