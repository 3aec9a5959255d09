"""Look-ups of the staff search: which columns are searched for which kind of term.

Each look-up uses one index for each spelling of the term, however many rows
there are. This module neither masks values nor records searches.
"""

import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any

from django.db.models import Model, QuerySet
from django.utils.formats import date_format
from django.utils.timezone import localtime

from audit_app.adminkit.disclosure import MAY_REVEAL
from audit_app.models import AuditLog, AuditPersonal
from backoffice_app.search import starts
from backoffice_app.search.terms import TermKind, as_code, read_uuids
from common import context
from common.folding import LastWord, beginning, equal
from common.masking import mask_email, mask_name
from sessions_app.models import UserSession
from sessions_app.uuid_helpers import near_support_codes, parse_support_code
from uploads_app.models import UploadedFile

# Rows shown of each model.
SHOWN = 20
# Rows read to find the newest among those with the same start or the same address.
CANDIDATES = 200
# A shorter start of a UUID matches too many.
SHORTEST_UUID = 6


@dataclass(frozen=True)
class Hit:
    """A row that was found, and why.

    `is_exact`: the term identifies it. `is_near`: it matches a similar code, not
    the typed one. `is_of_many`: only the first CANDIDATES matches were read, so
    newer ones may be missing.
    """

    row: Any
    why: str
    is_exact: bool = False
    is_near: bool = False
    is_of_many: bool = False

    @property
    def masked(self) -> dict[str, str]:
        """The visitor's name and e-mail address, masked."""
        return {"name": mask_name(self.row.name), "email": mask_email(self.row.email)}


@dataclass(frozen=True)
class Lookup:
    """One way to search; the audit log records `name` if the value is personal."""

    name: str
    title: str
    model: type[Model]
    find: Callable[[str], Iterable[Hit]]
    is_personal: bool = False
    through_log: bool = False

    def is_open_to(self, user: Any) -> bool:
        """Whether the user's permissions allow this look-up."""
        return bool(
            user.has_perm(view_permission(self.model))
            and (user.has_perm(view_permission(AuditLog)) or not self.through_log)
            and (user.has_perm(MAY_REVEAL) or not self.is_personal)
        )


def view_permission(model: type[Model]) -> str:
    return f"{model._meta.app_label}.view_{model._meta.model_name}"


def _sessions_by_code(term: str) -> Iterator[Hit]:
    code = parse_support_code(as_code(term))
    if session := UserSession.objects.filter(support_code=code).first() if code else None:
        yield Hit(session, "support code", is_exact=True)
    elif near := near_support_codes(as_code(term)):
        for meant in UserSession.objects.filter(support_code__in=near):
            yield Hit(meant, f"similar code: {near[meant.support_code]}", is_near=True)


def _sessions_by_uuid(term: str) -> Iterator[Hit]:
    for session in UserSession.objects.filter(uuid__in=read_uuids(term)):
        yield Hit(session, "session UUID", is_exact=True)


def _sessions_by_uuid_start(term: str) -> Iterator[Hit]:
    if digits := starts.digits_of(term, SHORTEST_UUID):
        found = starts.by_uuid(UserSession.objects.all(), "uuid", digits)
        yield from _newest(UserSession.objects, [found], "session UUID starts with this")


def _sessions_by_email(term: str) -> Iterator[Hit]:
    known = UserSession.objects.filter(email__gt="").order_by("-created_at")
    for session in equal(known, "email", term, limit=SHOWN + 1):
        yield Hit(
            session, "e-mail address" if session.email_proven else "e-mail address, not verified"
        )


def _sessions_by_name(term: str) -> Iterator[Hit]:
    named = UserSession.objects.filter(name__gt="")
    yield from _newest(UserSession.objects, beginning(named, "name", term), "name starts with this")
    if " " in term:
        return
    last_words = beginning(named, LastWord("name"), term)
    for hit in _newest(UserSession.objects, last_words, "last word of the name starts with this"):
        if " " in hit.row.name:
            yield hit


def _sessions_from_address(term: str) -> Iterator[Hit]:
    """Return the sessions of the newest visitor requests from an address."""
    address = str(context.parse_address(term))
    seen = AuditPersonal.objects.filter(address=address, address__gt="").order_by("-log_id")
    yield from _seen(seen.select_related("log")[:CANDIDATES], "address")


def _sessions_from_network(term: str) -> Iterator[Hit]:
    """Return sessions of visitor requests from a network, as masked addresses show it."""
    network = starts.network_of(term)
    parts = list(starts.seen_in(network, CANDIDATES)) if network else []
    parts.sort(key=lambda part: part.log_id, reverse=True)
    yield from _seen(parts, "network", is_of_many=len(parts) >= CANDIDATES)


def _seen(parts: Iterable[AuditPersonal], place: str, *, is_of_many: bool = False) -> Iterator[Hit]:
    """Return the sessions of the visitor's requests among these, which are newest first."""
    newest: dict[uuid.UUID, datetime] = {}
    for part in parts:
        if part.log.session_uuid and part.log.actor == context.VISITOR:
            newest.setdefault(part.log.session_uuid, part.log.occurred_at)
    for found in UserSession.objects.filter(pk__in=list(newest)[: SHOWN + 1]):
        last = date_format(localtime(newest[found.pk]), "Y-m-d H:i")
        yield Hit(found, f"seen from this {place}, last on {last}", is_of_many=is_of_many)


def _files_by_id(term: str) -> Iterator[Hit]:
    for file in _files().filter(id__in=read_uuids(term)):
        yield Hit(file, "file id", is_exact=True)


def _files_by_key(term: str) -> Iterator[Hit]:
    for file in _files().filter(key=term):
        yield Hit(file, "object key", is_exact=True)


def _files_by_sha256(term: str) -> Iterator[Hit]:
    same = _files().filter(sha256=term.lower(), sha256__gt="").order_by("-created_at")
    for file in same[: SHOWN + 1]:
        yield Hit(file, "SHA-256 (same content)", is_exact=True)


def _files_by_name(term: str) -> Iterator[Hit]:
    named = UploadedFile.objects.filter(name__gt="")
    yield from _newest(_files(), beginning(named, "name", term), "file name starts with this")


def _events_of_request(term: str) -> Iterator[Hit]:
    for event in _of_request(term)[: SHOWN + 1]:
        yield Hit(event, "request id", is_exact=True)


def _sessions_of_request(term: str) -> Iterator[Hit]:
    sessions = _of_request(term).values_list("session_uuid", flat=True)[:CANDIDATES]
    in_request = {session for session in sessions if session}
    for found in UserSession.objects.filter(pk__in=in_request) if in_request else ():
        yield Hit(found, "part of this request", is_exact=True)


def _events_by_id(term: str) -> Iterator[Hit]:
    for event in AuditLog.objects.filter(event_id__in=read_uuids(term)):
        yield Hit(event, "event id", is_exact=True)


def _files_by_start(term: str) -> Iterator[Hit]:
    if digits := starts.digits_of(term):
        found = starts.by_uuid(UploadedFile.objects.all(), "id", digits)
        yield from _newest(_files(), [found], "file id starts with this")
        same = starts.by_hash(UploadedFile.objects.all(), digits)
        yield from _newest(_files(), [same], "SHA-256 starts with this")


def _events_by_start(term: str) -> Iterator[Hit]:
    if digits := starts.digits_of(term):
        for event in starts.by_uuid(AuditLog.objects.all(), "event_id", digits)[: SHOWN + 1]:
            yield Hit(event, "event id starts with this")
        for event in starts.events_of_requests(digits, SHOWN + 1):
            yield Hit(event, "request id starts with this")


def _newest(rows: Any, found: Iterable[QuerySet[Any]], why: str) -> Iterator[Hit]:
    """Return the newest of the first CANDIDATES rows of each query; only those are loaded fully."""
    read = [list(some.values_list("pk", "created_at")[:CANDIDATES]) for some in found]
    times = dict(chain.from_iterable(read))
    newest = sorted(times, key=lambda pk: times[pk], reverse=True)[: SHOWN + 1]
    is_of_many = any(len(some) == CANDIDATES for some in read)
    for row in rows.filter(pk__in=newest).order_by():
        yield Hit(row, why, is_of_many=is_of_many)


def _of_request(term: str) -> Any:
    """Return a request's events, newest first."""
    if not context.REQUEST_ID.fullmatch(term):
        return AuditLog.objects.none()
    # Our ids have no hyphens; those of a reverse proxy may have them.
    ids = {term, term.lower()}
    for read in read_uuids(term):
        ids |= {read.hex, str(read)}
    return AuditLog.objects.filter(request_id__in=ids).order_by("-id")


def _files() -> Any:
    return UploadedFile.objects.select_related("session")


_REQUEST = (
    Lookup("request", "request id", AuditLog, _events_of_request),
    Lookup("request", "request id", UserSession, _sessions_of_request, through_log=True),
)
_CODE_LOOKUP = Lookup("code", "support code", UserSession, _sessions_by_code)
LOOKUPS: dict[TermKind, tuple[Lookup, ...]] = {
    TermKind.KEY: (Lookup("key", "object key", UploadedFile, _files_by_key),),
    TermKind.SHA256: (Lookup("sha256", "SHA-256 of a file", UploadedFile, _files_by_sha256),),
    TermKind.UUID: (
        Lookup("uuid", "session UUID", UserSession, _sessions_by_uuid),
        Lookup("file", "file id", UploadedFile, _files_by_id),
        Lookup("event", "event id", AuditLog, _events_by_id),
        *_REQUEST,
    ),
    TermKind.CODE: (_CODE_LOOKUP,),
    TermKind.ADDRESS: (
        Lookup("address", "client address", UserSession, _sessions_from_address, is_personal=True),
    ),
    TermKind.NETWORK: (
        Lookup("network", "network", UserSession, _sessions_from_network, is_personal=True),
    ),
    TermKind.EMAIL: (
        Lookup("email", "e-mail address", UserSession, _sessions_by_email, is_personal=True),
    ),
    TermKind.ANYTHING: (
        _CODE_LOOKUP,
        Lookup("uuid", "start of a session UUID", UserSession, _sessions_by_uuid_start),
        Lookup("file", "start of a file id or SHA-256", UploadedFile, _files_by_start),
        Lookup("event", "start of an event or request id", AuditLog, _events_by_start),
        *_REQUEST,
        Lookup("name", "start of a name", UserSession, _sessions_by_name, is_personal=True),
        Lookup("file_name", "start of a file name", UploadedFile, _files_by_name, is_personal=True),
    ),
}
