"""Sessions and service keys in the admin; every change asks first and goes through a service."""

import uuid
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.timezone import localtime

from audit_app.adminkit.action_admin import ActionAdmin, personal
from audit_app.adminkit.actions import Action, ActionRequest, Effect, NotDone
from audit_app.adminkit.read_only import ReadOnlyAdmin
from audit_app.adminkit.reasons import ReasonForm
from audit_app.models import AuditLog
from common.masking import mask_email, mask_name
from sessions_app import services
from sessions_app.models import Scope, ServiceKey, SessionStatus, UserSession
from sessions_app.services import privacy, recovery, service_keys
from sessions_app.services.privacy import visitors_events
from sessions_app.signals import describe


class ExtendForm(ReasonForm):
    """For how long, and why."""

    days = forms.TypedChoiceField(
        label="Let it live",
        choices=[
            (7, "at least 7 more days"),
            (14, "at least 14 more days"),
            (30, "at least 30 more days"),
        ],
        coerce=int,
        initial=7,
    )


def _revoke(session: UserSession, action_request: ActionRequest) -> str:
    services.revoke_session(session=session, reason=action_request.reason)
    return f"{session} is revoked: its visitor is refused from now on."


def _extend(session: UserSession, action_request: ActionRequest) -> str:
    until = services.extend_session(
        session=session, days=action_request.values["days"], reason=action_request.reason
    )
    return f"{session} lives at least until {date_format(localtime(until), 'DATETIME_FORMAT')}."


def _recover(session: UserSession, action_request: ActionRequest) -> str:
    code = recovery.issue_recovery_code(session=session, reason=action_request.reason)
    return (
        f"The recovery code is {code}. It is shown only now, is good once and for 15 minutes: "
        "tell it to the visitor, who types it in on the other device."
    )


def _erase(session: UserSession, action_request: ActionRequest) -> str:
    if not privacy.erase_session(session=session, reason=action_request.reason):
        raise NotDone("This session was erased before, so nothing was done.")
    return (
        f"{session} is erased. The certificate says what went, what stays, and whether storage has "
        "given up every file."
    )


def _erasure(session: UserSession) -> Effect:
    used = describe(session, "used")
    size = filesizeformat(used["bytes"])
    return Effect(
        goes=[*privacy.GOES, f"files held: {used['files']} ({size})"],
        stays=[f"{what}: {why} ({how_long})" for what, why, how_long in privacy.STAYS],
    )


def _is_active(session: UserSession) -> bool:
    return session.status == SessionStatus.ACTIVE


ERASE_PRESETS = ("The visitor asked for it", "A guardian or lawyer asked for it")

_ACTIONS = (
    Action(
        name="revoke",
        permission="sessions_app.revoke_usersession",
        title="Revoke",
        explanation="The visitor is refused from the next request on, told why, and can begin a new "
        "session. Files stay until their retention is over. This cannot be undone.",
        button="Revoke this session",
        fits=_is_active,
        act=_revoke,
        presets=("The visitor asked for it", "Abuse", "Somebody else has the visitor's device"),
    ),
    Action(
        name="extend",
        permission="sessions_app.extend_usersession",
        title="Extend",
        explanation="The session lives at least so long from now on, used or not, but never more than "
        "30 days beyond its ordinary end. It never ends sooner by this.",
        button="Extend this session",
        fits=_is_active,
        act=_extend,
        presets=("The visitor is away", "The visitor waits for documents", "A case is open"),
        form=ExtendForm,
    ),
    Action(
        name="recover",
        permission="sessions_app.recover_usersession",
        title="Issue a recovery code",
        explanation="Whoever types the code in takes this session over. Be sure that you are talking "
        "to its visitor. The device that holds it now is refused soon after the other begins to "
        "use it, and both can read in their activity that this happened.",
        button="Issue a recovery code",
        fits=_is_active,
        act=_recover,
        presets=("The visitor changed the device", "The visitor's browser forgot the session"),
    ),
    Action(
        name="erase",
        permission="sessions_app.erase_usersession",
        title="Erase",
        explanation="Everything personal goes at once and for good, whatever state the session is "
        "in. Be sure that you are talking to its visitor. Nobody can undo this, and nobody can "
        "restore a file afterwards.",
        button="Erase this session for good",
        fits=lambda session: session.status != SessionStatus.ERASED,
        act=_erase,
        presets=ERASE_PRESETS,
        effect=_erasure,
    ),
)


_WHY_EXPIRED = {
    "idle": "it was not used for too long",
    "absolute": "it had reached its greatest age",
    "unused": "it was never used",
    "extended": "the time that staff had added was over",
}


def _sentence(session: UserSession) -> str:
    """Say where a session is in its life, since when or until when, and why."""
    ended = date_format(localtime(session.ended_at), "DATETIME_FORMAT") if session.ended_at else ""
    until = date_format(localtime(session.expires_at), "DATETIME_FORMAT")
    match session.status:
        case SessionStatus.ACTIVE if session.expires_at > timezone.now():
            limit = session.expiry_reason()
            however = "unless it is used" if limit in ("idle", "unused") else "used or not"
            return f"Active. It expires on {until}, {however} (limit: {limit})."
        case SessionStatus.ACTIVE:
            return f"Over since {until} (limit: {session.expiry_reason()}); not recorded yet."
        case SessionStatus.EXPIRED:
            why = _WHY_EXPIRED.get(session.end_reason, session.end_reason)
            return f"Expired on {ended}: {why}."
        case SessionStatus.RESET:
            return f"Left by its visitor for a fresh session on {ended} ({session.end_reason})."
        case SessionStatus.ENDED:
            return f"Ended by its visitor on {ended}."
        case SessionStatus.REVOKED:
            return f"Revoked by staff on {ended}: {session.end_reason}"
    if session.erased_at:
        return f"Erased; nothing personal and no file is left. It had ended on {ended}."
    return "Being erased: the database has forgotten, and storage has yet to remove some files."


def _place(session: UserSession, event: AuditLog | None) -> str:
    """Say by what device and from where an event was asked for."""
    part = getattr(event, "personal", None)
    if event is None or part is None:
        return "not known"
    is_revealed = getattr(session, "is_revealed", False)
    values = part.values() if is_revealed else part.masked_values()
    return ", ".join(filter(None, [values.get("user_agent"), values.get("address")])) or "not known"


def _link(session: UserSession | None) -> str:
    if session is None:
        return "-"
    page = reverse("admin:sessions_app_usersession_change", args=[session.pk])
    return format_html('<a href="{}">{}</a> ({})', page, session, session.get_status_display())


@admin.register(UserSession)
class UserSessionAdmin(ActionAdmin):
    row_actions = _ACTIONS
    reveals = True
    list_display = ["support_code", "status", "created_at", "last_seen_at", "expires_at"]
    list_filter = ["status", "created_at"]
    fieldsets = [
        (None, {"fields": ["state", "support_code", "uuid"]}),
        (
            "Visitor",
            {"fields": ["shown_name", "shown_email", "e_mail_is", "consent", "began_from", "last_from"]},
        ),
        (
            "Times",
            {"fields": ["created_at", "last_seen_at", "used_at", "completed_at", "expires_at",
                        "extended_until", "ended_at", "erased_at"]},
        ),
        ("Before and after", {"fields": ["came_from", "next_session"]}),
    ]  # fmt: skip
    shown_name = personal("name", mask_name)
    shown_email = personal("email", mask_email, "e-mail")

    def sessions_of(self, row: UserSession) -> list[uuid.UUID]:
        return [row.uuid]

    @admin.display(description="state")
    def state(self, session: UserSession) -> str:
        """Say in a sentence where the session is in its life, and why."""
        return _sentence(session)

    @admin.display(description="e-mail is")
    def e_mail_is(self, session: UserSession) -> str:
        if not session.email:
            return "-"
        return "proven by a code" if session.email_proven else "only claimed: anybody can claim it"

    @admin.display(description="began from")
    def began_from(self, session: UserSession) -> str:
        return _place(session, visitors_events(session).order_by("occurred_at", "pk").first())

    @admin.display(description="last recorded from")
    def last_from(self, session: UserSession) -> str:
        return _place(session, visitors_events(session).first())

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
        return "; ".join(answers) or "never asked"


class ServiceKeyForm(forms.ModelForm[ServiceKey]):
    """A key to be: whose, what for, how long."""

    scopes = forms.MultipleChoiceField(
        choices=Scope.choices, widget=forms.CheckboxSelectMultiple, help_text="What it is good for."
    )
    days = forms.IntegerField(
        min_value=1,
        max_value=service_keys.LONGEST_DAYS,
        initial=365,
        help_text="Days until it expires.",
    )

    class Meta:
        model = ServiceKey
        fields = ["name"]


@admin.register(ServiceKey)
class ServiceKeyAdmin(ReadOnlyAdmin):
    list_display = ["name", "scopes", "created_at", "expires_at", "last_used_at", "revoked_at"]
    fields = ["name", "scopes", "created_at", "expires_at", "last_used_at", "revoked_at"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("sessions_app.add_servicekey")

    def get_form(self, request: Any, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if obj is None:
            return super().get_form(request, obj, change, form=ServiceKeyForm, **kwargs)
        return super().get_form(request, obj, change, **kwargs)

    def get_fields(self, request: HttpRequest, obj: ServiceKey | None = None) -> list[Any]:
        return list(super().get_fields(request, obj)) if obj else ["name", "scopes", "days"]

    def save_model(self, request: Any, obj: ServiceKey, form: Any, change: Any) -> None:
        """Make the key and show its secret, this once."""
        obj.scopes = form.cleaned_data["scopes"]
        obj.expires_at = timezone.now() + timedelta(days=form.cleaned_data["days"])
        secret = service_keys.issue_service_key(key=obj)
        messages.warning(request, f"The key of {obj} is {secret} — it is shown only now.")

    def get_urls(self) -> list[URLPattern]:
        revoke = path(
            "<path:object_id>/revoke/",
            self.admin_site.admin_view(self.revoke_view),
            name="sessions_app_servicekey_revoke",
        )
        return [revoke, *super().get_urls()]

    def render_change_form(self, request: Any, context: Any, *args: Any, **kwargs: Any) -> Any:
        context["may_revoke"] = request.user.has_perm("sessions_app.revoke_servicekey")
        return super().render_change_form(request, context, *args, **kwargs)

    def revoke_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, and take a key back."""
        if not request.user.has_perm("sessions_app.revoke_servicekey"):
            raise PermissionDenied
        key = get_object_or_404(ServiceKey, pk=object_id if object_id.isdecimal() else None)
        if request.method == "POST":
            if service_keys.revoke_service_key(key=key):
                messages.success(
                    request, f"The key of {key} is revoked: it opens nothing any more."
                )
            else:
                messages.warning(request, f"The key of {key} was revoked before.")
            return HttpResponseRedirect(
                reverse("admin:sessions_app_servicekey_change", args=[key.pk])
            )
        return TemplateResponse(
            request,
            "admin/sessions_app/servicekey/revoke.html",
            {
                **self.admin_site.each_context(request),
                "title": f"Revoke the key of {key}",
                "back": reverse("admin:sessions_app_servicekey_change", args=[key.pk]),
                "original": key,
                "opts": self.opts,
            },
        )
