"""A cookie counts only under its exact name: browsers protect a prefix by the name as it was set."""

import random
from collections.abc import Iterator

import pytest
from django.conf import settings

from common.cookies import exact_cookies
from tests.invisible import BLANK, INVISIBLE
from tests.uploads_app.server import (
    WAITRESS,
    HttpAnswer,
    UploadServer,
    deployment,
    request,
    serving,
)

NAME = "maria_session"
TRUSTED = (
    "__Host-Http-maria_session", "maria_session", settings.SESSION_COOKIE_NAME,
    settings.CSRF_COOKIE_NAME, settings.MESSAGES_COOKIE_NAME, settings.KNOWN_BROWSER_COOKIE_NAME,
)  # fmt: skip


def on_the_wire(header: str) -> str:
    """Return a header as WSGI carries it: its bytes, each as one character (PEP 3333)."""
    return header.encode().decode("latin-1")


def planted_names() -> Iterator[str]:
    """Yield names that are a trusted one but for what stands before or after it."""
    pick = random.Random(85)
    for name in TRUSTED:
        for character in INVISIBLE:
            yield from (character + name, name + character, f" {character}\t{name}")
        for _ in range(2000):
            around = "".join(pick.choices(INVISIBLE, k=pick.randint(1, 4)))
            yield pick.choice((around + name, name + around, around + name + around))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UploadServer]:
    """The server of `./run`: the test client of Django does not pass the WSGI wrapper."""
    with serving(deployment(tmp_path_factory.mktemp("names") / "data"), WAITRESS) as running:
        yield running


def current(server: UploadServer, cookies: str) -> HttpAnswer:
    return server.send(request("GET", "/api/v1/sessions/current/", b"", {"Cookie": cookies}))


def two_sessions(server: UploadServer) -> tuple[str, str, str, str]:
    """Create two sessions; return the UUID and the token of each."""
    found: list[str] = []
    for _ in range(2):
        server.start_session()
        found += [server.uuid, server.cookie.partition("=")[2]]
    first, token, second, other = found
    return first, token, second, other


def test_t85_a_name_with_invisible_characters_is_not_ours() -> None:
    planted = list(planted_names())
    assert len(planted) > 12_000
    kept = [name for name in planted if exact_cookies(on_the_wire(f"{name}=x"))]
    assert [name for name in kept if name.strip(BLANK) not in TRUSTED] == []
    # Space and tab around a pair are not part of its name (RFC 6265, section 5.2).
    assert {name.strip(BLANK) for name in kept} <= set(TRUSTED)


@pytest.mark.slow
def test_t85_a_planted_cookie_neither_opens_nor_replaces_a_session(server: UploadServer) -> None:
    victim, ours, attacker, theirs = two_sessions(server)
    for character in ("\u2000", "\u00a0", "\u3000", "\u0085", "\x1f", "\x0c"):
        alone = current(server, f"{character}{NAME}={theirs}")
        assert alone.status in (400, 401), (repr(character), alone)
        beside = current(server, f"{NAME}={ours}; {character}{NAME}={theirs}")
        assert attacker.encode() not in beside.body, repr(character)
        if character.isprintable() or ord(character) > 0x7F:
            assert (beside.status, victim.encode() in beside.body) == (200, True), repr(character)


@pytest.mark.slow
def test_t85_two_different_session_cookies_are_refused(server: UploadServer) -> None:
    _, ours, _, theirs = two_sessions(server)
    both = current(server, f"{NAME}={ours}; {NAME}={theirs}")
    assert both.status == 401
    assert b"credentials_differ" in both.body
    assert current(server, f"{NAME}={ours}; {NAME}={ours}").status == 200
    assert current(server, f'a="b c"; é=1; {NAME}={ours}; d').status == 200


@pytest.mark.parametrize("name", TRUSTED[2:])
def test_t85_two_different_staff_cookies_count_as_none(name: str) -> None:
    assert exact_cookies(f"{name}=ours; x=1; {name}=other") == "x=1"
    assert exact_cookies(f"{name}=ours; {name}=ours") == f"{name}=ours; {name}=ours"


@pytest.mark.parametrize("name", TRUSTED)
def test_t85_a_foreign_cookie_does_not_remove_ours(name: str) -> None:
    header = on_the_wire(f"other; \u2000{name}=planted; {name}=ours; =empty; x=1")
    assert exact_cookies(header) == f"{name}=ours; x=1"
