"""A sibling domain plants cookies in a browser, in production behind nginx with TLS.

It sets cookies for the whole domain under names that look like ours. Which of them a
browser accepts and sends is decided by Chromium; none of them may be read as ours: not
a visitor's session, a staff session, a token against forged requests, a message or the
mark of a known browser. The planted values are genuine ones of the attacker's account,
so a name that is read as ours would have an effect.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.api import PLAIN_PAGE, PageVisitor
from tests.browser.chromium import Watch
from tests.browser.secure import HOST, secure_site
from tests.browser.site import Site
from tests.invisible import BLANK, INVISIBLE

pytestmark = pytest.mark.slow

VISITOR = "__Host-Http-maria_session"
STAFF = "__Host-maria_staff"
CSRF = "__Host-csrftoken"
MESSAGES = "__Host-messages"
KNOWN = "__Host-maria_staff_known"
TRUSTED = (VISITOR, STAFF, CSRF, MESSAGES, KNOWN)
# nginx takes 8 kB of cookies, and Chromium keeps 180 for a domain.
AT_ONCE = 24
PASSWORD = "correct horse battery"
SAID = "was added successfully"
PLANT = """
async ({ names, value, end }) => {
  for (const name of names) {
    document.cookie = `${name}=${value}; Path=/; Secure; Domain=DOMAIN${end}`;
    document.cookie = `${name}=${value}; Path=/${end}`;
    if (!end) await cookieStore.set({ name, value, domain: "DOMAIN" }).catch(() => null);
  }
}
""".replace("DOMAIN", HOST)
ADMIN = """
async () => {
  const answer = await fetch("/admin/");
  return { path: new URL(answer.url).pathname, text: await answer.text() };
}
"""
FORGE = """
async (token) => {
  const body = new URLSearchParams({ username: "x", password: "x", csrfmiddlewaretoken: token });
  return (await fetch("/admin/login/", { method: "POST", body })).status;
}
"""
# What the attacker gets from their own account: a cookie of every kind.
THEIRS = f"""
from django.contrib.auth.models import User
from django.test import Client
User.objects.create_superuser("anna", password={PASSWORD!r})
login = {{"username": "mallory", "password": {PASSWORD!r}}}
User.objects.create_superuser(**login)
client = Client(headers={{"Host": "{HOST}"}})
client.get("/admin/login/", secure=True)
client.post("/admin/login/", login, secure=True)
client.post("/admin/auth/group/add/", {{"name": "x"}}, secure=True)
client.post("/api/v1/sessions/", {{}}, content_type="application/json", secure=True)
answer = {{name: morsel.value for name, morsel in client.cookies.items()}}
"""
SIGNED_IN = f"""
from django.contrib.auth.models import User
from django.test import Client
client = Client(headers={{"Host": "{HOST}"}})
client.force_login(User.objects.get(username="anna"))
answer = client.cookies["{STAFF}"].value
"""
LOCK_OUT = f"""
from django.test import Client
client = Client(headers={{"Host": "{HOST}"}})
login = {{"username": "mallory", "password": "wrong"}}
answer = [client.post("/admin/login/", login, secure=True).status_code for _ in range(11)]
"""


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Run the product in production."""
    with secure_site(tmp_path_factory.mktemp("planted")) as site:
        yield site


@pytest.fixture(scope="module")
def theirs(secure: Site) -> dict[str, str]:
    """Genuine values of the attacker's cookies, by name."""
    values: dict[str, str] = secure.run(THEIRS)
    assert set(values) == set(TRUSTED)
    return values


@dataclass
class Browser:
    """A browser with a page of the product and one of the sibling domain."""

    context: BrowserContext
    site: Site
    ours: PageVisitor
    evil: Page

    def plant(self, names: list[str], value: str) -> int:
        """Set a value under each name, as the sibling; return how many cookies the product gets."""
        self.evil.evaluate(PLANT, {"names": names, "value": value, "end": ""})
        found = self.context.cookies(self.site.url)
        return sum(cookie["value"] == value for cookie in found)

    def remove(self, names: list[str]) -> None:
        """Remove what was planted."""
        self.evil.evaluate(PLANT, {"names": names, "value": "x", "end": "; Max-Age=0"})

    def admin(self) -> tuple[str, str]:
        """Open the admin; return where that led, and the page."""
        answer = self.ours.page.evaluate(ADMIN)
        return answer["path"], answer["text"]


@pytest.fixture
def opened(
    secure: Site, new_context: Callable[..., BrowserContext], watch: Watch
) -> Callable[[], Browser]:
    """Return a function that opens a browser."""
    sibling = secure.url.replace(HOST, f"evil.{HOST}")
    watch.hosts |= {secure.host, urlsplit(sibling).netloc}

    def open_one() -> Browser:
        context = new_context(ignore_https_errors=True)
        ours = PageVisitor(context.new_page(), secure)
        ours.open()
        evil = context.new_page()
        evil.goto(sibling + PLAIN_PAGE)
        return Browser(context, secure, ours, evil)

    return open_one


def set_cookie(browser: Browser, name: str, value: str) -> None:
    """Store a cookie as the product's own server sets it."""
    browser.context.add_cookies(
        [{"name": name, "value": value, "url": browser.site.url, "secure": True, "httpOnly": True}]
    )


def spelled(name: str) -> Iterator[list[str]]:
    """Yield names that are ours but for case or invisible characters, a few at a time."""
    around = [*INVISIBLE, *BLANK, "\ufeff", "\u200b", "\u00ad"]
    names = [name, name.lower(), name.upper(), name.removeprefix("__Host-"), f"={name}"]
    names += [f"{one}{name}" for one in around] + [f"{name}{one}" for one in around]
    names += [f"\u2000 {name}", f"\t\u3000{name}\u2028", f"__Host-\u2000{name[7:]}"]
    for start in range(0, len(names), AT_ONCE):
        yield names[start : start + AT_ONCE]


def test_t06_a_sibling_plants_no_cookie_that_is_read_as_ours(
    opened: Callable[[], Browser], theirs: dict[str, str]
) -> None:
    """Beside the victim's own cookies, and in a browser that has none."""
    victim, fresh = opened(), opened()
    victim.ours.start()
    set_cookie(victim, STAFF, victim.site.run(SIGNED_IN))
    assert "anna" in victim.admin()[1]
    planted = 0
    for name in TRUSTED:
        for names in spelled(name):
            planted += victim.plant(names, theirs[name]) + fresh.plant(names, theirs[name])

            assert victim.ours.current() == victim.ours.uuid, names
            path, page = victim.admin()
            assert (path, "anna" in page, "mallory" in page) == ("/admin/", True, False), names
            assert fresh.ours.current() == "session_required", names
            path, login = fresh.admin()
            assert path == "/admin/login/", names
            assert SAID not in page + login, names
            assert fresh.ours.page.evaluate(FORGE, theirs[CSRF]) == 403, names
            victim.remove(names)
            fresh.remove(names)
    # The browser takes many of those names from a sibling: it is the server that ignores them.
    assert planted > 100


def test_t06_a_genuine_cookie_of_the_attacker_would_have_an_effect(
    opened: Callable[[], Browser], theirs: dict[str, str]
) -> None:
    """Under its exact name, which no sibling can set: otherwise the other tests show nothing."""
    browser = opened()
    for name in (VISITOR, STAFF, MESSAGES):
        set_cookie(browser, name, theirs[name])

    assert len(browser.ours.current()) == 36
    path, page = browser.admin()
    assert (path, "mallory" in page, SAID in page) == ("/admin/", True, True)


def test_t06_a_replayed_mark_of_a_known_browser_ends_no_lockout(
    opened: Callable[[], Browser], theirs: dict[str, str]
) -> None:
    """The mark is signed, so its value is genuine; what counts is that it is not under our name."""
    browser = opened()
    assert browser.site.run(LOCK_OUT)[-1] == 429
    page = browser.ours.page
    names = list(itertools.chain.from_iterable(spelled(KNOWN)))[: 2 * AT_ONCE]
    assert browser.plant(names[:AT_ONCE], theirs[KNOWN])
    assert submitted(page) == 429

    set_cookie(browser, KNOWN, theirs[KNOWN])
    assert submitted(page) == 200
    expect(page.get_by_role("navigation").get_by_text("mallory", exact=True)).to_be_visible()


def submitted(page: Page) -> int:
    """Sign in as mallory with the right password; return the status of the page that follows."""
    page.goto(urlsplit(page.url)._replace(path="/admin/login/", query="next=/admin/").geturl())
    page.get_by_label("Username").fill("mallory")
    page.get_by_label("Password").fill(PASSWORD)
    with page.expect_navigation() as following:
        page.get_by_role("button", name="Log in").click()
    answer = following.value
    assert answer is not None
    return answer.status
