"""The person behind a session: all sessions of one e-mail address, taken out or erased together.

Anybody can claim an address. So what was proven by a code is shown apart from
what is only claimed, and staff can act on the proven sessions alone, from one
of them. The address itself never stands in an address bar: a session's UUID does.
"""

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import reverse

from audit_app.adminkit import disclosure
from audit_app.adminkit.actions import Action, ActionRequest, Effect, NotDone, RowPage
from audit_app.adminkit.reasons import REVEAL_PRESETS, ReasonForm
from backoffice_app import exports
from common.masking import mask_email, mask_name
from sessions_app.admin import ERASE_PRESETS
from sessions_app.models import SessionStatus, UserSession
from sessions_app.services import privacy
from sessions_app.uuid_helpers import parse_support_code
from uploads_app.models import UploadQuota

# Of each kind, proven and claimed.
SHOWN = 100
# A press begins no further erasure after so many seconds; the next one goes on.
ERASE_SECONDS = 20.0
_SESSION = "admin:sessions_app_usersession"


@dataclass(frozen=True)
class PersonSession:
    """A session as its person's page lists it: what is personal is masked unless revealed."""

    session: UserSession
    name: str
    files: int
    bytes: int


@dataclass(frozen=True)
class Person:
    """The sessions of one e-mail address, newest first, at most SHOWN of each kind; and if there are more."""

    verified: Sequence[UserSession]
    claimed: Sequence[UserSession]
    more_verified: bool
    more_claimed: bool

    @property
    def sessions(self) -> list[UserSession]:
        """All that are shown."""
        return [*self.verified, *self.claimed]

    @property
    def uuids(self) -> list[uuid.UUID]:
        """The names of all that are shown."""
        return [session.uuid for session in self.sessions]


def person_behind(session: UserSession) -> Person:
    """Return the sessions that give the same e-mail address as this one, which is always among them."""
    theirs = UserSession.objects.of_email(session.email).prefetch_related("consents")
    verified = list(theirs.filter(email_proven=True)[: SHOWN + 1])
    claimed = list(theirs.filter(email_proven=False)[: SHOWN + 1])
    return Person(
        _first(verified, session if session.email_proven else None),
        _first(claimed, None if session.email_proven or not session.email else session),
        len(verified) > SHOWN,
        len(claimed) > SHOWN,
    )


def _first(sessions: list[UserSession], always: UserSession | None) -> list[UserSession]:
    if always is None or always in sessions[:SHOWN]:
        return sessions[:SHOWN]
    return [*sessions[: SHOWN - 1], always]


def _show(request: HttpRequest, session: UserSession, context: dict[str, Any]) -> HttpResponseBase:
    person = person_behind(session)
    disclosure.record_view(session_uuids=person.uuids or [session.uuid], page="person")
    revealed = disclosure.is_revealed(request, _page_name(session, person))
    context |= {
        "title": f"The person behind {session}",
        "email": session.email if revealed else mask_email(session.email),
        "person": person,
        "verified": _listed(person.verified, revealed),
        "claimed": _listed(person.claimed, revealed),
        "shown": SHOWN,
        "revealed": revealed,
    }
    return TemplateResponse(request, "backoffice/person.html", context)


def _listed(sessions: Sequence[UserSession], revealed: bool) -> list[PersonSession]:
    quotas = UploadQuota.objects.in_bulk([session.pk for session in sessions])
    nothing = UploadQuota()
    return [
        PersonSession(
            session,
            session.name if revealed else mask_name(session.name),
            quotas.get(session.pk, nothing).files,
            quotas.get(session.pk, nothing).bytes,
        )
        for session in sessions
    ]


def _page_name(session: UserSession, person: Person) -> str:
    """Name the page with what it shows, so that a session that comes later is masked again."""
    return f"person:{session.pk}:{_digest(person.uuids)}"


def _digest(uuids: Sequence[uuid.UUID]) -> str:
    return hashlib.sha256("".join(sorted(map(str, uuids))).encode()).hexdigest()[:16]


def _reveal(session: UserSession, action_request: ActionRequest) -> str:
    person = person_behind(session)
    disclosure.reveal(
        action_request.request,
        session_uuids=person.uuids,
        page=_page_name(session, person),
        reason=action_request.reason,
    )
    return "Personal values are shown on this page for 15 minutes."


# Acting on all that is verified ------------------------------------------------------------------


def _state(session: UserSession) -> str:
    """Return what changes with the set of verified sessions."""
    return _digest([one.uuid for one in person_behind(session).verified])


def _load_person(session: UserSession) -> Person:
    """Return the person; NotDone if this session does not prove that it is theirs."""
    if not _may_act(session):
        raise NotDone(
            "Nothing was done: this session only claims its e-mail address. Act from a session "
            "whose visitor has proven it."
        )
    return person_behind(session)


def _export(session: UserSession, action_request: ActionRequest) -> HttpResponseBase:
    verified = _load_person(session).verified
    return exports.zipped(
        verified, name=f"person-{session.support_code}", reason=action_request.reason
    )


def _erase(session: UserSession, action_request: ActionRequest) -> HttpResponseBase:
    person = _load_person(session)
    if action_request.values["seen"] != _digest([one.uuid for one in person.verified]):
        raise NotDone(
            "Nothing was done: there are other sessions now. Look at them, and begin again."
        )
    # By this session the others are found: while there are more than are shown, it has to wait.
    among = [one for one in person.verified if not (person.more_verified and one == session)]
    done = privacy.erase_person(
        session=session, among=among, reason=action_request.reason, seconds=ERASE_SECONDS
    )
    session.refresh_from_db()
    if session.status == SessionStatus.ERASED:
        messages.success(action_request.request, f"{_sessions(done)} erased just now.")
        return HttpResponseRedirect(reverse(f"{_SESSION}_certificate", args=[session.pk]))
    messages.warning(
        action_request.request,
        f"{_sessions(done)} erased, and there are more. Press “Erase all that is verified” again: it "
        "goes on with the others.",
    )
    return HttpResponseRedirect(reverse(f"{_SESSION}_person", args=[session.pk]))


def _sessions(count: int) -> str:
    return "1 session was" if count == 1 else f"{count} sessions were"


def _erasure(session: UserSession) -> Effect:
    person = person_behind(session)
    listed = _listed(person.verified, revealed=False)
    return Effect(
        goes=[
            f"verified sessions: {', '.join(str(one.session) for one in listed)}",
            *privacy.GOES,
            f"files held: {sum(one.files for one in listed)} "
            f"({filesizeformat(sum(one.bytes for one in listed))})",
        ],
        stays=[
            f"sessions that only claim the address ({len(person.claimed)} are shown): never touched",
            *(f"{what}: {why} ({how_long})" for what, why, how_long in privacy.STAYS),
        ],
    )


class PersonErasureForm(ReasonForm):
    """Why, and the support code of the session, typed: nobody erases a person by a slip."""

    code = forms.CharField(
        label="Support code",
        max_length=40,
        widget=forms.TextInput(attrs={"class": "vTextField", "autocomplete": "off"}),
        help_text="Type the support code of this session, to be sure that it is the right person.",
    )

    def clean_code(self) -> str:
        """Compare the code with the session's, in any spelling."""
        code = parse_support_code(self.cleaned_data["code"])
        if code != self.row.support_code:
            raise forms.ValidationError("This is not the support code of this session.")
        return str(code)


def _may_act(session: UserSession) -> bool:
    return session.email_proven and session.status != SessionStatus.ERASED


ACTIONS = (
    Action(
        name="reveal_person",
        permission=disclosure.MAY_REVEAL,
        title="Show personal values",
        explanation="The address and the names are shown on this page, to you alone, for 15 minutes. "
        "That you looked, and why, stands in the audit log and in the history of each session.",
        button="Show them for 15 minutes",
        fits=lambda session: bool(session.email),
        act=_reveal,
        presets=REVEAL_PRESETS,
        state=lambda _: "",
        page="person",
    ),
    Action(
        name="export_person",
        permission="sessions_app.export_usersession",
        title="Export all that is verified",
        explanation="Everything held about the verified sessions, in clear, as one ZIP: for each its "
        "JSON document and its files. Sessions that only claim the address are not in it. That it was "
        "handed out, and why, stands in the history of each session. Send it only to whom it belongs, "
        "by a way that you trust, and delete your copy.",
        button="Download the ZIP",
        fits=_may_act,
        act=_export,
        presets=exports.EXPORT_PRESETS,
        state=_state,
        page="person",
    ),
    Action(
        name="erase_person",
        permission="sessions_app.erase_usersession",
        title="Erase all that is verified",
        explanation="Every session whose visitor has proven this e-mail address is erased at once and "
        "for good, one after the other. Nobody can undo this. If it is cut off in the middle, do it "
        "again: it goes on with what is left.",
        button="Erase these sessions for good",
        fits=_may_act,
        act=_erase,
        presets=ERASE_PRESETS,
        state=_state,
        form=PersonErasureForm,
        effect=_erasure,
        page="person",
    ),
)
PAGE = RowPage(
    name="person",
    permission="sessions_app.view_usersession",
    title="Person",
    fits=lambda _: True,
    show=_show,
)
