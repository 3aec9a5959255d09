"""The test helpers: a misbehaving page is noticed, and a site restarts with its data."""

from datetime import timedelta

import pytest
from playwright.sync_api import Error, Page

from tests.browser.api import PageVisitor
from tests.browser.chromium import VIOLATION, Watch
from tests.browser.site import Site

pytestmark = pytest.mark.slow


def test_misbehaviour_of_a_page_is_noticed(site: Site, page: Page, watch: Watch) -> None:
    PageVisitor(page, site).open()

    with page.expect_event("pageerror"):
        page.evaluate("setTimeout(() => { throw new Error('on purpose') })")
    page.evaluate("alert('on purpose')")
    with page.expect_event("console", lambda message: message.text.startswith(VIOLATION)):
        page.evaluate("document.body.append(Object.assign(new Image(), { src: 'data:,' }))")
    with pytest.raises(Error, match="ERR_NAME_NOT_RESOLVED"):
        page.goto("http://elsewhere.invalid/")

    assert watch.take("error") == ["error on purpose"]
    assert watch.take("dialog") == ["dialog alert on purpose"]
    assert watch.take("request") == ["request http://elsewhere.invalid/"]
    assert watch.take(VIOLATION) == [f"{VIOLATION} img-src data"]
    assert len(watch.take("policy")) == 1


def test_a_site_restarts_with_its_data(site: Site, page: Page) -> None:
    visitor = PageVisitor(page, site)
    visitor.start()

    site.stop()
    site.start()

    assert visitor.current() == visitor.uuid
    assert visitor.uuid in site.sessions()
    site.age_session(visitor.uuid, timedelta(days=2))
    assert visitor.current() == "session_invalid"
    assert site.events(visitor.uuid) == ["session.created", "session.expired", "session.refused"]
