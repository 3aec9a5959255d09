"""A staff member in the admin, in one tab: sign-in, search, pages and actions."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from playwright.sync_api import Locator, Page

from tests.browser.site import Site

# Sign in without a password, because checking one is deliberately slow.
_SIGNED_IN = """
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.test import Client
user, _ = User.objects.get_or_create(username={name!r}, is_staff=True)
user.groups.add(Group.objects.get(name={group!r}))
client = Client()
client.force_login(user)
cookie = client.cookies[settings.SESSION_COOKIE_NAME]
answer = {{"name": cookie.key, "value": cookie.value}}
"""


@dataclass
class BackOffice:
    """One tab of a staff member. Elements are located by role and name."""

    page: Page
    site: Site

    def sign_in(self, group: str, name: str = "") -> "BackOffice":
        """Create an account in a group unless it exists, and sign in with it. No page is opened."""
        name = name or group.lower()
        cookie: dict[str, str] = self.site.run(_SIGNED_IN.format(name=name, group=group))
        domain = str(urlsplit(self.site.url).hostname)
        self.page.context.add_cookies(
            [{"name": cookie["name"], "value": cookie["value"], "domain": domain, "path": "/"}]
        )
        return self

    def open(self, path: str) -> None:
        """Open a page below /admin/."""
        self.page.goto(f"{self.site.url}/admin/{path}")

    def open_session(self, session_uuid: str) -> None:
        """Open a session's page."""
        self.open(f"sessions_app/usersession/{session_uuid}/change/")

    def find(self, term: str) -> None:
        """Search by the box of the page, and wait for the results or the page that they open.

        If no page is open yet, the dashboard is.
        """
        if self.page.url == "about:blank":
            self.open("")
        box = self.page.get_by_role("search").get_by_role("combobox").first
        box.fill(term)
        with self.page.expect_navigation():
            box.press("Enter")

    def do(self, title: str, button: str, reason: str = "asked for in a test") -> None:
        """Choose an action of the page, give a reason in the dialog, confirm, and wait for the answer."""
        self.choose(title)
        self.page.get_by_role("textbox", name=re.compile("reason|your words", re.I)).fill(reason)
        self.follow(self.page.get_by_role("button", name=button))

    def follow(self, element: Locator) -> None:
        """Click what leads to another page, and wait for that page: a click alone does not."""
        with self.page.expect_navigation():
            element.click()

    def choose(self, title: str) -> None:
        """Choose an action, from the menu unless it is a button."""
        wanted = self.content.get_by_role("link", name=f"{title}…", include_hidden=True)
        if not wanted.is_visible():
            self.content.locator(".case-acts .menu summary").click()
        wanted.click()

    def link(self, name: str | re.Pattern[str]) -> Locator:
        """Return a link of the page's content."""
        return self.page.locator("#content").get_by_role("link", name=name)

    @property
    def content(self) -> Locator:
        """The main content of the page."""
        return self.page.locator("#content")

    @property
    def said(self) -> Locator:
        """The messages about the last action."""
        return self.page.locator(".messagelist")
