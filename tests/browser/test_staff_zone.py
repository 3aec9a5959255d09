"""The first page after signing in uses the browser's time zone."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.site import Site

pytestmark = pytest.mark.slow

PASSWORD = "correct horse battery staple"


def test_the_browser_sends_its_zone_only_to_the_admin(
    site: Site, new_context: Callable[..., BrowserContext]
) -> None:
    site.run(
        "from django.contrib.auth.models import Group, User\n"
        f"user = User.objects.create_user('ada', is_staff=True, password={PASSWORD!r})\n"
        "user.groups.add(Group.objects.get(name='Support'))"
    )
    context = new_context(timezone_id="Asia/Tokyo")
    page = context.new_page()
    page.goto(f"{site.url}/admin/")
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
    expect(page.get_by_text("Times are in Asia/Tokyo (UTC+0900).")).to_be_visible()
    chart = page.get_by_role("figure", name="Sessions, 24 hours")
    expect(chart.get_by_role("table")).to_be_hidden()
    chart.get_by_text("Show as a table").click()
    expect(chart.get_by_role("table")).to_be_visible()
    slider, value = chart.get_by_role("slider"), chart.locator(".chart-value")
    hours = chart.get_by_role("rowheader").all_inner_texts()
    for key, hour in (("Home", hours[0]), ("ArrowRight", hours[1]), ("End", hours[-1])):
        slider.press(key)
        expect(value).to_contain_text(f"{hour}: ")
        expect(slider).to_have_attribute("aria-valuetext", re.compile(f"^{re.escape(hour)}: "))
    slider.click(position={"x": 1, "y": 40})
    expect(value).to_contain_text(f"{hours[0]}: ")
    (cookie,) = (one for one in context.cookies() if one.get("name") == "staff_zone")
    assert (cookie.get("path"), cookie.get("sameSite")) == ("/admin/", "Strict")
