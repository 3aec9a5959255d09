"""docs/api.md's table, row by row: each good answer, each refusal, by each way of proof.

The rows, statuses and codes are read from the page. For each (row, outcome) a
recipe below says how it is brought about; a row or code without a recipe
fails, and so does a recipe for something that the page does not say. What
every row shares has one recipe for all.
"""

import json
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.conf import settings as project
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from django.utils import timezone

from audit_app.models import AuditLog, AuditPersonal
from common.groups import AUDITOR
from sessions_app.models import (
    Consent,
    EmailCode,
    RecoveryCode,
    RetiredToken,
    Scope,
    ServiceKey,
    UserSession,
)
from sessions_app.services.recovery import issue_recovery_code
from tests.cases import cases, copied
from tests.helpers import (
    BearerVisitor,
    Service,
    Visitor,
    code,
    made_key,
    mailed_code,
    pdf,
    started,
    store_root,
    stored_keys,
    uploaded,
)
from tests.postgres import free_port
from tests.uploads_app.direct_support import arrive, offer_forms
from uploads_app.models import StoreState, UploadedFile, UploadQuota, UploadStatus
from uploads_app.storage.base import object_store
from uploads_app.storage.keys import incoming_key

PAGE = (Path(project.BASE_DIR) / "docs" / "api.md").read_text()
UNKNOWN = "mss1_" + "A" * 43
EMAIL = "anna@example.com"


@dataclass(frozen=True)
class ContractRow:
    """One line of the table: `POST sessions/`, who is let in, what is answered."""

    endpoint: str
    proof: str
    good: dict[int, str]  # status -> what is said of it
    refusals: list[str]

    @property
    def verb(self) -> str:
        return self.endpoint.split()[0]

    @property
    def path(self) -> str:
        return self.endpoint.split()[1]

    @property
    def ways(self) -> list[str]:
        """How a client may come: for visitors both carriers, also where no proof is wanted."""
        if self.proof.startswith("service key"):
            return ["service"]
        return ["staff"] if self.proof == "staff" else ["cookie", "bearer"]

    @property
    def scope(self) -> str:
        return self.proof.split("`")[1]

    def general(self, way: str) -> Iterator[str]:
        """Yield the codes that the page promises for every row like this one."""
        changes = self.verb != "GET"
        if way != "staff":  # staff are few and signed in: the audit log has no limit
            yield from GENERAL["everywhere"]
        if self.proof.startswith("session"):
            yield from GENERAL["wherever a session must be proven"]
        if way == "service":
            yield from GENERAL["wherever a service key is wanted"]
        elif way != "staff" and changes:
            always, by_cookie = GENERAL["on every change by a visitor"]
            yield always
            if way == "cookie" and self.proof.startswith("session"):
                yield by_cookie


def section(title: str) -> str:
    """Return the text of one section of the page."""
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def cells(text: str) -> list[list[str]]:
    """Return the body of the first table in a text."""
    lines = [line for line in text.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def codes(text: str) -> list[str]:
    """Return what stands in backticks and is a code."""
    return re.findall(r"`([a-z_]+)`", text)


def good_answers(cell: str) -> dict[int, str]:
    """Read `201 this; 200 that` as what is said of each status."""
    parts = re.split(r"(?:^|; )(2\d\d)\b", cell)[1:]
    return {int(status): said for status, said in zip(parts[::2], parts[1::2], strict=True)}


ROWS = [
    ContractRow(endpoint.strip("`"), proof, good_answers(good), codes(refusals))
    for endpoint, proof, good, refusals in cells(section("Endpoints"))
]
# "everywhere: `rate_limited`; wherever …: `session_required`, …" as a mapping.
GENERAL = {
    where.removeprefix("Beside them, ").strip(): codes(names)
    for where, names in re.findall(
        r"(Beside them, everywhere|(?:wherever|on every)[^:;`]*):([^;.]*)", section("Endpoints")
    )
}
STATUS = {name.strip("`"): int(status) for name, status, _ in cells(section("Error codes"))}


@dataclass(frozen=True)
class ContractCall:
    """A request that is ready to be sent."""

    client: Client
    verb: str
    path: str
    body: bytes = b"{}"
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)

    def send(self) -> Any:
        self.client.raise_request_exception = False  # a 503 is an answer too
        data = b"" if self.verb == "GET" else self.body
        return self.client.generic(
            self.verb, f"/api/v1/{self.path}", data, self.content_type, headers=self.headers
        )


class Start:
    """What every case starts from: a visitor who holds one file."""

    def __init__(self, kind: type[Visitor]) -> None:
        self._visitor = started(kind)
        self.upload = uploaded(self._visitor)
        self._object = store_root() / self.upload.key
        self._bytes = self._object.read_bytes()

    def visitor(self) -> Visitor:
        """Return a client of the session; its object is there, whatever the case before did."""
        self._object.parent.mkdir(parents=True, exist_ok=True)
        self._object.write_bytes(self._bytes)
        return copied(self._visitor)


@dataclass
class ContractScenario:
    """A visitor who holds one file, and who comes to one row of the table in one way."""

    row: ContractRow
    way: str
    settings: Any
    make_staff: Callable[..., Client]
    visitor: Visitor
    upload: UploadedFile

    def newcomer(self) -> Visitor:
        """Return a client of the same kind that has not been here before."""
        return type(self.visitor)()

    def call(self, query: str = "", client: Client | None = None, **body: Any) -> ContractCall:
        """Return the row's request for what there is, with the proof that the row wants."""
        event = AuditLog.objects.order_by("id")[0]
        names = {"id": event.pk if self.way == "staff" else self.upload.pk}
        headers = {"X-Session-UUID": self.visitor.uuid} if self._is_named else {}
        return ContractCall(
            client=client or self._client(),
            verb=self.row.verb,
            path=self.row.path.format(uuid=self.visitor.uuid, **names) + query,
            body=json.dumps(body).encode(),
            headers=headers,
        )

    def send_file(self, *parts: tuple[str, bytes], **headers: str) -> ContractCall:
        """Return the request that uploads files, each of a name and bytes."""
        fields = {"file": [SimpleUploadedFile(name, body) for name, body in parts]}
        call = self.call()
        return replace(
            call,
            body=encode_multipart(BOUNDARY, fields),
            content_type=MULTIPART_CONTENT,
            headers={**call.headers, **headers},
        )

    def elsewhere(self) -> ContractCall:
        """Return the row's request for something that does not exist."""
        self.upload = UploadedFile(id=uuid.uuid4())
        return self.call()

    @property
    def _is_named(self) -> bool:
        changes = self.row.verb != "GET"
        return self.way == "cookie" and changes and self.row.proof.startswith("session")

    def _client(self) -> Client:
        match self.way:
            case "service":
                return Service(made_key(self.row.scope))
            case "staff":
                return self.make_staff(AUDITOR)
        return self.visitor


Recipe = Callable[[ContractScenario], ContractCall]
OWN: dict[tuple[str, str], Recipe] = {}
SHARED: dict[str, Recipe] = {}


def own(endpoint: str, outcome: object) -> Callable[[Recipe], Recipe]:
    """Register how one row comes to one outcome: a status, or the code of a refusal."""

    def register(recipe: Recipe) -> Recipe:
        OWN[endpoint, str(outcome)] = recipe
        return recipe

    return register


def shared(recipe: Recipe) -> Recipe:
    """Register how any row comes to the refusal that the recipe is named after."""
    SHARED[recipe.__name__] = recipe
    return recipe


def good_call(world: ContractScenario) -> ContractCall:
    """Prepare a row's good answer, the last if there are several."""
    return OWN[world.row.endpoint, str(list(world.row.good)[-1])](world)


def give_address(world: ContractScenario) -> None:
    """Let the visitor name an e-mail address, and use the new token that this gives."""
    world.visitor.identify(email=EMAIL)
    assert world.visitor.current().status_code == 200


# Good answers -----------------------------------------------------------------


for _endpoint, _status in [
    ("POST sessions/", 200),
    ("GET sessions/current/", 200),
    ("DELETE sessions/current/", 204),
    ("POST sessions/current/reset/", 201),
    ("GET sessions/current/export/", 200),
    ("GET sessions/current/activity/", 200),
    ("POST sessions/current/assertion/", 200),
    ("GET uploads/", 200),
    ("GET uploads/{id}/", 200),
    ("DELETE uploads/{id}/", 204),
    ("GET uploads/{id}/download/", 200),
    ("POST uploads/{id}/link/", 200),
    ("GET service/sessions/{uuid}/uploads/", 200),
    ("GET service/sessions/{uuid}/uploads/{id}/download/", 200),
    ("GET service/events/", 200),
    ("GET audit-logs/", 200),
    ("GET audit-logs/{id}/", 200),
]:
    own(_endpoint, _status)(ContractScenario.call)


@own("POST sessions/", 201)
def begin(world: ContractScenario) -> ContractCall:
    return world.call(client=world.newcomer(), credential=world.visitor.carrier)


@own("POST sessions/validate/", 200)
def validate(world: ContractScenario) -> ContractCall:
    return world.call(uuid=str(uuid.uuid4()))


@own("POST sessions/recover/", 200)
def recover(world: ContractScenario) -> ContractCall:
    recovery_code = issue_recovery_code(session=world.visitor.row, reason="lost device")
    return world.call(client=world.newcomer(), code=recovery_code, credential=world.visitor.carrier)


@own("PATCH sessions/current/", 200)
def identify(world: ContractScenario) -> ContractCall:
    return world.call(name="Anna", email=EMAIL, consent={})


@own("POST sessions/current/email/", 202)
def ask_for_code(world: ContractScenario) -> ContractCall:
    give_address(world)
    return world.call()


@own("POST sessions/current/email/verify/", 200)
def verify(world: ContractScenario) -> ContractCall:
    give_address(world)
    world.visitor.ask_for_code()
    return world.call(code=mailed_code())


@own("POST uploads/", 201)
def upload(world: ContractScenario) -> ContractCall:
    return world.send_file(("a.pdf", pdf("another")))


@own("POST uploads/direct/", 201)
def announce(world: ContractScenario) -> ContractCall:
    return world.call(name="a.pdf", size=1000, content_type="application/pdf")


@own("POST uploads/{id}/complete/", 200)
def complete(world: ContractScenario) -> ContractCall:
    world.upload = arrive(world.visitor, pdf("another"))
    return world.call()


@own("POST service/sessions/introspect/", 200)
def introspect(world: ContractScenario) -> ContractCall:
    return world.call(assertion=world.visitor.assertion())


# Refusals of one row ------------------------------------------------------------


@own("POST sessions/", "invalid_input")
def begin_otherwise(world: ContractScenario) -> ContractCall:
    return world.call(client=world.newcomer(), credential="letter")


@own("POST sessions/validate/", "uuid_malformed")
def validate_malformed(world: ContractScenario) -> ContractCall:
    return world.call(uuid=world.visitor.uuid.upper())


@own("POST sessions/recover/", "recovery_invalid")
def recover_with_a_wrong_code(world: ContractScenario) -> ContractCall:
    issue_recovery_code(session=world.visitor.row, reason="lost device")
    return world.call(client=world.newcomer(), code="0000-0000-0000")


@own("PATCH sessions/current/", "invalid_input")
def identify_badly(world: ContractScenario) -> ContractCall:
    return world.call(name="Anna", email="no address")


@own("DELETE sessions/current/", "invalid_input")
def end_unclearly(world: ContractScenario) -> ContractCall:
    return world.call("?erase=perhaps")


@own("POST sessions/current/email/", "email_missing")
def ask_for_code_without_address(world: ContractScenario) -> ContractCall:
    return world.call()


@own("POST sessions/current/email/", "mail_unavailable")
def ask_for_code_without_mail(world: ContractScenario) -> ContractCall:
    give_address(world)
    world.settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    world.settings.EMAIL_HOST, world.settings.EMAIL_PORT = "127.0.0.1", free_port()
    return world.call()


@own("POST sessions/current/email/verify/", "code_wrong")
def verify_wrongly(world: ContractScenario) -> ContractCall:
    good = verify(world)
    digits = str(json.loads(good.body)["code"])
    return world.call(code=digits[:-1] + str((int(digits[-1]) + 1) % 10))


@own("POST sessions/current/email/verify/", "code_expired")
def verify_too_late(world: ContractScenario) -> ContractCall:
    good = verify(world)
    EmailCode.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    return good


@own("POST sessions/current/email/verify/", "invalid_input")
def verify_badly(world: ContractScenario) -> ContractCall:
    verify(world)
    return world.call(code="12345")


@own("POST sessions/current/reset/", "invalid_input")
def reset_badly(world: ContractScenario) -> ContractCall:
    return world.call(reason="because")


@own("GET sessions/current/activity/", "not_found")
@own("GET uploads/", "not_found")
def turn_to_no_page(world: ContractScenario) -> ContractCall:
    return world.call("?cursor=x")


@own("POST uploads/", "file_missing")
def upload_nothing(world: ContractScenario) -> ContractCall:
    return world.send_file()


@own("POST uploads/", "file_empty")
def upload_empty(world: ContractScenario) -> ContractCall:
    return world.send_file(("a.pdf", b""))


@own("POST uploads/", "file_too_large")
def upload_too_much(world: ContractScenario) -> ContractCall:
    world.settings.UPLOAD_MAX_BYTES = len(pdf()) - 1
    return world.send_file(("a.pdf", pdf()))


@own("POST uploads/", "type_not_allowed")
def upload_text(world: ContractScenario) -> ContractCall:
    return world.send_file(("a.pdf", b"no pdf"))


@own("POST uploads/", "quota_exceeded")
def upload_one_too_many(world: ContractScenario) -> ContractCall:
    world.settings.UPLOAD_MAX_FILES = 1
    return upload(world)


@own("POST uploads/", "idempotency_key_malformed")
def upload_with_a_bad_key(world: ContractScenario) -> ContractCall:
    return world.send_file(("a.pdf", pdf()), **{"Idempotency-Key": "two words"})


@own("POST uploads/", "idempotency_key_reused")
def upload_another_with_the_same_key(world: ContractScenario) -> ContractCall:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    assert world.send_file(("a.pdf", pdf("first")), **key).send().status_code == 201
    return world.send_file(("a.pdf", pdf("second")), **key)


@own("POST uploads/", "upload_in_progress")
def upload_while_the_first_is_running(world: ContractScenario) -> ContractCall:
    again = world.send_file(("a.pdf", pdf("first")), **{"Idempotency-Key": str(uuid.uuid4())})
    first = again.send().json()["id"]
    lease = timezone.now() + project.UPLOAD_LEASE
    UploadedFile.objects.filter(pk=first).update(
        status=UploadStatus.PENDING, lease_expires_at=lease
    )
    return again


@own("POST uploads/", "length_required")
def upload_of_unsaid_length(world: ContractScenario) -> ContractCall:
    return replace(upload(world), body=b"")  # the test client then says no length


@own("POST uploads/direct/", "invalid_input")
def announce_no_size(world: ContractScenario) -> ContractCall:
    return world.call(name="a.pdf")


@own("POST uploads/direct/", "file_empty")
def announce_nothing(world: ContractScenario) -> ContractCall:
    return world.call(name="a.pdf", size=0)


@own("POST uploads/direct/", "file_too_large")
def announce_too_much(world: ContractScenario) -> ContractCall:
    return world.call(name="a.pdf", size=project.UPLOAD_MAX_BYTES + 1)


@own("POST uploads/direct/", "type_not_allowed")
def announce_another_type(world: ContractScenario) -> ContractCall:
    return world.call(name="a.exe", size=1000)


@own("POST uploads/direct/", "quota_exceeded")
def announce_one_too_many(world: ContractScenario) -> ContractCall:
    world.settings.UPLOAD_MAX_FILES = 1
    return announce(world)


@own("POST uploads/direct/", "idempotency_key_malformed")
def announce_with_a_bad_key(world: ContractScenario) -> ContractCall:
    call = announce(world)
    return replace(call, headers={**call.headers, "Idempotency-Key": "two words"})


@own("POST uploads/direct/", "idempotency_key_reused")
def announce_another_with_the_same_key(world: ContractScenario) -> ContractCall:
    call = announce(world)
    call = replace(call, headers={**call.headers, "Idempotency-Key": str(uuid.uuid4())})
    assert call.send().status_code == 201
    return replace(call, body=json.dumps({"name": "b.pdf", "size": 1000}).encode())


@own("POST uploads/direct/", "direct_upload_unavailable")
def announce_where_it_is_off(world: ContractScenario) -> ContractCall:
    world.settings.DIRECT_UPLOADS = False
    return announce(world)


@own("POST uploads/direct/", "storage_unavailable")
def announce_while_the_store_is_away(world: ContractScenario) -> ContractCall:
    StoreState.objects.all().delete()  # so that it is asked whose it is
    return storage_unavailable(world)


@own("POST uploads/{id}/complete/", "upload_incomplete")
def complete_too_early(world: ContractScenario) -> ContractCall:
    world.upload = arrive(world.visitor, pdf())
    object_store().delete(incoming_key(world.upload.key))
    return world.call()


@own("POST uploads/{id}/complete/", "type_not_allowed")
def complete_text(world: ContractScenario) -> ContractCall:
    world.upload = arrive(world.visitor, b"no pdf")
    return world.call()


@own("POST uploads/{id}/complete/", "content_mismatch")
def complete_something_longer(world: ContractScenario) -> ContractCall:
    world.upload = arrive(world.visitor, pdf(), len(pdf()) - 1)
    return world.call()


@own("POST uploads/{id}/complete/", "not_found")
def complete_what_somebody_else_has_sent(world: ContractScenario) -> ContractCall:
    world.upload = arrive(started(), pdf())
    return world.call()


@own("GET uploads/{id}/", "not_found")
@own("DELETE uploads/{id}/", "not_found")
@own("GET uploads/{id}/download/", "not_found")
@own("POST uploads/{id}/link/", "not_found")
@own("GET service/sessions/{uuid}/uploads/{id}/download/", "not_found")
def ask_for_a_file_of_somebody_else(world: ContractScenario) -> ContractCall:
    mine, world.upload = world.upload, uploaded(started())
    assert world.upload != mine
    return world.call()


@own("GET service/sessions/{uuid}/uploads/", "not_found")
def ask_for_the_files_of_an_ended_session(world: ContractScenario) -> ContractCall:
    world.visitor.end()
    return world.call()


@own("GET uploads/{id}/download/", "object_missing")
@own("GET service/sessions/{uuid}/uploads/{id}/download/", "object_missing")
def download_what_is_removed(world: ContractScenario) -> ContractCall:
    (store_root() / world.upload.key).unlink()
    return world.call()


@own("GET uploads/{id}/download/", "file_held_back")
@own("POST uploads/{id}/link/", "file_held_back")
@own("GET service/sessions/{uuid}/uploads/{id}/download/", "file_held_back")
def download_what_no_one_has_inspected(world: ContractScenario) -> ContractCall:
    world.settings.HOLD_DOWNLOADS = "until_inspected"
    return world.call()


@own("GET uploads/{id}/download/", "link_invalid")
def download_by_the_link_of_another_file(world: ContractScenario) -> ContractCall:
    link = world.visitor.link(str(world.upload.pk)).json()["url"].partition("?")[2]
    world.upload = uploaded(world.visitor, pdf("another"))
    return world.call(f"?{link}", client=Client())


@own("GET service/events/", "invalid_input")
def read_the_feed_from_nowhere(world: ContractScenario) -> ContractCall:
    return world.call("?after=yesterday")


@own("POST service/sessions/introspect/", "invalid_input")
def introspect_nothing(world: ContractScenario) -> ContractCall:
    return world.call()


@own("GET audit-logs/{id}/", "not_found")
def read_an_event_that_never_was(world: ContractScenario) -> ContractCall:
    return replace(world.call(), path="audit-logs/999999999/")


# Refusals that several rows share -------------------------------------------------


@shared
def rate_limited(world: ContractScenario) -> ContractCall:
    call = good_call(world)
    world.settings.RATE_LIMITS = {name: ["1/d"] for name in project.RATE_LIMITS}
    # Counts against the same limit and does nothing: an unreadable body, a look in place of a change.
    spent = replace(call, body=b"{", verb="GET" if call.verb == "DELETE" else call.verb)
    assert spent.send().status_code in (200, 202, 400, 415)
    return call


@shared
def session_required(world: ContractScenario) -> ContractCall:
    return replace(good_call(world), client=world.newcomer())


@shared
def session_invalid(world: ContractScenario) -> ContractCall:
    stranger = world.newcomer()
    stranger.token = UNKNOWN
    return replace(good_call(world), client=stranger)


@shared
def session_mismatch(world: ContractScenario) -> ContractCall:
    return replace(good_call(world), headers={"X-Session-UUID": started().uuid})


@shared
def credentials_differ(world: ContractScenario) -> ContractCall:
    """Send the good proof and beside it, in the other way, a different one."""
    call = good_call(world)
    client: Visitor = world.visitor
    if world.way == "bearer":
        client.cookies["maria_session"] = UNKNOWN
        return replace(call, client=client)
    headers = {**call.headers, "Authorization": f"Bearer {UNKNOWN}"}
    return replace(call, client=client, headers=headers)


@shared
def origin_not_allowed(world: ContractScenario) -> ContractCall:
    call = good_call(world)
    return replace(call, headers={**call.headers, "Origin": "https://evil.example"})


@shared
def session_header_required(world: ContractScenario) -> ContractCall:
    return replace(good_call(world), headers={})


@shared
def storage_unavailable(world: ContractScenario) -> ContractCall:
    call = good_call(world)
    in_its_place = store_root().with_name("no-folder")
    in_its_place.write_text("")
    uploads = {**world.settings.STORAGES["uploads"], "OPTIONS": {"location": in_its_place}}
    world.settings.STORAGES = {**world.settings.STORAGES, "uploads": uploads}
    return call


@shared
def service_key_required(world: ContractScenario) -> ContractCall:
    return replace(good_call(world), client=Client())


@shared
def service_key_invalid(world: ContractScenario) -> ContractCall:
    return replace(good_call(world), client=Service("msk1_" + "A" * 43))


@shared
def scope_missing(world: ContractScenario) -> ContractCall:
    others = set(Scope.values) - {world.row.scope}
    return replace(good_call(world), client=Service(made_key(*others, name="another")))


@shared
def not_authenticated(world: ContractScenario) -> ContractCall:
    return replace(good_call(world), client=Client())


@shared
def permission_denied(world: ContractScenario) -> ContractCall:
    return replace(good_call(world), client=world.make_staff())


# The tests ------------------------------------------------------------------------


def state() -> list[Any]:
    """Return every row and object there is but the log; uses and tries are counted on purpose."""
    models = (UserSession, Consent, RecoveryCode, RetiredToken, UploadQuota)
    # An upload that storage did not take stays as the record of an attempt, and holds nothing.
    uploads = UploadedFile.objects.exclude(status=UploadStatus.LAPSED)
    return [
        list(uploads.order_by("pk").values()),
        *(list(model._base_manager.order_by("pk").values()) for model in models),
        list(EmailCode.objects.values("session", "code_hash", "sent_at", "expires_at")),
        list(ServiceKey.objects.order_by("pk").values("pk", "key_hash", "scopes", "revoked_at")),
        stored_keys(),
    ]


GOOD = [(row, way, status) for row in ROWS for way in row.ways for status in row.good]
REFUSED = [
    (row, way, refusal)
    for row in ROWS
    for way in row.ways
    for refusal in dict.fromkeys([*row.refusals, *row.general(way)])
]


def refused(*, again: bool) -> Iterator[tuple[ContractRow, str, str]]:
    """Yield one part of REFUSED: what several rows share, again in each row after the first."""
    seen: set[tuple[str, str]] = set()
    for row, way, refusal in REFUSED:
        if ((row.endpoint, refusal) not in OWN and (way, refusal) in seen) is again:
            yield row, way, refusal
        seen.add((way, refusal))


# What has arrived is looked at only then, and its row says how that ended.
REJECTING = [
    ("POST uploads/{id}/complete/", "type_not_allowed"),
    ("POST uploads/{id}/complete/", "content_mismatch"),
]


def shown(value: Any) -> str:
    return value.endpoint if isinstance(value, ContractRow) else str(value)


@pytest.fixture
def starts(db: None, settings: Any) -> dict[str, Start]:
    """What the cases of each way start from; the clock stands still."""
    offer_forms(settings)
    cookie, bearer = Start(Visitor), Start(BearerVisitor)
    return {"cookie": cookie, "bearer": bearer, "service": cookie, "staff": cookie}


@pytest.fixture(autouse=True)
def clock() -> Iterator[None]:
    """Let no window of a limit and no minute of a touch end while a test counts."""
    with time_machine.travel(timezone.now(), tick=False):
        yield


def test_the_page_and_the_recipes_name_the_same_things() -> None:
    promised = {(row.endpoint, str(status)) for row in ROWS for status in row.good} | {
        (row.endpoint, refusal) for row in ROWS for refusal in row.refusals
    }
    everywhere = {refusal for names in GENERAL.values() for refusal in names}
    by_all = {refusal for endpoint, refusal in promised if (endpoint, refusal) not in OWN}

    assert len(ROWS) > 20
    assert len(GENERAL) == 4
    assert set(OWN) - promised == set(), "recipes for what the page does not say"
    assert (by_all | everywhere) == set(SHARED), "codes without a recipe, or the other way round"
    assert {refusal for *_, refusal in REFUSED} <= set(STATUS)


@pytest.mark.both
@cases(("row", "way", "status"), GOOD, ids=shown)
def test_each_good_answer_is_as_the_page_says(
    starts: dict[str, Start],
    settings: Any,
    make_staff: Any,
    *,
    row: ContractRow,
    way: str,
    status: int,
) -> None:
    start = starts[way]
    world = ContractScenario(row, way, settings, make_staff, start.visitor(), start.upload)
    call = OWN[row.endpoint, str(status)](world)

    response = call.send()

    assert response.status_code == status, response.content
    text = (b"".join(response) if response.streaming else response.content).decode("latin-1")
    named = codes(row.good[status])
    assert [name for name in named if f'"{name}"' not in text] == []
    if "token" in row.good[status]:
        by_cookie, in_body = "maria_session" in response.cookies, "token" in response.json()
        assert (by_cookie, in_body) == (way == "cookie", way == "bearer")


@pytest.mark.both
@cases(("row", "way", "refusal"), list(refused(again=False)), ids=shown)
def test_each_refusal_is_as_the_page_says_and_changes_nothing(
    starts: dict[str, Start],
    settings: Any,
    make_staff: Any,
    *,
    row: ContractRow,
    way: str,
    refusal: str,
) -> None:
    start = starts[way]
    assert_refused(
        ContractScenario(row, way, settings, make_staff, start.visitor(), start.upload), refusal
    )


@cases(("row", "way", "refusal"), list(refused(again=True)), ids=shown)
def test_each_refusal_that_rows_share_is_the_same_in_every_row(
    starts: dict[str, Start],
    settings: Any,
    make_staff: Any,
    *,
    row: ContractRow,
    way: str,
    refusal: str,
) -> None:
    start = starts[way]
    assert_refused(
        ContractScenario(row, way, settings, make_staff, start.visitor(), start.upload), refusal
    )


def assert_refused(world: ContractScenario, refusal: str) -> None:
    """Check that a call is refused as the page says, and changes nothing."""
    row = world.row
    call = (OWN.get((row.endpoint, refusal)) or SHARED[refusal])(world)
    before, personal = state(), AuditPersonal.objects.count()
    newest = AuditLog.objects.latest("id").pk

    response = call.send()

    assert (response.status_code, code(response)) == (STATUS[refusal], refusal)
    assert not response.cookies
    if (row.endpoint, refusal) in REJECTING:
        rows = zip(state(), before, strict=True)
        changed = [values for now, then in rows for values in now if values not in then]
        assert changed == [
            UploadedFile.objects.values().get(status=UploadStatus.REJECTED),
            UploadQuota.objects.values().get(
                session=UploadedFile.objects.get(status=UploadStatus.REJECTED).session
            ),
        ]
    else:
        assert state() == before
    written = AuditLog.objects.filter(pk__gt=newest)
    assert all(
        event.outcome == "denied" or event.event_type == "upload.lapsed" for event in written
    )
    assert len(written) <= 1
    assert AuditPersonal.objects.count() - personal <= 1


@pytest.mark.both
def test_a_short_link_is_a_proof_for_its_file_alone(db: None) -> None:
    visitor = started(BearerVisitor)
    body = pdf("mine")
    url = visitor.link(str(uploaded(visitor, body).pk)).json()["url"]

    response = Client().get(url)

    assert response.status_code == 200
    assert b"".join(response) == body
