"""Sessions in the admin."""

import uuid

from django.contrib import admin
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.timezone import localtime

from audit_app.adminkit.action_admin import ActionAdmin, copied, personal
from audit_app.adminkit.sorts import Sort, newest_and_oldest
from audit_app.models import AuditLog
from common.masking import mask_email, mask_name
from sessions_app import events
from sessions_app.admin.session_actions import ACTIONS
from sessions_app.models import SessionStatus, UserSession
from sessions_app.services.privacy import visitors_events


def state_in_words(session: UserSession) -> str:
    """Describe a session's state, with its time and reason."""
    ended = date_format(localtime(session.ended_at), "DATETIME_FORMAT") if session.ended_at else ""
    until = date_format(localtime(session.expires_at), "DATETIME_FORMAT")
    match session.status:
        case SessionStatus.ACTIVE if session.expires_at > timezone.now():
            limit = session.expiry_reason()
            however = "unless it is used" if limit in ("idle", "unused") else "used or not"
            return f"Active. It expires on {until}, {however} (limit: {limit})."
        case SessionStatus.ACTIVE:
            return f"Expired on {until} (limit: {session.expiry_reason()}); not recorded yet."
        case SessionStatus.EXPIRED:
            why = events.EXPIRED.words.get(session.end_reason, session.end_reason)
            return f"Expired on {ended}: {why}."
        case SessionStatus.RESET:
            return f"Replaced by its visitor with a new session on {ended} ({session.end_reason})."
        case SessionStatus.ENDED:
            return f"Ended by its visitor on {ended}."
        case SessionStatus.REVOKED:
            return f"Revoked by staff on {ended}: {session.end_reason}"
    if session.erased_at:
        return f"Erased: its personal data and files are removed. It ended on {ended}."
    return "Erasure in progress: the database is done, some files are still in storage."


def place(session: UserSession, event: AuditLog | None) -> str:
    """Describe the device and address of an event."""
    part = getattr(event, "personal", None)
    if event is None or part is None:
        return "unknown"
    is_revealed = getattr(session, "is_revealed", False)
    values = part.values() if is_revealed else part.masked_values()
    return ", ".join(filter(None, [values.get("user_agent"), values.get("address")])) or "unknown"


def _link(session: UserSession | None) -> str:
    if session is None:
        return "-"
    page = reverse("admin:sessions_app_usersession_change", args=[session.pk])
    return format_html('<a href="{}">{}</a> ({})', page, session, session.get_status_display())


@admin.register(UserSession)
class UserSessionAdmin(ActionAdmin):
    row_actions = ACTIONS
    reveals = True
    sorts = (
        *newest_and_oldest("created_at"),
        Sort("-last_seen_at", "Last seen first", {"status__exact": SessionStatus.ACTIVE.value}),
    )
    list_display = ["code", "status", "created_at", "last_seen_at", "expires_at"]
    list_filter = ["status", "created_at"]
    fieldsets = [
        (None, {"fields": ["state", "code", "session_uuid"]}),
        (
            "Visitor",
            {"fields": ["shown_name", "shown_email", "e_mail_is", "consent", "created_from", "last_from"]},
        ),
        (
            "Times",
            {"fields": ["created_at", "last_seen_at", "used_at", "completed_at", "expires_at",
                        "extended_until", "ended_at", "erased_at"]},
        ),
        ("Predecessor and successor", {"fields": ["came_from", "next_session"]}),
    ]  # fmt: skip
    code = copied("support_code", "support code")
    session_uuid = copied("uuid", "session UUID")
    shown_name = personal("name", mask_name)
    shown_email = personal("email", mask_email, "e-mail")

    def sessions_of(self, row: UserSession) -> list[uuid.UUID]:
        return [row.uuid]

    @admin.display(description="state")
    def state(self, session: UserSession) -> str:
        return state_in_words(session)

    @admin.display(description="e-mail is")
    def e_mail_is(self, session: UserSession) -> str:
        if not session.email:
            return "-"
        return "proven by a code" if session.email_proven else "not proven: anyone can enter it"

    @admin.display(description="created from")
    def created_from(self, session: UserSession) -> str:
        return place(session, visitors_events(session).order_by("occurred_at", "pk").first())

    @admin.display(description="last recorded from")
    def last_from(self, session: UserSession) -> str:
        return place(session, visitors_events(session).first())

    @admin.display(description="predecessor")
    def came_from(self, session: UserSession) -> str:
        return _link(session.predecessor)

    @admin.display(description="successor")
    def next_session(self, session: UserSession) -> str:
        return _link(getattr(session, "successor", None))

    @admin.display(description="consent")
    def consent(self, session: UserSession) -> str:
        answers = [
            f"{answer} (wording {answer.version}, {localtime(answer.changed_at):%Y-%m-%d %H:%M})"
            for answer in session.consents.all()
        ]
        return "; ".join(answers) or "none"
