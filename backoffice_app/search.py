"""What staff find by whatever a visitor can tell them: the term's form decides where it is looked for.

Every look-up is one index look-up for each spelling of the term, however many
rows there are. Nothing here masks a value, or records that somebody searched.
"""

import re
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from itertools import chain
from typing import Any

from django.db.models import Model, QuerySet
from django.utils.formats import date_format
from django.utils.timezone import localtime

from audit_app.adminkit.disclosure import MAY_REVEAL
from audit_app.models import AuditLog, AuditPersonal
from common import context
from common.folding import LastWord, beginning, equal
from common.masking import mask_email, mask_name
from common.text import showable
from sessions_app.models import UserSession
from sessions_app.uuid_helpers import UUID_PATTERN, near_support_codes, parse_support_code
from uploads_app.models import UploadedFile

# So many rows of a kind are shown.
SHOWN = 20
# So many that begin alike, or happened at one address, are read to find the newest among them.
CANDIDATES = 200
LONGEST_TERM = 300
# A beginning of a UUID that is shorter fits too many.
SHORTEST_UUID = 6
_KEY = re.compile(f"uploads/{UUID_PATTERN}/[0-9a-z.-]+")
_CODE = re.compile(r"[A-Za-z0-9]+(?:[\s.\-‐-―]+[A-Za-z0-9]+)*")
_GROUPS = re.compile(r"MAR(-[0-9A-Z]{3}){3}", re.IGNORECASE)


class TermKind(Enum):
    """What a term reads as: one certain thing, or anything at all."""

    KEY = "object key"
    SHA256 = "SHA-256"
    UUID = "UUID"
    CODE = "support code"
    ADDRESS = "client address"
    EMAIL = "e-mail address"
    ANYTHING = "anything"

    @property
    def is_impersonal(self) -> bool:
        """Whether a term of this form tells nothing of a person, so that it may stand in an address."""
        return self in (TermKind.KEY, TermKind.SHA256, TermKind.UUID, TermKind.CODE)


@dataclass(frozen=True)
class Hit:
    """A row that was found, and what of it matched; `is_near` if that is not what was typed.

    If it `is_of_many`, so many fit that even newer ones may not have been read.
    """

    row: Any
    why: str
    is_near: bool = False
    is_of_many: bool = False

    @property
    def masked(self) -> dict[str, str]:
        """A visitor's name and e-mail address as who has not asked for them may see them."""
        return {"name": mask_name(self.row.name), "email": mask_email(self.row.email)}


@dataclass(frozen=True)
class Lookup:
    """Where a term is looked for; `name` is what the audit log calls it if that is personal."""

    name: str
    title: str
    model: type[Model]
    find: Callable[[str], Iterable[Hit]]
    is_personal: bool = False
    through_log: bool = False

    def is_open_to(self, user: Any) -> bool:
        """Say whether somebody may look there."""
        return bool(
            user.has_perm(_view(self.model))
            and (user.has_perm(_view(AuditLog)) or not self.through_log)
            and (user.has_perm(MAY_REVEAL) or not self.is_personal)
        )


@dataclass
class Group:
    """The rows of one model that were found, newest first.

    There are more if it `is_cut`; if it `is_partial`, newer ones may be among those.
    """

    model: type[Model]
    hits: list[Hit]
    is_cut: bool
    is_partial: bool

    @property
    def name(self) -> str:
        """What its rows are called, in the plural."""
        return str(self.model._meta.verbose_name_plural)

    @property
    def size(self) -> str:
        """How many there are, in words: `1 session`, `more than 20 files`."""
        names = self.model._meta.verbose_name if len(self.hits) == 1 else self.name
        return f"{'more than ' if self.is_cut else ''}{len(self.hits)} {names}"

    @property
    def template(self) -> str:
        """What shows its rows as a table."""
        return f"backoffice/search_results/{self.model._meta.model_name}.html"


@dataclass(frozen=True)
class SearchResult:
    """What a search found, where it looked, where who asked may not look, and what is wrong with a code."""

    form: TermKind
    groups: list[Group]
    searched: list[Lookup]
    forbidden: list[Lookup]
    doubt: str

    @property
    def personal_kinds(self) -> str:
        """The personal kinds of value that were looked for, for the audit log."""
        return ",".join(lookup.name for lookup in self.searched if lookup.is_personal)

    @property
    def found(self) -> int:
        """How many rows are shown."""
        return sum(len(group.hits) for group in self.groups)


def readable(typed: str) -> str:
    """Return a term as it is looked for: nothing hidden in it, no space around it, and no longer than needed."""
    return showable(typed[: LONGEST_TERM + 1])


def may_find(user: Any) -> bool:
    """Say whether a staff member may look for anything at all."""
    return any(user.has_perm(_view(model)) for model in _GROUPS_SHOWN)


def form_of(term: str) -> TermKind:
    """Say what a readable term reads as."""
    if _KEY.fullmatch(term):
        return TermKind.KEY
    if re.fullmatch("[0-9a-fA-F]{64}", term):
        return TermKind.SHA256
    if _read_uuid(term):
        return TermKind.UUID
    if _is_certainly_code(term):
        return TermKind.CODE
    if context.parse_address(term):
        return TermKind.ADDRESS
    if re.fullmatch(r"[^@\s]+@[^@\s]+", term):
        return TermKind.EMAIL
    return TermKind.ANYTHING


def find(term: str, user: Any) -> SearchResult:
    """Look for a readable term wherever its form allows, and somebody may look."""
    form = form_of(term)
    wanted = _LOOKUPS[form]
    searched = [lookup for lookup in wanted if lookup.is_open_to(user)]
    groups = [_group(model, term, searched) for model in _GROUPS_SHOWN]
    return SearchResult(
        form=form,
        groups=[group for group in groups if group.hits],
        searched=searched,
        forbidden=[lookup for lookup in wanted if lookup not in searched],
        doubt=_doubt(term, form, groups),
    )


def _group(model: type[Model], term: str, lookups: Iterable[Lookup]) -> Group:
    """Return the newest rows of a model that any look-up finds, each once, with all that matched."""
    same: dict[Any, list[Hit]] = {}
    is_partial = False
    for lookup in lookups:
        hits = list(lookup.find(term)) if lookup.model is model else []
        is_partial |= any(hit.is_of_many for hit in hits)
        for hit in hits:
            same.setdefault(hit.row.pk, []).append(hit)
    newest = sorted(same.values(), key=lambda hits: _when(hits[0].row), reverse=True)
    return Group(
        model,
        [
            Hit(hits[0].row, "; ".join(dict.fromkeys(hit.why for hit in hits)), hits[0].is_near)
            for hits in newest[:SHOWN]
        ],
        is_cut=len(newest) > SHOWN,
        is_partial=is_partial,
    )


def _when(row: Any) -> datetime:
    moment: datetime = row.occurred_at if isinstance(row, AuditLog) else row.created_at
    return moment


# Reading a term ---------------------------------------------------------------


def _read_uuid(term: str) -> uuid.UUID | None:
    digits = term.lower().removeprefix("urn:uuid:").strip("{}").replace("-", "")
    return uuid.UUID(digits) if re.fullmatch("[0-9a-f]{32}", digits) else None


def _is_certainly_code(term: str) -> bool:
    """Say whether nothing but a support code looks like this; nine letters may be a name."""
    if _GROUPS.fullmatch(term):
        return True
    return _has_digit(term) and bool(_CODE.fullmatch(term) and parse_support_code(term))


def _has_digit(term: str) -> bool:
    return any(symbol.isdecimal() for symbol in term)


def _doubt(term: str, form: TermKind, groups: list[Group]) -> str:
    """Say what is wrong with a term that was meant as a support code; empty if it was not, or is right."""
    hits = [hit for group in groups for hit in group.hits]
    is_meant = form is TermKind.CODE or (
        form is TermKind.ANYTHING
        # Nine letters may be a name, unless there is a session whose code is nearly so.
        and (_has_digit(term) or any(hit.is_near for hit in hits))
        and bool(near_support_codes(_as_code(term)))
    )
    if not is_meant or any(not hit.is_near for hit in hits):
        return ""
    if parse_support_code(term):
        return "This support code checks out, but no session has it."
    return (
        "This support code does not check out: a symbol is wrong, missing, too many, or swapped "
        "with another."
    )


def _as_code(term: str) -> str:
    """Return a term if it is spelled as codes are, in letters, digits and what may part them."""
    return term if _CODE.fullmatch(term) else ""


# Look-ups ---------------------------------------------------------------------


def _sessions_by_code(term: str) -> Iterator[Hit]:
    code = parse_support_code(_as_code(term))
    if session := UserSession.objects.filter(support_code=code).first() if code else None:
        yield Hit(session, "support code")
    elif near := near_support_codes(_as_code(term)):
        for meant in UserSession.objects.filter(support_code__in=near):
            yield Hit(meant, f"near this code: {near[meant.support_code]}", is_near=True)


def _sessions_by_uuid(term: str) -> Iterator[Hit]:
    for session in UserSession.objects.filter(uuid__in=_uuids(term)):
        yield Hit(session, "session UUID")


def _sessions_by_uuid_start(term: str) -> Iterator[Hit]:
    digits = term.lower().replace("-", "")
    if not re.fullmatch(f"[0-9a-f]{{{SHORTEST_UUID},31}}", digits):
        return
    first, last = uuid.UUID(digits.ljust(32, "0")), uuid.UUID(digits.ljust(32, "f"))
    found = UserSession.objects.filter(uuid__gte=first, uuid__lte=last).order_by("uuid")
    yield from _newest(UserSession.objects, [found], "session UUID begins so")


def _sessions_by_email(term: str) -> Iterator[Hit]:
    known = UserSession.objects.filter(email__gt="").order_by("-created_at")
    for session in equal(known, "email", term, limit=SHOWN + 1):
        yield Hit(
            session, "e-mail address" if session.email_proven else "e-mail address, not proven"
        )


def _sessions_by_name(term: str) -> Iterator[Hit]:
    named = UserSession.objects.filter(name__gt="")
    yield from _newest(UserSession.objects, beginning(named, "name", term), "name begins so")
    if " " in term:
        return
    last_words = beginning(named, LastWord("name"), term)
    for hit in _newest(UserSession.objects, last_words, "last word of the name begins so"):
        if " " in hit.row.name:
            yield hit


def _sessions_from_address(term: str) -> Iterator[Hit]:
    """Find whom visitors' requests from an address, the newest of them, were about."""
    address = str(context.parse_address(term))
    seen = AuditPersonal.objects.filter(address=address, address__gt="").order_by("-log_id")
    newest: dict[uuid.UUID, datetime] = {}
    for session, moment, actor in seen.values_list(
        "log__session_uuid", "log__occurred_at", "log__actor"
    )[:CANDIDATES]:
        if session and actor == context.VISITOR:
            newest.setdefault(session, moment)
    for found in UserSession.objects.filter(pk__in=list(newest)[: SHOWN + 1]):
        last = date_format(localtime(newest[found.pk]), "Y-m-d H:i")
        yield Hit(found, f"seen from this address, last on {last}")


def _files_by_id(term: str) -> Iterator[Hit]:
    for file in _files().filter(id__in=_uuids(term)):
        yield Hit(file, "file id")


def _files_by_key(term: str) -> Iterator[Hit]:
    for file in _files().filter(key=term):
        yield Hit(file, "object key")


def _files_by_sha256(term: str) -> Iterator[Hit]:
    same = _files().filter(sha256=term.lower(), sha256__gt="").order_by("-created_at")
    for file in same[: SHOWN + 1]:
        yield Hit(file, "SHA-256: the same bytes")


def _files_by_name(term: str) -> Iterator[Hit]:
    named = UploadedFile.objects.filter(name__gt="")
    yield from _newest(_files(), beginning(named, "name", term), "file name begins so")


def _events_of_request(term: str) -> Iterator[Hit]:
    for event in _of_request(term)[: SHOWN + 1]:
        yield Hit(event, "request id")


def _sessions_of_request(term: str) -> Iterator[Hit]:
    sessions = _of_request(term).values_list("session_uuid", flat=True)[:CANDIDATES]
    took_part = {session for session in sessions if session}
    for found in UserSession.objects.filter(pk__in=took_part) if took_part else ():
        yield Hit(found, "took part in this request")


def _events_by_id(term: str) -> Iterator[Hit]:
    for event in AuditLog.objects.filter(event_id__in=_uuids(term)):
        yield Hit(event, "event id")


def _newest(rows: Any, found: Iterable[QuerySet[Any]], why: str) -> Iterator[Hit]:
    """Find the newest of the first so many in each order; only what may be shown is loaded whole."""
    read = [list(some.values_list("pk", "created_at")[:CANDIDATES]) for some in found]
    moments = dict(chain.from_iterable(read))
    newest = sorted(moments, key=lambda pk: moments[pk], reverse=True)[: SHOWN + 1]
    is_of_many = any(len(some) == CANDIDATES for some in read)
    for row in rows.filter(pk__in=newest).order_by():
        yield Hit(row, why, is_of_many=is_of_many)


def _uuids(term: str) -> list[uuid.UUID]:
    read = _read_uuid(term)
    return [read] if read else []


def _of_request(term: str) -> Any:
    """Return a request's events, newest first; none if the term is no request id."""
    if not context.REQUEST_ID.fullmatch(term):
        return AuditLog.objects.none()
    # Ours are written without hyphens; a proxy of the operator's may write them otherwise.
    ids = {term, term.lower()}
    for read in _uuids(term):
        ids |= {read.hex, str(read)}
    return AuditLog.objects.filter(request_id__in=ids).order_by("-id")


def _files() -> Any:
    return UploadedFile.objects.select_related("session")


def _view(model: type[Model]) -> str:
    return f"{model._meta.app_label}.view_{model._meta.model_name}"


_GROUPS_SHOWN: tuple[type[Model], ...] = (UserSession, UploadedFile, AuditLog)
_REQUEST = (
    Lookup("request", "request id", AuditLog, _events_of_request),
    Lookup("request", "request id", UserSession, _sessions_of_request, through_log=True),
)
_CODE_LOOKUP = Lookup("code", "support code", UserSession, _sessions_by_code)
_LOOKUPS: dict[TermKind, tuple[Lookup, ...]] = {
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
    TermKind.EMAIL: (
        Lookup("email", "e-mail address", UserSession, _sessions_by_email, is_personal=True),
    ),
    TermKind.ANYTHING: (
        _CODE_LOOKUP,
        Lookup("uuid", "beginning of a session UUID", UserSession, _sessions_by_uuid_start),
        *_REQUEST,
        Lookup("name", "beginning of a name", UserSession, _sessions_by_name, is_personal=True),
        Lookup(
            "file_name", "beginning of a file name", UploadedFile, _files_by_name, is_personal=True
        ),
    ),
}
