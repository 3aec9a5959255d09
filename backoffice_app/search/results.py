"""Runs a staff search and groups the rows that it finds."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Model

from audit_app.models import AuditLog
from backoffice_app.search.lookups import LOOKUPS, SHOWN, Hit, Lookup, view_permission
from backoffice_app.search.terms import TermKind, as_code, has_digit, kind_of
from sessions_app.models import UserSession
from sessions_app.uuid_helpers import near_support_codes, parse_support_code
from uploads_app.models import UploadedFile

_MODELS: tuple[type[Model], ...] = (UserSession, UploadedFile, AuditLog)


@dataclass
class Group:
    """The matching rows of one model, newest first.

    `is_cut`: there are more rows. `is_partial`: rows that were not read may be newer.
    """

    model: type[Model]
    hits: list[Hit]
    is_cut: bool
    is_partial: bool

    @property
    def name(self) -> str:
        return str(self.model._meta.verbose_name_plural)

    @property
    def size(self) -> str:
        """The number of rows in words: `1 session`, `more than 20 files`."""
        names = self.model._meta.verbose_name if len(self.hits) == 1 else self.name
        return f"{'more than ' if self.is_cut else ''}{len(self.hits)} {names}"

    @property
    def template(self) -> str:
        return f"backoffice/search_results/{self.model._meta.model_name}.html"


@dataclass(frozen=True)
class SearchResult:
    """The rows found, the look-ups used, those the user may not use, and a warning about a code."""

    kind: TermKind
    groups: list[Group]
    searched: list[Lookup]
    forbidden: list[Lookup]
    doubt: str

    @property
    def personal_kinds(self) -> str:
        """The personal kinds of value that were searched, for the audit log."""
        return ",".join(lookup.name for lookup in self.searched if lookup.is_personal)

    @property
    def hits(self) -> list[Hit]:
        """The rows that are shown."""
        return [hit for group in self.groups for hit in group.hits]

    @property
    def found(self) -> int:
        return len(self.hits)


def may_search(user: Any) -> bool:
    """Whether a staff member may search anything at all."""
    return any(user.has_perm(view_permission(model)) for model in _MODELS)


def is_personal(term: str, user: Any) -> bool:
    """Whether this user's search for a term reads personal values."""
    return any(lookup.is_personal for lookup in _open_lookups(term, user))


def search(term: str, user: Any) -> SearchResult:
    """Search a readable term wherever its kind and the user's permissions allow."""
    kind = kind_of(term)
    lookups = LOOKUPS[kind]
    searched = _open_lookups(term, user)
    groups = [_group(model, term, searched) for model in _MODELS]
    return SearchResult(
        kind=kind,
        groups=[group for group in groups if group.hits],
        searched=searched,
        forbidden=[lookup for lookup in lookups if lookup not in searched],
        doubt=_doubt(term, kind, groups),
    )


def _open_lookups(term: str, user: Any) -> list[Lookup]:
    return [lookup for lookup in LOOKUPS[kind_of(term)] if lookup.is_open_to(user)]


def _group(model: type[Model], term: str, lookups: Iterable[Lookup]) -> Group:
    """Return the newest matching rows of a model, each once, with every reason why it matched."""
    by_row: dict[Any, list[Hit]] = {}
    is_partial = False
    for lookup in lookups:
        hits = list(lookup.find(term)) if lookup.model is model else []
        is_partial |= any(hit.is_of_many for hit in hits)
        for hit in hits:
            by_row.setdefault(hit.row.pk, []).append(hit)
    newest = sorted(by_row.values(), key=lambda hits: _time_of(hits[0].row), reverse=True)
    return Group(
        model,
        [_joined(hits) for hits in newest[:SHOWN]],
        is_cut=len(newest) > SHOWN,
        is_partial=is_partial,
    )


def _joined(hits: list[Hit]) -> Hit:
    """Join the hits of one row."""
    return Hit(
        hits[0].row,
        "; ".join(dict.fromkeys(hit.why for hit in hits)),
        is_exact=all(hit.is_exact for hit in hits),
        is_near=hits[0].is_near,
    )


def _time_of(row: Any) -> datetime:
    time: datetime = row.occurred_at if isinstance(row, AuditLog) else row.created_at
    return time


def _doubt(term: str, kind: TermKind, groups: list[Group]) -> str:
    """Explain why a support code finds no session; empty for any other term."""
    hits = [hit for group in groups for hit in group.hits]
    is_meant = kind is TermKind.CODE or (
        kind is TermKind.ANYTHING
        # Nine letters may be a name, unless a session has nearly this code.
        and (has_digit(term) or any(hit.is_near for hit in hits))
        and bool(near_support_codes(as_code(term)))
    )
    if not is_meant or any(not hit.is_near for hit in hits):
        return ""
    if parse_support_code(term):
        return "This support code is well-formed, but no session has it."
    return (
        "This is not a valid support code: a symbol is wrong, missing, added or swapped with "
        "another."
    )
