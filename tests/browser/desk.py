"""A staff member in the admin, in one tab: signed in, finding, opening, acting with a reason."""

import re
from dataclasses import dataclass

from playwright.sync_api import Locator, Page, expect

from tests.browser.site import Site

PASSWORD = "a-long-one-for-tests"
_ACCOUNT = """
from django.contrib.auth.models import Group, User
user, made = User.objects.get_or_create(username={name!r}, is_staff=True)
if made:
    user.set_password({password!r}); user.save()
    user.groups.add(Group.objects.get(name={group!r}))
"""


@dataclass
class Desk:
    """One tab of a staff member; what is looked for is looked for by role and name."""

    page: Page
    site: Site

    def sign_in(self, group: str) -> "Desk":
        """Make an account in a group, if there is none yet, and sign in with it."""
        name = group.lower()
        self.site.run(_ACCOUNT.format(name=name, password=PASSWORD, group=group))
        self.open("login/")
        self.page.get_by_label("Username").fill(name)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Log in").click()
        expect(self.page.get_by_text(f"Welcome, {name}")).to_be_visible()
        return self

    def open(self, path: str) -> None:
        """Open a page below /admin/."""
        self.page.goto(f"{self.site.url}/admin/{path}")

    def open_session(self, session_uuid: str) -> None:
        """Open a session's page."""
        self.open(f"sessions_app/usersession/{session_uuid}/change/")

    def find(self, term: str) -> None:
        """Type into the box that every page has, and press Enter."""
        box = self.page.get_by_role("search").get_by_role("textbox").first
        box.fill(term)
        box.press("Enter")
        expect(self.page).to_have_url(re.compile("/admin/find/"))

    def do(self, title: str, button: str, reason: str = "asked for in a test") -> None:
        """Choose an action of the page, give a reason and confirm."""
        self.link(f"{title}…").click()
        self.page.get_by_role("textbox", name=re.compile("reason|your words", re.I)).fill(reason)
        self.page.get_by_role("button", name=button).click()

    def link(self, name: str | re.Pattern[str]) -> Locator:
        """Find a link of the page's content."""
        return self.page.locator("#content").get_by_role("link", name=name)

    @property
    def content(self) -> Locator:
        """What the page shows beside its frame."""
        return self.page.locator("#content")

    @property
    def said(self) -> Locator:
        """What the page says of what was just done."""
        return self.page.locator(".messagelist")
