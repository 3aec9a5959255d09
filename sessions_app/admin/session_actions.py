"""What staff can do to a session. Every action asks for a reason and calls a service."""

from django import forms
from django.http import HttpResponseBase
from django.template.defaultfilters import filesizeformat
from django.utils.formats import date_format
from django.utils.timezone import localtime

from audit_app.adminkit.actions import Action, ActionRequest, Effect, NotDone
from audit_app.adminkit.reasons import PRESETS, ReasonForm
from audit_app.adminkit.shown_once import shown_once
from sessions_app.models import SessionStatus, UserSession
from sessions_app.services import privacy, recovery, sessions
from sessions_app.signals import describe


class ExtendForm(ReasonForm):
    days = forms.TypedChoiceField(
        label="Keep it active for",
        choices=[
            (7, "at least 7 more days"),
            (14, "at least 14 more days"),
            (30, "at least 30 more days"),
        ],
        coerce=int,
        initial=7,
    )


def _revoke(session: UserSession, action_request: ActionRequest) -> str:
    sessions.revoke_session(session=session, reason=action_request.reason)
    return f"{session} is revoked. Its visitor can no longer use it."


def _extend(session: UserSession, action_request: ActionRequest) -> str:
    until = sessions.extend_session(
        session=session, days=action_request.values["days"], reason=action_request.reason
    )
    return f"{session} is extended to {date_format(localtime(until), 'DATETIME_FORMAT')}."


def _recover(session: UserSession, action_request: ActionRequest) -> HttpResponseBase:
    code = recovery.issue_recovery_code(session=session, reason=action_request.reason)
    return shown_once(
        action_request.request,
        session,
        title=f"Recovery code of {session}",
        secret=code,
        text="It works once, for 15 minutes. Give it to the visitor, who enters it on the other device.",
    )


def _erase(session: UserSession, action_request: ActionRequest) -> str:
    if not privacy.erase_session(session=session, reason=action_request.reason):
        raise NotDone("This session was already erased. Nothing was changed.")
    return (
        f"{session} is erased. The certificate lists what was removed, what stays, and whether "
        "every file has been removed from storage."
    )


def _erasure(session: UserSession) -> Effect:
    used = describe(session, "used")
    size = filesizeformat(used["bytes"])
    return Effect(
        removed=[*privacy.REMOVED, f"stored files: {used['files']} ({size})"],
        kept=[f"{what}: {why} ({how_long})" for what, why, how_long in privacy.kept()],
    )


def _is_active(session: UserSession) -> bool:
    return session.status == SessionStatus.ACTIVE


ACTIONS = (
    Action(
        name="revoke",
        permission="sessions_app.revoke_usersession",
        title="Revoke",
        explanation="The visitor can no longer use this session. The page says why and offers a new "
        "session. Files stay until their retention is over. This cannot be undone.",
        button="Revoke this session",
        fits=_is_active,
        act=_revoke,
        presets=(*PRESETS, "Somebody else has the visitor's device"),
        is_final=True,
    ),
    Action(
        name="extend",
        permission="sessions_app.extend_usersession",
        title="Extend",
        explanation="The session stays active for at least this time, used or not, but at most 30 days "
        "beyond its regular end. It never ends earlier because of this.",
        button="Extend this session",
        fits=_is_active,
        act=_extend,
        presets=("The visitor is away", "The visitor is waiting for documents", "A case is open"),
        form=ExtendForm,
    ),
    Action(
        name="recover",
        permission="sessions_app.recover_usersession",
        title="Issue a recovery code",
        explanation="The person who enters the code takes over this session. Make sure that you are "
        "talking to its visitor. The old device loses the session soon after the new one starts "
        "to use it. Both see this in their activity.",
        button="Issue a recovery code",
        fits=_is_active,
        act=_recover,
        presets=("The visitor changed the device", "The visitor's browser forgot the session"),
    ),
    Action(
        name="erase",
        permission="sessions_app.erase_usersession",
        title="Erase",
        explanation="All personal data is removed immediately and permanently, in any state of the "
        "session. Make sure that you are talking to its visitor. This cannot be undone, and no "
        "file can be restored afterwards.",
        button="Erase this session permanently",
        fits=lambda session: session.status != SessionStatus.ERASED,
        act=_erase,
        effect=_erasure,
        is_final=True,
    ),
)
