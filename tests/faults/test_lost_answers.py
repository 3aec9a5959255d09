"""The connection is cut after the commit and before the answer: a retry loses nothing.

A real server receives the whole request and completes it, but the client never
reads the answer. The client only knows its old proof and the key of its attempt,
and retries with those. It gets the same session, file or successor, and no second one.
"""

import json
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.core import mail

from sessions_app.models import EmailCode, UserSession
from sessions_app.services.recovery import issue_recovery_code
from tests.carriers import CARRIERS, CURRENT, RECOVER, SESSIONS, Carrier, Holder, begin
from tests.helpers import events, pdf
from tests.maria_project.server import answers, environment, process, test_database, wait_for
from tests.ports import free_port
from tests.uploads_app.samples import FORM, PLENTY, UPLOADS, form, part
from tests.uploads_app.server import WAITRESS, Deployment, HttpAnswer, UploadServer, request
from uploads_app.models import UploadedFile, UploadQuota
from uploads_app.storage.keys import MARKER

pytestmark = [pytest.mark.both, pytest.mark.slow]

JSON = "application/json"
RESET = CURRENT + "reset/"
BODY = pdf("lost answer")
KEY = {"Idempotency-Key": "c0ffee00-0000-4000-8000-000000000000"}


@pytest.fixture(scope="module")
def server(
    django_db_setup: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[UploadServer]:
    """A real web server on the test's database."""
    folder, port = tmp_path_factory.mktemp("lost"), free_port()
    limits = {f"RATE_LIMIT_{name.upper()}": rates[0] for name, rates in PLENTY.items()}
    env = environment(folder, **test_database(), **limits, UPLOAD_MAX_FILES="100")
    with process([sys.executable, *WAITRESS, str(port)], env, folder / "log"):
        wait_for(lambda: answers(f"http://127.0.0.1:{port}/health/live"), what="the server")
        yield UploadServer(Deployment(folder), port)


@pytest.fixture(autouse=True)
def unclaimed(server: UploadServer) -> None:
    """Let the next test's database claim the store, although another one's rows did so before."""
    (server.deployment.data / "storage" / MARKER).unlink(missing_ok=True)


@dataclass(frozen=True)
class RepeatedCall:
    """One request of a client, sent repeatedly with the same bytes."""

    holder: Holder
    method: str
    path: str
    body: bytes
    kind: str = JSON
    has_key: bool = True

    @property
    def data(self) -> bytes:
        """The request as bytes."""
        key = KEY if self.has_key else {}
        headers = {**self.holder.headers, **key, "Content-Type": self.kind}
        return request(self.method, self.path, self.body, headers)

    def lose(self, server: UploadServer, done: Any) -> None:
        """Send the whole request, wait until it is done, and disconnect without reading the answer."""
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
            connection.sendall(self.data)
            wait_for(done, what="the commit")

    def repeat(self, server: UploadServer) -> HttpAnswer:
        """Send the request again and read the answer."""
        return server.send(self.data)


def body_of(answer: HttpAnswer) -> Any:
    return json.loads(answer.body)


def follow(holder: Holder, answer: HttpAnswer) -> Holder:
    """Return a client with the token of an answer, or the same client if it has none."""
    if holder.carrier == "bearer":
        return Holder(body_of(answer)["uuid"], body_of(answer).get("token", holder.token), "bearer")
    cookie = answer.head.partition(" maria_session=")[2].partition(";")[0]
    return Holder(body_of(answer)["uuid"], cookie or holder.token, "cookie")


def count(holder: Holder, event: str) -> int:
    return events(holder.uuid).count(event)


def assert_session_works(holder: Holder) -> None:
    """Check that the client can read and change its session."""
    current = holder.current()
    assert (current.status_code, current.json().get("uuid")) == (200, holder.uuid), current.content
    assert holder.identify(name="Grace").status_code == 200


@pytest.mark.parametrize("carrier", CARRIERS)
def test_t16_lost_answer_to_contact_data(
    committed: None, server: UploadServer, carrier: Carrier
) -> None:
    holder = begin(carrier)
    call = RepeatedCall(holder, "PATCH", CURRENT, b'{"name": "Ada", "email": "ada@example.org"}')

    call.lose(server, lambda: count(holder, "session.token_rotated"))
    again = call.repeat(server)

    assert again.status == 200, again
    assert body_of(again)["name"] == "Ada"
    assert UserSession.objects.count() == 1
    assert count(holder, "session.identified") == count(holder, "session.token_rotated") == 1
    assert_session_works(follow(holder, again))


@pytest.mark.parametrize("tries", [0, 4])
@pytest.mark.parametrize("carrier", CARRIERS)
def test_t16_lost_answer_to_the_code(
    committed: None, server: UploadServer, carrier: Carrier, tries: int
) -> None:
    """Also after the last allowed attempt: the right code is accepted again."""
    begun = begin(carrier)
    holder = begun.following(begun.identify(email="ada@example.org"))
    assert holder.ask("POST", CURRENT + "email/").status_code == 202
    digits = mail.outbox[-1].subject.split(" ")[0]
    EmailCode.objects.update(tries=tries)
    call = RepeatedCall(
        holder, "POST", CURRENT + "email/verify/", json.dumps({"code": digits}).encode()
    )

    call.lose(server, lambda: count(holder, "session.completed"))
    again = call.repeat(server)

    assert again.status == 200, again
    assert body_of(again)["identity"] == "completed"
    assert count(holder, "session.completed") == 1
    assert count(holder, "session.token_rotated") == 2  # one after the address, one after the code
    assert_session_works(follow(holder, again))


@pytest.mark.parametrize("losses", [1, 3])
@pytest.mark.parametrize("carrier", CARRIERS)
def test_t16_lost_answer_to_a_reset(
    committed: None, server: UploadServer, carrier: Carrier, losses: int
) -> None:
    holder = begin(carrier)
    call = RepeatedCall(holder, "POST", RESET, b'{"reason": "requested"}')

    for number in range(losses):
        call.lose(server, lambda n=number: len(events()) == 3 + n)  # created, created, reset, …
    again = call.repeat(server)

    assert again.status == 201, again
    successor = UserSession.objects.get(predecessor=holder.row)
    assert body_of(again)["uuid"] == str(successor.pk)
    assert body_of(again)["previous"]["uuid"] == holder.uuid
    assert UserSession.objects.count() == 2
    assert events(holder.uuid) == ["session.created", "session.reset"]
    assert events(successor.pk) == ["session.created", *["session.token_rotated"] * losses]
    new = follow(holder, again)
    assert_session_works(new)
    late = call.repeat(server)  # the successor is in use by now
    assert late.status == 401, late
    assert body_of(late)["code"] == "session_invalid"


@pytest.mark.parametrize(
    ("reason", "has_key"), [("requested", False), ("not_me", True), ("mismatch", True)]
)
def test_t90_lost_answer_to_a_reset_that_cannot_be_repeated(
    committed: None, server: UploadServer, reason: str, has_key: bool
) -> None:
    """The client learns that its session was reset, and begins a new one."""
    holder = begin("cookie")
    body = json.dumps({"reason": reason}).encode()
    call = RepeatedCall(holder, "POST", RESET, body, has_key=has_key)

    call.lose(server, lambda: len(events()) == 3)
    again = call.repeat(server)

    assert again.status == 401, again
    assert (body_of(again)["code"], body_of(again)["reason"]) == ("session_invalid", "reset")
    begun = server.send(request("POST", SESSIONS, b"{}", {**holder.headers, "Content-Type": JSON}))
    assert begun.status == 201, begun
    assert_session_works(follow(holder, begun))


@pytest.mark.parametrize("carrier", CARRIERS)
def test_t91_lost_answer_to_a_recovery(
    committed: None, server: UploadServer, carrier: Carrier
) -> None:
    holder = begin(carrier)
    typed = issue_recovery_code(session=holder.row, reason="lost the phone")
    body = json.dumps({"code": typed, "credential": carrier}).encode()
    device = Holder(holder.uuid, "", carrier)
    call = RepeatedCall(device, "POST", RECOVER, body)

    call.lose(server, lambda: count(holder, "session.recovered"))
    again = call.repeat(server)

    assert again.status == 200, again
    new = follow(device, again)
    assert (new.uuid, count(holder, "session.recovered")) == (holder.uuid, 1)
    assert_session_works(new)
    late = call.repeat(server)  # its token is in use by now
    assert late.status == 401, late
    assert body_of(late)["code"] == "recovery_invalid"


@pytest.mark.parametrize("carrier", CARRIERS)
def test_t39_lost_answer_to_an_upload(
    committed: None, server: UploadServer, carrier: Carrier
) -> None:
    holder = begin(carrier)
    call = RepeatedCall(holder, "POST", UPLOADS, form(part(BODY)), FORM)
    files = len(server.deployment.files())

    call.lose(server, lambda: count(holder, "upload.stored"))
    again = call.repeat(server)

    row = UploadedFile.objects.get()
    assert again.status == 201, again
    assert (body_of(again)["id"], row.status) == (str(row.pk), "stored")
    assert UploadQuota.objects.values_list("files", "bytes").get() == (1, len(BODY))
    assert len(server.deployment.files()) == files + 1
    assert events(holder.uuid) == ["session.created", "upload.stored"]
    assert call.repeat(server).body == again.body


@pytest.mark.parametrize("carrier", CARRIERS)
def test_t39_token_is_rotated_between_an_upload_and_its_retry(
    committed: None, server: UploadServer, carrier: Carrier
) -> None:
    """Both answers are lost, so the client still uses its first token."""
    holder = begin(carrier)
    upload = RepeatedCall(holder, "POST", UPLOADS, form(part(BODY)), FORM)
    patch = RepeatedCall(holder, "PATCH", CURRENT, b'{"name": "Ada"}')

    upload.lose(server, lambda: count(holder, "upload.stored"))
    patch.lose(server, lambda: count(holder, "session.token_rotated"))

    assert upload.repeat(server).status == 201
    assert UploadedFile.objects.count() == count(holder, "upload.stored") == 1
    assert_session_works(follow(holder, patch.repeat(server)))
