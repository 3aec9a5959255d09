"""Another session's data looks like it does not exist: same status, bytes and headers."""

import re
import uuid
from typing import Any

import pytest
from django.core.cache import cache

from tests.cases import cases
from tests.helpers import Visitor, code, events, started, stored_keys, uploaded
from tests.security.routes import Route, named, state, visitor_calls
from tests.sessions_app.support import clone, expire
from uploads_app.models import UploadedFile

FILE_CALLS = [(route, method) for route, method in visitor_calls() if "%(" in route.path]
VALIDATE = "/api/v1/sessions/validate/"


def shown(response: Any, *also: str) -> tuple[Any, ...]:
    """Return what a client sees of an answer, without its request id and the given values."""
    text = b"".join(response) if response.streaming else response.content
    # The seconds until a window's end differ between two calls.
    headers = re.sub(r";t=\d+", "", str(sorted(response.items())))
    for value in (response["X-Request-ID"], *also):
        text, headers = text.replace(value.encode(), b"*"), headers.replace(value, "*")
    return response.status_code, text, headers


def ask(client: Visitor, route: Route, method: str, upload: Any) -> Any:
    cache.clear()  # a header contains the rest of the limit
    return client.generic(method, route.url(upload), **client.named)


def test_t14_the_matrix_covers_all_routes() -> None:
    assert {method for _, method in FILE_CALLS} == {"GET", "HEAD", "POST", "DELETE"}
    assert len(FILE_CALLS) >= 6


@cases(("route", "method"), FILE_CALLS, ids=named)
@cases("file", ["stored", "deleted"])
def test_t14_two_sessions_matrix(visitor: Visitor, route: Route, method: str, file: str) -> None:
    upload = uploaded(visitor)
    other = started()
    uploaded(other)
    if file == "deleted":
        assert visitor.delete_upload(str(upload.pk)).status_code == 204
    before, objects, logged = state(), stored_keys(), len(events())

    theirs = ask(other, route, method, upload)
    unknown = ask(other, route, method, uuid.uuid4())

    assert theirs.status_code == 404
    if method != "HEAD":
        assert code(theirs) == "not_found"
    assert shown(theirs, str(upload.pk)) == shown(unknown)
    assert (state(), stored_keys(), len(events())) == (before, objects, logged)


@cases(("route", "method"), FILE_CALLS, ids=named)
@cases("who", ["nobody", "stranger", "expired owner", "ended owner"])
def test_t14_no_one_else_reads_or_deletes_a_file(
    visitor: Visitor, route: Route, method: str, who: str
) -> None:
    upload = uploaded(visitor)
    client = clone(visitor)
    if who == "nobody":
        client.cookies.clear()
    elif who == "stranger":
        client.cookies["maria_session"] = "mss1_" + "A" * 43
    elif who == "expired owner":
        expire(visitor)
        client.current()
    else:
        visitor.end()
    before, objects = state(), stored_keys()

    own = ask(client, route, method, upload)
    unknown = ask(client, route, method, uuid.uuid4())

    assert own.status_code == 401
    assert shown(own, str(upload.pk)) == shown(unknown)
    assert (state(), stored_keys()) == (before, objects)


@pytest.mark.both
def test_t14_lists_contain_only_the_sessions_own_files(visitor: Visitor) -> None:
    other = started()
    mine, _ = uploaded(visitor), uploaded(other)

    listed = visitor.get("/api/v1/uploads/").json()["results"]

    assert [item["id"] for item in listed] == [str(mine.pk)]


def test_t14_the_owner_is_accepted_everywhere(visitor: Visitor) -> None:
    upload = uploaded(visitor)
    UploadedFile.objects.update(direct=True)  # only a direct upload can be completed

    statuses = {
        (method, route.path): ask(visitor, route, method, upload).status_code
        for route, method in sorted(FILE_CALLS, key=lambda call: call[1] == "DELETE")
    }

    assert set(statuses.values()) == {200, 204}


def test_t12_validation_does_not_reveal_sessions(visitor: Visitor) -> None:
    live, dead, random = started(), started(), str(uuid.uuid4())
    dead.end()

    for client in (Visitor(), visitor):
        answers = set()
        for name in (live.uuid, dead.uuid, random):
            cache.clear()
            response = client.post(VALIDATE, {"uuid": name}, content_type="application/json")
            answers.add(shown(response, name))
        assert len(answers) == 1


def test_t12_an_unknown_address_resembles_a_file_of_somebody_else(visitor: Visitor) -> None:
    upload = uploaded(started())
    theirs = visitor.get(f"/api/v1/uploads/{upload.pk}/")
    nowhere = visitor.get("/api/v1/uploads/not-even-an-id/")

    assert (theirs.status_code, nowhere.status_code) == (404, 404)
    assert theirs.content.replace(theirs["X-Request-ID"].encode(), b"*") == nowhere.content.replace(
        nowhere["X-Request-ID"].encode(), b"*"
    )
