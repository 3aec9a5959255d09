"""Each page of the console at 200 % zoom, in forced colours, with less motion, and by keys."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext

from tests.browser.api import PageVisitor
from tests.browser.axe import BACK_OFFICE, OF_A_VIEW, set_view, violations
from tests.browser.console_rows import EveryPage
from tests.browser.console_states import Faults
from tests.helpers import SOAK

pytestmark = pytest.mark.slow

# In `make soak` all pages.
_PAGES = () if SOAK else ("dashboard", "session-change", "session-revoke", "files")


@pytest.mark.timeout(3600 if SOAK else 300)
def test_pages_fit_the_settings_of_a_browser(
    visitor: PageVisitor, new_context: Callable[..., BrowserContext]
) -> None:
    every = EveryPage(visitor, new_context, "settings")
    page = every.back_office.page
    found: dict[tuple[str, str], list[str]] = {}
    for name in every.visit(*_PAGES):
        faults_of = Faults(page)
        found[name, "by keys"] = faults_of.by_keys()
        found[name, "zoomed"] = faults_of.zoomed()
        found[name, "zoomed, axe"] = violations(page, targets=True, only=OF_A_VIEW)
        found[name, "zoomed, by keys"] = faults_of.by_keys()
        set_view(page, BACK_OFFICE, "light")
        found[name, "without motion"] = faults_of.without_motion()
        found[name, "forced colours"] = faults_of.in_forced_colours()
        page.emulate_media(forced_colors="none", reduced_motion="no-preference")
        set_view(page, BACK_OFFICE, "light")
    faults = [
        f"{name}, {setting}: {fault}"
        for (name, setting), found_here in found.items()
        for fault in found_here
    ]
    assert "\n\n".join(faults) == ""
