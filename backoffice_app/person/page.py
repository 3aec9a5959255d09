"""The person's page, and revealing its personal values.

Its URL has a session's UUID, never the e-mail address.
"""

from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse

from audit_app.adminkit import disclosure
from audit_app.adminkit.actions import Action, ActionRequest, RowPage
from audit_app.adminkit.reasons import REVEAL_PRESETS
from backoffice_app.person.sessions import SHOWN, listed, person_behind
from common.masking import mask_email
from sessions_app.models import UserSession


def _show(request: HttpRequest, session: UserSession, context: dict[str, Any]) -> HttpResponseBase:
    person = person_behind(session)
    disclosure.record_view(session_uuids=person.uuids or [session.uuid], page="person")
    revealed = {uuid for uuid in person.uuids if disclosure.is_revealed(request, [uuid])}
    is_revealed = session.uuid in revealed
    context |= {
        "title": f"The person behind {session}",
        "email": session.email if is_revealed else mask_email(session.email),
        "person": person,
        "verified": listed(person.verified, revealed),
        "claimed": listed(person.claimed, revealed),
        "shown": SHOWN,
        "has_revealed": bool(revealed),
    }
    return TemplateResponse(request, "backoffice/person.html", context)


def _reveal(session: UserSession, action_request: ActionRequest) -> str:
    person = person_behind(session)
    disclosure.reveal(
        action_request.request,
        session_uuids=person.uuids,
        page=f"person:{session.pk}",
        reason=action_request.reason,
    )
    return "Personal values of these sessions are shown to you for 15 minutes, on all their pages."


REVEAL = Action(
    name="reveal_person",
    permission=disclosure.MAY_REVEAL,
    title="Show personal values",
    explanation="The address and the names of all sessions on this page are shown, only to you, for "
    "15 minutes, on their own pages too. The reveal and your reason are recorded in the audit log "
    "and in the history of each session.",
    button="Show them for 15 minutes",
    fits=lambda session: bool(session.email),
    act=_reveal,
    presets=REVEAL_PRESETS,
    state=lambda _: "",
    page="person",
)
PAGE = RowPage(
    name="person",
    permission="sessions_app.view_usersession",
    title="Person",
    fits=lambda _: True,
    show=_show,
)
