"""The cookie in a real browser: scripts cannot read it; scripts and siblings cannot replace it.

In production this is `__Host-Http-maria_session` over TLS, so the product stands
behind a proxy that speaks it, as `maria.example` and all its siblings.
"""

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.browser.api import PLAIN_PAGE, PageVisitor
from tests.browser.chromium import Watch
from tests.browser.secure import HOST, secure_site
from tests.browser.site import Site

pytestmark = pytest.mark.slow
WHOLE_BROWSER = True

FORGED = "mss1_" + "A" * 43
# The last one stays, so what deletes comes first.
SCOPES = [
    "; Path=/; Max-Age=0",
    "; Path=/; Max-Age=0; Secure",
    "",
    "; Path=/api/",
    "; Path=/api/v1/sessions/current/",
    "; Path=/; Secure; SameSite=Strict",
    "; Path=/; Secure",
    "; Path=/",
]
# One that says nothing but a name and a value, and spellings that a server could take for it.
SPELLINGS = ["{}={}", "={}={}", " {}={}", "{} ={}", "\t{}={}"]


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Run the product in production."""
    with secure_site(tmp_path_factory.mktemp("secure")) as site:
        yield site


def plant(page: Page, name: str, scopes: list[str]) -> None:
    """Try to write a forged cookie of this name from a script, in every way."""
    values = [name, name.lower(), name.upper()]
    page.evaluate(
        "cookies => { for (const cookie of cookies) document.cookie = cookie }",
        [
            spelling.format(value, FORGED) + scope
            for value in dict.fromkeys(values)
            for spelling in SPELLINGS
            for scope in scopes
        ],
    )


def test_t06_a_script_neither_reads_nor_replaces_the_cookie(site: Site, page: Page) -> None:
    visitor = PageVisitor(page, site)
    visitor.start()
    (proof,) = [cookie for cookie in page.context.cookies() if cookie["httpOnly"]]
    assert proof["name"] == "maria_session"
    assert proof["value"] not in page.evaluate("document.cookie")

    plant(page, "maria_session", SCOPES)

    # Without HTTPS no prefix keeps the planted cookie out, and of two different ones none counts.
    assert visitor.current() == "credentials_differ"
    assert proof["value"] not in page.evaluate("document.cookie")
    assert proof in page.context.cookies()


def test_t06_neither_a_script_nor_a_sibling_replaces_the_cookie_in_production(
    secure: Site, new_context: Callable[..., BrowserContext], watch: Watch
) -> None:
    sibling = secure.url.replace(HOST, f"evil.{HOST}")
    watch.hosts |= {secure.host, urlsplit(sibling).netloc}
    context = new_context(ignore_https_errors=True)
    visitor = PageVisitor(context.new_page(), secure)
    visitor.start()
    (proof,) = [cookie for cookie in context.cookies() if cookie["httpOnly"]]
    assert proof["name"] == "__Host-Http-maria_session"

    for_all = [f"{scope}; Domain={HOST}" for scope in SCOPES]
    for name in ("__Host-Http-maria_session", "maria_session"):
        plant(visitor.page, name, SCOPES + for_all)
    assert visitor.current() == visitor.uuid
    evil = context.new_page()
    evil.goto(sibling + PLAIN_PAGE)
    for name in ("__Host-Http-maria_session", "maria_session"):
        plant(evil, name, for_all)

    assert visitor.current() == visitor.uuid
    assert proof["value"] not in visitor.page.evaluate("document.cookie")
    assert proof["value"] not in evil.evaluate("document.cookie")
    assert proof in context.cookies()
    # They could set a cookie for all of the domain, so that it was the name that kept them out.
    assert f"maria_session={FORGED}" in evil.evaluate("document.cookie")


def test_t06_a_script_that_evicts_the_cookie_cannot_replace_it(
    secure: Site, new_context: Callable[..., BrowserContext], watch: Watch
) -> None:
    watch.hosts.add(secure.host)
    context = new_context(ignore_https_errors=True)
    visitor = PageVisitor(context.new_page(), secure)
    visitor.start()
    (proof,) = [cookie for cookie in context.cookies() if cookie["httpOnly"]]

    crowd = "(n) => { for (let i = 0; i < 1500; i++) document.cookie = `crowd${n}${i}=1; Path=/; Secure` }"
    for number in range(5):  # one that was just used is thrown out last
        visitor.page.evaluate(crowd, number)
        if proof not in context.cookies():
            break
    assert proof not in context.cookies(), "browsers keep only so many cookies for a site"
    plant(visitor.page, proof["name"], SCOPES)

    assert FORGED not in str(context.cookies())
