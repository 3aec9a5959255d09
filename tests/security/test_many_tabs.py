"""Many tabs of one browser: one cookie, one session, and no false refusals.

Each tab does what the front end does when a page opens, over real
connections: create a session, lose the UUID, read it again, continue.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.helpers import SOAK, at_once
from tests.uploads_app.server import WAITRESS, UploadServer, deployment, request, serving

pytestmark = pytest.mark.slow

TABS = 20
ROUNDS = 50 if SOAK else 2
SESSIONS = "/api/v1/sessions/"
CURRENT = "/api/v1/sessions/current/"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UploadServer]:
    """A real waitress, started like ./run does."""
    folder = tmp_path_factory.mktemp("tabs")
    with serving(deployment(folder / "data"), WAITRESS) as running:
        yield running


def ask(server: UploadServer, method: str, path: str, uuid: str = "") -> tuple[int, Any]:
    """Send a request as a tab with this `uuid` in localStorage and the shared cookie."""
    headers = {"Cookie": server.cookie, "Content-Type": "application/json"}
    if uuid:
        headers["X-Session-UUID"] = uuid
    body = b"{}" if method == "POST" else b""
    result = server.send(request(method, path, body, headers))
    assert "Set-Cookie" not in result.head
    return result.status, json.loads(result.body)


def open_tab(server: UploadServer) -> list[tuple[int, str]]:
    """Open a page that has lost its UUID; return the status and UUID of each answer."""
    answers = [ask(server, "POST", SESSIONS), ask(server, "GET", CURRENT)]
    healed = answers[-1][1]["uuid"]
    answers += [ask(server, "GET", CURRENT, healed), ask(server, "POST", SESSIONS, healed)]
    return [(status, result["uuid"]) for status, result in answers]


def test_t10_tabs_opened_at_once_share_one_session(server: UploadServer) -> None:
    for _ in range(ROUNDS):
        server.start_session()
        before = everything(server)

        tabs = at_once(TABS, lambda _: open_tab(server))

        assert tabs == [[(200, server.uuid)] * 4] * TABS
        assert everything(server) == before


def test_t10_a_tab_with_an_older_uuid_is_refused_and_the_others_keep_working(
    server: UploadServer,
) -> None:
    older = server.uuid
    server.start_session()

    def tab(number: int) -> int:
        return ask(server, "GET", CURRENT, older if number % 4 == 0 else server.uuid)[0]

    assert at_once(TABS, tab) == [401, 200, 200, 200] * (TABS // 4)
    assert ask(server, "GET", CURRENT)[1]["uuid"] == server.uuid


def everything(server: UploadServer) -> Any:
    """Return every session and every event."""
    rows = server.deployment.rows
    return rows("SELECT uuid, status FROM sessions_app_usersession ORDER BY 1"), rows(
        "SELECT id, event_type FROM audit_app_auditlog ORDER BY 1"
    )
