"""Hostile values are escaped on every admin page: no script, no node, no dialog."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests import naughty
from tests.browser.back_office import BackOffice
from tests.browser.site import Site
from tests.helpers import SOAK
from tests.xss import VECTORS

pytestmark = pytest.mark.slow

SETTINGS = {"UPLOAD_MAX_FILES": "2000", "UPLOAD_MAX_TOTAL_BYTES": "2000000000"}
# Named through the door: a browser's headers, a file's name, a visitor's name, a colleague's reason.
_PLANT = """
import json
from django.contrib.auth.models import Group, User
from django.test import Client
from common import context
from sessions_app.services import sessions
from sessions_app.models import UserSession
from tests.helpers import Visitor, pdf

texts = json.loads({texts!r})
body = pdf("small")
visitor = Visitor(HTTP_HOST="localhost")
assert visitor.start().status_code == 201
user = User.objects.create_user("colleague", is_staff=True)
user.groups.add(Group.objects.get(name="Support"))
files, refused = [], 0
for text in texts:
    line = text.translate(dict.fromkeys(range(32), " "))
    visitor.defaults["HTTP_USER_AGENT"] = line
    try:
        if len(files) < 12:
            files += [found["id"]] if (found := visitor.upload(body, line + ".pdf").json()).get("id") else []
        visitor.upload(b"no pdf", line + ".pdf")
    except UnicodeEncodeError:  # no browser can send it
        continue
    visitor.identify(name=line)
    session = UserSession.objects.get(pk=visitor.uuid)
    with context.as_actor("staff:%d" % user.pk):
        sessions.extend_session(session=session, days=7, reason=line.replace("\\0", "")[:200])
answer = [visitor.uuid, files]
"""
_PWNED = "window.pwned = () => { window.hasBeenPwned = true; };"
_FOREIGN_NODES = """
() => {
  const own = (node) => (node.getAttribute("src") ?? "").startsWith("/static/");
  const made = document.querySelectorAll(
    ".hacked, #content :is(iframe, object, embed, marquee, video, audio, math, base, style, template, meta, link)");
  const loaded = [...document.querySelectorAll("#content :is(script, img)")].filter((n) => !own(n));
  const handlers = [...document.querySelectorAll("*")].filter((node) =>
    [...node.attributes].some((attribute) => attribute.name.startsWith("on")));
  return [...made, ...loaded, ...handlers].map((node) => node.outerHTML.slice(0, 200));
}
"""


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """The vectors, and every sixteenth naughty string (with SOAK=1 all)."""
    return [*VECTORS, *naughty.strings()[:: 1 if SOAK else 16]]


@pytest.fixture(scope="module")
def planted(site: Site, texts: list[str]) -> tuple[str, list[str]]:
    """Return the session that has all hostile values, and some of its files."""
    import json

    session_uuid, files = site.run(_PLANT.format(texts=json.dumps(texts)))
    return session_uuid, files


@pytest.fixture
def back_office(
    new_context: Callable[..., BrowserContext], site: Site, planted: tuple[str, list[str]]
) -> BackOffice:
    """A staff member of the group Support."""
    context = new_context()
    context.add_init_script(_PWNED)
    return BackOffice(context.new_page(), site).sign_in("Support")


def expect_only_text(page: Page) -> None:
    """Check that the page ran and created nothing; the watch checks the rest."""
    assert page.evaluate(_FOREIGN_NODES) == [], page.url
    assert not page.evaluate("window.hasBeenPwned"), page.url


def revealed(back_office: BackOffice, path: str) -> Iterator[str]:
    """Open a page masked, then revealed; yield its text each time."""
    back_office.open(path)
    expect_only_text(back_office.page)
    yield back_office.content.inner_text()
    back_office.do("Reveal", "Show them for 15 minutes")
    expect_only_text(back_office.page)
    yield back_office.content.inner_text()


def test_t66_a_sessions_whole_history_is_shown_as_text(
    back_office: BackOffice, planted: tuple[str, list[str]]
) -> None:
    session_uuid, _ = planted
    _, shown = revealed(back_office, f"sessions_app/usersession/{session_uuid}/change/")
    seen = 0
    while (older := back_office.link("Older")).count():
        seen += shown.count("onerror=pwned()")
        back_office.follow(older)
        expect_only_text(back_office.page)
        shown = back_office.content.inner_text()
    assert seen  # the vectors really stand there, as text


def test_t66_files_events_and_lists_are_shown_as_text(
    back_office: BackOffice, planted: tuple[str, list[str]]
) -> None:
    session_uuid, files = planted
    list(revealed(back_office, f"uploads_app/uploadedfile/{files[0]}/change/"))
    # The session is revealed now, so its other files show their values, too.
    for path in (
        f"uploads_app/uploadedfile/{files[1]}/change/",
        *(f"uploads_app/uploadedfile/{upload}/history/" for upload in files[:2]),
        "uploads_app/uploadedfile/",
        "sessions_app/usersession/",
        f"sessions_app/usersession/{session_uuid}/history/",
        f"sessions_app/usersession/{session_uuid}/person/",
        f"sessions_app/usersession/{session_uuid}/erase/",
        "",
        "audit_app/auditlog/",
    ):
        back_office.open(path)
        expect_only_text(back_office.page)
    events = back_office.page.locator("#result_list tbody th a")
    addresses = events.evaluate_all("links => links.slice(0, 6).map((link) => link.href)")
    assert len(addresses) == 6
    for address in addresses:
        back_office.page.goto(address)
        expect_only_text(back_office.page)


def test_t66_what_is_searched_for_is_shown_as_text(
    back_office: BackOffice, texts: list[str]
) -> None:
    for text in texts if SOAK else texts[::8]:
        if line := text.translate(dict.fromkeys(range(32), " ")).strip()[:200]:
            back_office.find(line)
            expect_only_text(back_office.page)


def test_t66_a_reason_is_requested_again_and_shown_as_text(
    back_office: BackOffice, planted: tuple[str, list[str]]
) -> None:
    session_uuid, _ = planted
    for vector in VECTORS if SOAK else VECTORS[3:40:18]:
        back_office.open(f"sessions_app/usersession/{session_uuid}/extend/")
        long = (vector * 200)[:200]
        back_office.page.get_by_label("A case is open").check()
        back_office.page.get_by_role("textbox", name="In your words").fill(long)
        back_office.page.get_by_role("button", name="Extend this session").click()
        expect(back_office.content).to_contain_text("Shorten the text")
        expect_only_text(back_office.page)
