"""Export or erase all verified sessions of a person, starting from one of them."""

from django import forms
from django.contrib import messages
from django.http import HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.defaultfilters import filesizeformat
from django.urls import reverse

from audit_app.adminkit.actions import Action, ActionRequest, Effect, NotDone
from audit_app.adminkit.reasons import ReasonForm
from backoffice_app import exports
from backoffice_app.person.sessions import Person, digest, listed, person_behind
from sessions_app.models import SessionStatus, UserSession
from sessions_app.services import privacy
from sessions_app.uuid_helpers import parse_support_code

# After this many seconds one request starts no further erasure. The next request continues.
ERASE_SECONDS = 20.0
_SESSION = "admin:sessions_app_usersession"


def _state(session: UserSession) -> str:
    """Return a value that changes with the set of verified sessions."""
    return digest([one.uuid for one in person_behind(session).verified])


def _load_person(session: UserSession) -> Person:
    """Return the person; raises NotDone if this session has not verified its address."""
    if not _may_act(session):
        raise NotDone(
            "Nothing was done: this session only claims its e-mail address. Start from a "
            "session that has verified it."
        )
    return person_behind(session)


def _export(session: UserSession, action_request: ActionRequest) -> HttpResponseBase:
    verified = _load_person(session).verified
    return exports.zipped(
        verified, name=f"person-{session.support_code}", reason=action_request.reason
    )


def _erase(session: UserSession, action_request: ActionRequest) -> HttpResponseBase:
    person = _load_person(session)
    if action_request.values["seen"] != digest([one.uuid for one in person.verified]):
        raise NotDone(
            "Nothing was done: the list of verified sessions has changed. Check it and start again."
        )
    # The other sessions are found through this one: while there are more, keep it.
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
        f"{_sessions(done)} erased. There are more: choose “Erase all verified sessions” again to "
        "continue.",
    )
    return HttpResponseRedirect(reverse(f"{_SESSION}_person", args=[session.pk]))


def _sessions(count: int) -> str:
    return "1 session was" if count == 1 else f"{count} sessions were"


def _erasure(session: UserSession) -> Effect:
    person = person_behind(session)
    sessions = listed(person.verified)
    return Effect(
        removed=[
            f"verified sessions: {', '.join(str(one.session) for one in sessions)}",
            *privacy.REMOVED,
            f"files stored: {sum(one.files for one in sessions)} "
            f"({filesizeformat(sum(one.bytes for one in sessions))})",
        ],
        kept=[
            f"sessions that only claim the address ({len(person.claimed)} shown): unchanged",
            *(f"{what}: {why} ({how_long})" for what, why, how_long in privacy.kept()),
        ],
    )


class PersonErasureForm(ReasonForm):
    """The reason, and the session's support code, which must be typed to prevent accidents."""

    code = forms.CharField(
        label="Support code",
        max_length=40,
        widget=forms.TextInput(attrs={"class": "vTextField", "autocomplete": "off"}),
        help_text="Type the support code of this session to confirm that it is the right person.",
    )

    def clean_code(self) -> str:
        code = parse_support_code(self.cleaned_data["code"])
        if code != self.row.support_code:
            raise forms.ValidationError("This is not the support code of this session.")
        return str(code)


def _may_act(session: UserSession) -> bool:
    return session.email_proven and session.status != SessionStatus.ERASED


ACTIONS = (
    Action(
        name="export_person",
        permission="sessions_app.export_usersession",
        title="Export all verified sessions",
        explanation="Everything stored about the verified sessions, unmasked, as one ZIP: a JSON "
        "document and the files of each session. Sessions that only claim the address are left out. "
        "The export and your reason are recorded in the history of each session. Send the file only "
        "to this person, by a channel that you trust, and delete your copy.",
        button="Download the ZIP",
        fits=_may_act,
        act=_export,
        state=_state,
        page="person",
    ),
    Action(
        name="erase_person",
        permission="sessions_app.erase_usersession",
        title="Erase all verified sessions",
        explanation="Permanently erases every session that has verified this e-mail address, one after "
        "the other. This cannot be undone. If it is interrupted, start it again: it continues with "
        "the rest.",
        button="Erase these sessions permanently",
        fits=_may_act,
        act=_erase,
        is_final=True,
        state=_state,
        form=PersonErasureForm,
        effect=_erasure,
        page="person",
    ),
)
