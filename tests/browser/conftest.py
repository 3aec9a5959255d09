"""Fixtures of the tests in a real browser.

`site`         the running product; `site.stop()` and `site.start()` restart it on the same port with
               the same data. All modules of a test process share it and its rows, so a test compares
               with the state before. `SETTINGS = {"UPLOAD_MAX_FILES": "3"}` in a module gives it a
               site with other settings, `WORKER = True` one with the worker.
`browser`      Chromium, one for each test process: the headless shell, or the whole browser for a
               module with `WHOLE_BROWSER = True`.
`new_context`  a function that opens a profile with its own cookies and storage. It takes the options
               of Playwright: `new_context(color_scheme="dark")`.
`context`, `page`  one such profile, and a tab in it.
`visitor`      a visitor with a session who calls the API from `page` (see `tests.browser.api`).
`visit`        a visitor in `page` who is about to open the demo page (see `tests.browser.visit`).
`back_office`  a staff member of the group Support, in a separate profile.
`demo`         builds the demo page; a module whose tests open it uses it by `usefixtures`.
`watch`        what went wrong in any page of the test. The test fails at its end after an uncaught
               error, a policy violation, a dialog, or a request to another host. A test removes what
               it expects (`assert watch.take("dialog")`) and adds hosts that it needs
               (`watch.hosts.add("127.0.0.2:8000")`).

No test here may use the database of its own process (see `chromium`). It calls
`site.sessions()`, `site.events(uuid)` and `site.audit(uuid)`, and changes rows by
`site.manage(…)`, `site.run(…)`, `site.revoke(uuid)` and `site.age_session(uuid, by)`.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.api import PageVisitor
from tests.browser.back_office import BackOffice
from tests.browser.chromium import Browsers, Watch
from tests.browser.site import Site, Sites
from tests.browser.visit import Visit
from tests.maria_project.server import run_quietly
from tests.node import need_node, shell

# A busy machine may be slow; the default of 5 s would let it decide a test.
expect.set_options(timeout=30_000)

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
def visitor(page: Page, site: Site) -> PageVisitor:
    """A visitor with a session, who uses the API without the demo page: that costs a fifth."""
    visitor = PageVisitor(page, site)
    visitor.start()
    return visitor


@pytest.fixture
def back_office(new_context: Callable[..., BrowserContext], site: Site) -> BackOffice:
    """A staff member of the group Support, in a browser of their own."""
    return BackOffice(new_context().new_page(), site).sign_in("Support")
