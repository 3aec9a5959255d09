"""Cross-site requests in a real browser change nothing.

From another site the cookie does not even arrive (SameSite). From a sibling,
here the same host on another port, it does, and the session's UUID may be
known: then Origin and the header that no form can send are what is left.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page, Request

from tests.browser.api import PageVisitor
from tests.browser.chromium import Watch
from tests.browser.foreign import A_SIBLING, ANOTHER_SITE, foreign_page
from tests.browser.site import Site
from tests.helpers import pdf

pytestmark = pytest.mark.slow

_FORM = """
({ url, type, value }) => {
  const form = document.createElement("form");
  Object.assign(form, { method: "post", action: url, enctype: type });
  const field = document.createElement("input");
  if (value === null) {
    const chosen = new DataTransfer();
    chosen.items.add(new File(["%PDF-1.4\\n%%EOF\\n"], "planted.pdf"));
    Object.assign(field, { type: "file", name: "file" });
    field.files = chosen.files;
  } else {
    [field.name, field.value] = value;
  }
  form.append(field);
  document.body.append(form);
  form.submit();
}
"""
_FETCH = """
async ({ url, method, mode, headers, body }) => {
  if (body === null) {
    body = new FormData();
    body.append("file", new File(["%PDF-1.4\\n%%EOF\\n"], "planted.pdf"));
  }
  const options = { method, mode, headers, body, credentials: "include" };
  return fetch(url, options).then((answer) => answer.type, () => "refused by the browser");
}
"""
_BEACON = "({ url, body }) => navigator.sendBeacon(url, body)"


@dataclass(frozen=True)
class Attack:
    """An attack of a foreign page: `script` with `arguments`, against a path of the API.

    `arrives` says whether the request itself reaches the product; otherwise
    only the browser's question does, whether it may be sent.
    """

    name: str
    script: str
    path: str
    arguments: dict[str, Any]
    arrives: bool = True


URLENCODED, PLAIN = "application/x-www-form-urlencoded", "text/plain"
MULTIPART = "multipart/form-data"
REASON = ["reason", "requested"]
# With "=" and an ignored field, text/plain becomes JSON.
JSON_BY_FORM = ['{"reason": "requested", "ignored": "', '"}']


def form(name: str, path: str, kind: str, value: list[str] | None) -> Attack:
    """Return an attack by a form; without a `value` it sends a file."""
    return Attack(name, _FORM, path, {"type": kind, "value": value})


def simple(name: str, path: str, body: str | None) -> Attack:
    """Return an attack by a simple request (no preflight); without a `body` it sends a file."""
    return Attack(
        name, _FETCH, path, {"method": "POST", "mode": "no-cors", "headers": {}, "body": body}
    )


def attack_of(name: str, path: str, method: str, body: str | None) -> Attack:
    """Return an attack by a request with the session header, which needs a preflight."""
    return Attack(
        name, _FETCH, path, {"method": method, "mode": "cors", "body": body}, arrives=False
    )


ATTACKS = [
    form("a form uploads a file", "uploads/", MULTIPART, None),
    form("a form resets", "sessions/current/reset/", URLENCODED, REASON),
    form("a form sends JSON as plain text", "sessions/current/reset/", PLAIN, JSON_BY_FORM),
    form("a form begins another session", "sessions/", URLENCODED, REASON),
    simple("a fetch resets by plain text", "sessions/current/reset/", '{"reason":"requested"}'),
    simple("a fetch uploads a file", "uploads/", None),
    simple("a fetch begins another session", "sessions/", "{}"),
    attack_of("a fetch uploads, knowing the UUID", "uploads/", "POST", None),
    attack_of("a fetch resets, knowing the UUID", "sessions/current/reset/", "POST", "{}"),
    attack_of("a fetch erases, knowing the UUID", "sessions/current/?erase=true", "DELETE", ""),
    Attack("a beacon resets", _BEACON, "sessions/current/reset/", {"body": "{}"}),
]


def state(site: Site) -> Any:
    """Return all state that an attack could change."""
    rows = site.deployment.rows("SELECT uuid, status, token_hash FROM sessions_app_usersession")
    done = [event["event_type"] for event in site.audit() if event["outcome"] != "denied"]
    return rows, done, site.deployment.statuses(), site.deployment.files()


@pytest.mark.parametrize("host", [ANOTHER_SITE, A_SIBLING], ids=["another site", "a sibling"])
def test_t07_a_foreign_page_changes_nothing(
    site: Site, context: BrowserContext, watch: Watch, host: str
) -> None:
    visitor = PageVisitor(context.new_page(), site)
    visitor.start()
    upload = visitor.upload(pdf("own"))
    before = state(site)

    with foreign_page(host) as origin:
        watch.hosts.add(urlsplit(origin).netloc)
        for attack in ATTACKS:
            page = context.new_page()
            page.goto(origin)
            if attack.arrives:
                request = attack_with(attack, page, site)
                if attack.script == _FORM:  # of other requests Playwright may not tell the cookie
                    cookie = request.all_headers().get("cookie", "")
                    assert ("maria_session=" in cookie) is (host == A_SIBLING), attack.name
            else:
                arguments = aimed(attack, site)
                arguments["headers"] = {"X-Session-UUID": visitor.uuid}
                said = page.evaluate(attack.script, arguments)
                assert said == "refused by the browser", attack.name
            assert state(site) == before, attack.name

    assert visitor.current() == visitor.uuid
    assert [file["id"] for file in visitor.call("GET", "uploads/")[1]["results"]] == [upload]


def attack_with(attack: Attack, page: Page, site: Site) -> Request:
    """Attack from this page, check that it is refused, and return the request."""
    arguments = aimed(attack, site)
    with page.expect_response(arguments["url"]) as answered:
        page.evaluate(attack.script, arguments)
    assert answered.value.status == 403, attack.name
    return answered.value.request


def aimed(attack: Attack, site: Site) -> dict[str, Any]:
    """Return the arguments of an attack on this site."""
    return {**attack.arguments, "url": f"{site.url}/api/v1/{attack.path}"}
