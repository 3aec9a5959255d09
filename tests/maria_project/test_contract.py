"""The table of docs/api.md, row by row: each success, each refusal, with each kind of proof.

The rows, statuses and codes are read from the page. For each (row, outcome) a
recipe below makes the request. A row or code without a recipe fails, and so
does a recipe for an outcome that is not on the page. Outcomes that all rows
share have one recipe.
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
from tests.ports import free_port
from tests.uploads_app.direct_support import arrive, offer_forms
from uploads_app.models import StoreState, UploadedFile, UploadQuota, UploadStatus
from uploads_app.storage.base import object_store
from uploads_app.storage.keys import incoming_key

PAGE = (Path(project.BASE_DIR) / "docs" / "api.md").read_text()
UNKNOWN = "mss1_" + "A" * 43
EMAIL = "anna@example.com"


@dataclass(frozen=True)
class ContractRow:
    """One line of the table: the endpoint, its proof, its successes and its refusals."""

    endpoint: str
    proof: str
    good: dict[int, str]  # status -> its description
    refusals: list[str]

    @property
    def verb(self) -> str:
        return self.endpoint.split()[0]

    @property
    def path(self) -> str:
        return self.endpoint.split()[1]

    @property
    def ways(self) -> list[str]:
        """The kinds of client: both carriers for visitors, also if no proof is required."""
        if self.proof.startswith("service key"):
            return ["service"]
        return ["staff"] if self.proof == "staff" else ["cookie", "bearer"]

    @property
    def scope(self) -> str:
        return self.proof.split("`")[1]

    def general(self, way: str) -> Iterator[str]:
        """Yield the codes that the page documents for every row of this kind."""
        changes = self.verb != "GET"
        if way != "staff":  # staff are few and signed in: the audit log has no limit
            yield from GENERAL["everywhere"]
        if self.proof.startswith("session"):
            yield from GENERAL["wherever a session must be proven"]
        if way == "service":
            yield from GENERAL["wherever a service key is required"]
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
    """Return the codes in backticks."""
    return re.findall(r"`([a-z_]+)`", text)


def successes(cell: str) -> dict[int, str]:
    """Parse `201 this; 200 that` into a description of each status."""
    parts = re.split(r"(?:^|; )(2\d\d)\b", cell)[1:]
    return {int(status): said for status, said in zip(parts[::2], parts[1::2], strict=True)}


ROWS = [
    ContractRow(endpoint.strip("`"), proof, successes(good), codes(refusals))
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
    """The state at the start of each case: a visitor with one file."""

    def __init__(self, kind: type[Visitor]) -> None:
        self._visitor = started(kind)
        self.upload = uploaded(self._visitor)
        self._object = store_root() / self.upload.key
        self._bytes = self._object.read_bytes()

    def visitor(self) -> Visitor:
        """Return a client of the session, and restore its object after the previous case."""
        self._object.parent.mkdir(parents=True, exist_ok=True)
        self._object.write_bytes(self._bytes)
        return copied(self._visitor)


@dataclass
class ContractScenario:
    """A visitor with one file, for one row of the table and one kind of client."""

    row: ContractRow
    way: str
    settings: Any
    make_staff: Callable[..., Client]
    visitor: Visitor
    upload: UploadedFile

    def new_client(self) -> Visitor:
        """Return a client of the same kind without a session."""
        return type(self.visitor)()

    def call(self, query: str = "", client: Client | None = None, **body: Any) -> ContractCall:
        """Return the row's request for existing objects, with the proof that the row requires."""
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
        """Return the request that uploads files, each with a name and bytes."""
        fields = {"file": [SimpleUploadedFile(name, body) for name, body in parts]}
        call = self.call()
        return replace(
            call,
            body=encode_multipart(BOUNDARY, fields),
            content_type=MULTIPART_CONTENT,
            headers={**call.headers, **headers},
        )

    def unknown_object(self) -> ContractCall:
        """Return the row's request for an object that does not exist."""
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
    """Register the recipe of one row for one outcome: a status, or the code of a refusal."""

    def register(recipe: Recipe) -> Recipe:
        OWN[endpoint, str(outcome)] = recipe
        return recipe

    return register


def shared(recipe: Recipe) -> Recipe:
    """Register a recipe for all rows; its name is the code of the refusal."""
    SHARED[recipe.__name__] = recipe
    return recipe


def successful_call(scenario: ContractScenario) -> ContractCall:
    """Return the request for a row's success, the last if there are several."""
    return OWN[scenario.row.endpoint, str(list(scenario.row.good)[-1])](scenario)


def set_address(scenario: ContractScenario) -> None:
    """Store the visitor's e-mail address, and use the new token."""
    scenario.visitor.identify(email=EMAIL)
    assert scenario.visitor.current().status_code == 200


# Successes -----------------------------------------------------------------


for _endpoint, _status in [
    ("POST sessions/", 200),
    ("GET sessions/current/", 200),
    ("DELETE sessions/current/", 204),
    ("POST sessions/current/reset/", 201),
    ("GET sessions/current/export/", 200),
    ("GET sessions/current/revision/", 200),
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
def create(scenario: ContractScenario) -> ContractCall:
    return scenario.call(client=scenario.new_client(), credential=scenario.visitor.carrier)


@own("POST sessions/validate/", 200)
def validate(scenario: ContractScenario) -> ContractCall:
    return scenario.call(uuid=str(uuid.uuid4()))


@own("POST sessions/recover/", 200)
def recover(scenario: ContractScenario) -> ContractCall:
    recovery_code = issue_recovery_code(session=scenario.visitor.row, reason="lost device")
    return scenario.call(
        client=scenario.new_client(), code=recovery_code, credential=scenario.visitor.carrier
    )


@own("PATCH sessions/current/", 200)
def identify(scenario: ContractScenario) -> ContractCall:
    return scenario.call(name="Anna", email=EMAIL, consent={})


@own("POST sessions/current/email/", 202)
def request_code(scenario: ContractScenario) -> ContractCall:
    set_address(scenario)
    return scenario.call()


@own("POST sessions/current/email/verify/", 200)
def verify(scenario: ContractScenario) -> ContractCall:
    set_address(scenario)
    scenario.visitor.ask_for_code()
    return scenario.call(code=mailed_code())


@own("POST uploads/", 201)
def upload(scenario: ContractScenario) -> ContractCall:
    return scenario.send_file(("a.pdf", pdf("another")))


@own("POST uploads/direct/", 201)
def announce(scenario: ContractScenario) -> ContractCall:
    return scenario.call(name="a.pdf", size=1000, content_type="application/pdf")


@own("POST uploads/{id}/complete/", 200)
def complete(scenario: ContractScenario) -> ContractCall:
    scenario.upload = arrive(scenario.visitor, pdf("another"))
    return scenario.call()


@own("POST service/sessions/introspect/", 200)
def introspect(scenario: ContractScenario) -> ContractCall:
    return scenario.call(assertion=scenario.visitor.assertion())


# Refusals of one row ------------------------------------------------------------


@own("POST sessions/", "invalid_input")
def create_with_an_unknown_credential(scenario: ContractScenario) -> ContractCall:
    return scenario.call(client=scenario.new_client(), credential="letter")


@own("POST sessions/validate/", "uuid_malformed")
def validate_malformed(scenario: ContractScenario) -> ContractCall:
    return scenario.call(uuid=scenario.visitor.uuid.upper())


@own("POST sessions/recover/", "recovery_invalid")
def recover_with_a_wrong_code(scenario: ContractScenario) -> ContractCall:
    issue_recovery_code(session=scenario.visitor.row, reason="lost device")
    return scenario.call(client=scenario.new_client(), code="0000-0000-0000")


@own("PATCH sessions/current/", "invalid_input")
def identify_with_invalid_data(scenario: ContractScenario) -> ContractCall:
    return scenario.call(name="Anna", email="no address")


@own("DELETE sessions/current/", "invalid_input")
def end_with_an_invalid_erase(scenario: ContractScenario) -> ContractCall:
    return scenario.call("?erase=perhaps")


@own("POST sessions/current/email/", "email_missing")
def request_code_without_address(scenario: ContractScenario) -> ContractCall:
    return scenario.call()


@own("POST sessions/current/email/", "mail_unavailable")
def request_code_without_mail(scenario: ContractScenario) -> ContractCall:
    set_address(scenario)
    scenario.settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    scenario.settings.EMAIL_HOST, scenario.settings.EMAIL_PORT = "127.0.0.1", free_port()
    return scenario.call()


@own("POST sessions/current/email/verify/", "code_wrong")
def verify_a_wrong_code(scenario: ContractScenario) -> ContractCall:
    good = verify(scenario)
    digits = str(json.loads(good.body)["code"])
    return scenario.call(code=digits[:-1] + str((int(digits[-1]) + 1) % 10))


@own("POST sessions/current/email/verify/", "code_expired")
def verify_an_expired_code(scenario: ContractScenario) -> ContractCall:
    good = verify(scenario)
    EmailCode.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    return good


@own("POST sessions/current/email/verify/", "invalid_input")
def verify_a_malformed_code(scenario: ContractScenario) -> ContractCall:
    verify(scenario)
    return scenario.call(code="12345")


@own("POST sessions/current/reset/", "invalid_input")
def reset_for_an_unknown_reason(scenario: ContractScenario) -> ContractCall:
    return scenario.call(reason="because")


@own("POST sessions/current/reset/", "idempotency_key_malformed")
def reset_with_a_bad_key(scenario: ContractScenario) -> ContractCall:
    call = scenario.call()
    return replace(call, headers={**call.headers, "Idempotency-Key": "two words"})


@own("POST sessions/recover/", "idempotency_key_malformed")
def recover_with_a_bad_key(scenario: ContractScenario) -> ContractCall:
    call = recover(scenario)
    return replace(call, headers={**call.headers, "Idempotency-Key": "two words"})


@own("GET sessions/current/activity/", "not_found")
@own("GET uploads/", "not_found")
def request_an_invalid_cursor(scenario: ContractScenario) -> ContractCall:
    return scenario.call("?cursor=x")


@own("POST uploads/", "file_missing")
def upload_nothing(scenario: ContractScenario) -> ContractCall:
    return scenario.send_file()


@own("POST uploads/", "file_empty")
def upload_empty(scenario: ContractScenario) -> ContractCall:
    return scenario.send_file(("a.pdf", b""))


@own("POST uploads/", "file_too_large")
def upload_too_many_bytes(scenario: ContractScenario) -> ContractCall:
    scenario.settings.UPLOAD_MAX_BYTES = len(pdf()) - 1
    return scenario.send_file(("a.pdf", pdf()))


@own("POST uploads/", "type_not_allowed")
def upload_text(scenario: ContractScenario) -> ContractCall:
    return scenario.send_file(("a.pdf", b"no pdf"))


@own("POST uploads/", "name_not_allowed")
def upload_a_file_without_a_name(scenario: ContractScenario) -> ContractCall:
    return scenario.send_file((".pdf", pdf()))


@own("POST uploads/", "quota_exceeded")
def upload_one_too_many(scenario: ContractScenario) -> ContractCall:
    scenario.settings.UPLOAD_MAX_FILES = 1
    return upload(scenario)


@own("POST uploads/", "idempotency_key_malformed")
def upload_with_a_bad_key(scenario: ContractScenario) -> ContractCall:
    return scenario.send_file(("a.pdf", pdf()), **{"Idempotency-Key": "two words"})


@own("POST uploads/", "idempotency_key_reused")
def upload_another_with_the_same_key(scenario: ContractScenario) -> ContractCall:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    assert scenario.send_file(("a.pdf", pdf("first")), **key).send().status_code == 201
    return scenario.send_file(("a.pdf", pdf("second")), **key)


@own("POST uploads/", "upload_deleted")
def upload_a_deleted_file_again(scenario: ContractScenario) -> ContractCall:
    again = scenario.send_file(("a.pdf", pdf("first")), **{"Idempotency-Key": str(uuid.uuid4())})
    first = again.send().json()["id"]
    assert scenario.visitor.delete_upload(first).status_code == 204
    return again


@own("POST uploads/", "upload_in_progress")
def upload_while_the_first_is_running(scenario: ContractScenario) -> ContractCall:
    again = scenario.send_file(("a.pdf", pdf("first")), **{"Idempotency-Key": str(uuid.uuid4())})
    first = again.send().json()["id"]
    lease = timezone.now() + project.UPLOAD_LEASE
    UploadedFile.objects.filter(pk=first).update(
        status=UploadStatus.PENDING, lease_expires_at=lease
    )
    return again


@own("POST uploads/", "length_required")
def upload_without_a_length(scenario: ContractScenario) -> ContractCall:
    return replace(upload(scenario), body=b"")  # the test client then sends no Content-Length


@own("POST uploads/direct/", "invalid_input")
def announce_no_size(scenario: ContractScenario) -> ContractCall:
    return scenario.call(name="a.pdf")


@own("POST uploads/direct/", "file_empty")
def announce_nothing(scenario: ContractScenario) -> ContractCall:
    return scenario.call(name="a.pdf", size=0)


@own("POST uploads/direct/", "file_too_large")
def announce_too_many_bytes(scenario: ContractScenario) -> ContractCall:
    return scenario.call(name="a.pdf", size=project.UPLOAD_MAX_BYTES + 1)


@own("POST uploads/direct/", "type_not_allowed")
def announce_another_type(scenario: ContractScenario) -> ContractCall:
    return scenario.call(name="a.exe", size=1000)


@own("POST uploads/direct/", "name_not_allowed")
def announce_a_file_without_a_name(scenario: ContractScenario) -> ContractCall:
    return scenario.call(name=".pdf", size=1000)


@own("POST uploads/direct/", "quota_exceeded")
def announce_one_too_many(scenario: ContractScenario) -> ContractCall:
    scenario.settings.UPLOAD_MAX_FILES = 1
    return announce(scenario)


@own("POST uploads/direct/", "idempotency_key_malformed")
def announce_with_a_bad_key(scenario: ContractScenario) -> ContractCall:
    call = announce(scenario)
    return replace(call, headers={**call.headers, "Idempotency-Key": "two words"})


@own("POST uploads/direct/", "idempotency_key_reused")
def announce_another_with_the_same_key(scenario: ContractScenario) -> ContractCall:
    call = announce(scenario)
    call = replace(call, headers={**call.headers, "Idempotency-Key": str(uuid.uuid4())})
    assert call.send().status_code == 201
    return replace(call, body=json.dumps({"name": "b.pdf", "size": 1000}).encode())


@own("POST uploads/direct/", "upload_deleted")
def announce_a_deleted_file_again(scenario: ContractScenario) -> ContractCall:
    call = announce(scenario)
    call = replace(call, headers={**call.headers, "Idempotency-Key": str(uuid.uuid4())})
    first = call.send().json()["id"]
    UploadedFile.objects.filter(pk=first).update(status="deleted", sha256="f" * 64)
    return call


@own("POST uploads/direct/", "direct_upload_unavailable")
def announce_while_direct_uploads_are_off(scenario: ContractScenario) -> ContractCall:
    scenario.settings.DIRECT_UPLOADS = False
    return announce(scenario)


@own("POST uploads/direct/", "storage_unavailable")
def announce_while_the_store_fails(scenario: ContractScenario) -> ContractCall:
    StoreState.objects.all().delete()  # so that the upload reads the marker
    return storage_unavailable(scenario)


@own("POST uploads/{id}/complete/", "upload_incomplete")
def complete_too_early(scenario: ContractScenario) -> ContractCall:
    scenario.upload = arrive(scenario.visitor, pdf())
    object_store().delete(incoming_key(scenario.upload.key))
    return scenario.call()


@own("POST uploads/{id}/complete/", "type_not_allowed")
def complete_text(scenario: ContractScenario) -> ContractCall:
    scenario.upload = arrive(scenario.visitor, b"no pdf")
    return scenario.call()


@own("POST uploads/{id}/complete/", "content_mismatch")
def complete_a_longer_file(scenario: ContractScenario) -> ContractCall:
    scenario.upload = arrive(scenario.visitor, pdf(), len(pdf()) - 1)
    return scenario.call()


@own("POST uploads/{id}/complete/", "not_found")
def complete_an_upload_of_another_session(scenario: ContractScenario) -> ContractCall:
    scenario.upload = arrive(started(), pdf())
    return scenario.call()


@own("GET uploads/{id}/", "not_found")
@own("DELETE uploads/{id}/", "not_found")
@own("GET uploads/{id}/download/", "not_found")
@own("POST uploads/{id}/link/", "not_found")
@own("GET service/sessions/{uuid}/uploads/{id}/download/", "not_found")
def request_a_file_of_another_session(scenario: ContractScenario) -> ContractCall:
    mine, scenario.upload = scenario.upload, uploaded(started())
    assert scenario.upload != mine
    return scenario.call()


@own("GET service/sessions/{uuid}/uploads/", "not_found")
def list_the_files_of_an_ended_session(scenario: ContractScenario) -> ContractCall:
    scenario.visitor.end()
    return scenario.call()


@own("GET uploads/{id}/download/", "object_missing")
@own("GET service/sessions/{uuid}/uploads/{id}/download/", "object_missing")
def download_a_missing_object(scenario: ContractScenario) -> ContractCall:
    (store_root() / scenario.upload.key).unlink()
    return scenario.call()


@own("GET uploads/{id}/download/", "file_held_back")
@own("POST uploads/{id}/link/", "file_held_back")
@own("GET service/sessions/{uuid}/uploads/{id}/download/", "file_held_back")
def download_a_file_before_its_inspection(scenario: ContractScenario) -> ContractCall:
    scenario.settings.HOLD_DOWNLOADS = "until_inspected"
    return scenario.call()


@own("GET uploads/{id}/download/", "link_invalid")
def download_by_the_link_of_another_file(scenario: ContractScenario) -> ContractCall:
    link = scenario.visitor.link(str(scenario.upload.pk)).json()["url"].partition("?")[2]
    scenario.upload = uploaded(scenario.visitor, pdf("another"))
    return scenario.call(f"?{link}", client=Client())


@own("GET service/events/", "invalid_input")
def read_the_feed_from_an_invalid_position(scenario: ContractScenario) -> ContractCall:
    return scenario.call("?after=yesterday")


@own("POST service/sessions/introspect/", "invalid_input")
def introspect_nothing(scenario: ContractScenario) -> ContractCall:
    return scenario.call()


@own("GET audit-logs/{id}/", "not_found")
def read_an_unknown_event(scenario: ContractScenario) -> ContractCall:
    return replace(scenario.call(), path="audit-logs/999999999/")


# Refusals that several rows share -------------------------------------------------


@shared
def rate_limited(scenario: ContractScenario) -> ContractCall:
    call = successful_call(scenario)
    scenario.settings.RATE_LIMITS = {name: ["1/d"] for name in project.RATE_LIMITS}
    # Counts against the same limit and changes nothing: an unreadable body, or GET instead of DELETE.
    spent = replace(call, body=b"{", verb="GET" if call.verb == "DELETE" else call.verb)
    assert spent.send().status_code in (200, 202, 400, 415)
    return call


@shared
def session_required(scenario: ContractScenario) -> ContractCall:
    return replace(successful_call(scenario), client=scenario.new_client())


@shared
def session_invalid(scenario: ContractScenario) -> ContractCall:
    stranger = scenario.new_client()
    stranger.token = UNKNOWN
    return replace(successful_call(scenario), client=stranger)


@shared
def session_mismatch(scenario: ContractScenario) -> ContractCall:
    return replace(successful_call(scenario), headers={"X-Session-UUID": started().uuid})


@shared
def credentials_differ(scenario: ContractScenario) -> ContractCall:
    """Send the valid proof, and a different one by the other carrier."""
    call = successful_call(scenario)
    client: Visitor = scenario.visitor
    if scenario.way == "bearer":
        client.cookies["maria_session"] = UNKNOWN
        return replace(call, client=client)
    headers = {**call.headers, "Authorization": f"Bearer {UNKNOWN}"}
    return replace(call, client=client, headers=headers)


@shared
def origin_not_allowed(scenario: ContractScenario) -> ContractCall:
    call = successful_call(scenario)
    return replace(call, headers={**call.headers, "Origin": "https://evil.example"})


@shared
def session_header_required(scenario: ContractScenario) -> ContractCall:
    return replace(successful_call(scenario), headers={})


@shared
def storage_unavailable(scenario: ContractScenario) -> ContractCall:
    call = successful_call(scenario)
    not_a_folder = store_root().with_name("no-folder")
    not_a_folder.write_text("")
    uploads = {**scenario.settings.STORAGES["uploads"], "OPTIONS": {"location": not_a_folder}}
    scenario.settings.STORAGES = {**scenario.settings.STORAGES, "uploads": uploads}
    return call


@shared
def service_key_required(scenario: ContractScenario) -> ContractCall:
    return replace(successful_call(scenario), client=Client())


@shared
def service_key_invalid(scenario: ContractScenario) -> ContractCall:
    return replace(successful_call(scenario), client=Service("msk1_" + "A" * 43))


@shared
def scope_missing(scenario: ContractScenario) -> ContractCall:
    others = set(Scope.values) - {scenario.row.scope}
    return replace(successful_call(scenario), client=Service(made_key(*others, name="another")))


@shared
def not_authenticated(scenario: ContractScenario) -> ContractCall:
    return replace(successful_call(scenario), client=Client())


@shared
def permission_denied(scenario: ContractScenario) -> ContractCall:
    return replace(successful_call(scenario), client=scenario.make_staff())


# The tests ------------------------------------------------------------------------


def state() -> list[Any]:
    """Return every row and object except the log, and except counters of uses and tries."""
    models = (UserSession, Consent, RecoveryCode, RetiredToken, UploadQuota)
    # A row of an upload that the store did not accept stays as a record, without quota.
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
    """Yield one part of REFUSED: with `again` the shared refusals in each row after their first."""
    seen: set[tuple[str, str]] = set()
    for row, way, refusal in REFUSED:
        if ((row.endpoint, refusal) not in OWN and (way, refusal) in seen) is again:
            yield row, way, refusal
        seen.add((way, refusal))


# These check the received bytes, and the row records that they were refused.
REJECTING = [
    ("POST uploads/{id}/complete/", "type_not_allowed"),
    ("POST uploads/{id}/complete/", "content_mismatch"),
]


def shown(value: Any) -> str:
    return value.endpoint if isinstance(value, ContractRow) else str(value)


@pytest.fixture
def starts(db: None, settings: Any) -> dict[str, Start]:
    """The start of the cases of each kind of client; the clock stands still."""
    offer_forms(settings)
    cookie, bearer = Start(Visitor), Start(BearerVisitor)
    return {"cookie": cookie, "bearer": bearer, "service": cookie, "staff": cookie}


@pytest.fixture(autouse=True)
def clock() -> Iterator[None]:
    """Stop the clock, so that no window of a limit and no minute of activity ends in a test."""
    with time_machine.travel(timezone.now(), tick=False):
        yield


def test_the_page_and_the_recipes_have_the_same_outcomes() -> None:
    promised = {(row.endpoint, str(status)) for row in ROWS for status in row.good} | {
        (row.endpoint, refusal) for row in ROWS for refusal in row.refusals
    }
    everywhere = {refusal for names in GENERAL.values() for refusal in names}
    by_all = {refusal for endpoint, refusal in promised if (endpoint, refusal) not in OWN}

    assert len(ROWS) > 20
    assert len(GENERAL) == 4
    assert set(OWN) - promised == set(), "recipes for outcomes that are not on the page"
    assert (by_all | everywhere) == set(SHARED), "codes without a recipe, or the other way round"
    assert {refusal for *_, refusal in REFUSED} <= set(STATUS)


@pytest.mark.both
@cases(("row", "way", "status"), GOOD, ids=shown)
def test_each_success_is_as_documented(
    starts: dict[str, Start],
    settings: Any,
    make_staff: Any,
    *,
    row: ContractRow,
    way: str,
    status: int,
) -> None:
    start = starts[way]
    scenario = ContractScenario(row, way, settings, make_staff, start.visitor(), start.upload)
    call = OWN[row.endpoint, str(status)](scenario)

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
def test_each_refusal_is_as_documented_and_changes_nothing(
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


def assert_refused(scenario: ContractScenario, refusal: str) -> None:
    """Check that a call is refused as documented, and changes nothing."""
    row = scenario.row
    call = (OWN.get((row.endpoint, refusal)) or SHARED[refusal])(scenario)
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
def test_a_short_link_proves_access_to_its_file_only(db: None) -> None:
    visitor = started(BearerVisitor)
    body = pdf("mine")
    url = visitor.link(str(uploaded(visitor, body).pk)).json()["url"]

    response = Client().get(url)

    assert response.status_code == 200
    assert b"".join(response) == body
