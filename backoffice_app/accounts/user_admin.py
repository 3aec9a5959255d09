"""Staff accounts and groups in the admin: Django's pages, with every change recorded."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import ManyToManyField
from django.forms import CheckboxSelectMultiple
from django.http import HttpRequest

from audit_app.adminkit.action_admin import ActionAdmin
from audit_app.adminkit.actions import Action, ActionRequest, NotDone
from audit_app.adminkit.reasons import ReasonForm
from backoffice_app.accounts import changes, second_factor


class RecordedChangesAdmin(admin.ModelAdmin[Any]):
    """Records changes in their transaction. It has no bulk actions."""

    actions: Any = None
    filter_horizontal = ()
    # Django's two lists with arrows do not fit on a phone and need JavaScript.
    formfield_overrides = {ManyToManyField: {"widget": CheckboxSelectMultiple}}

    def formfield_for_dbfield(self, *args: Any, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(*args, **kwargs)
        if field and isinstance(field.widget, RelatedFieldWidgetWrapper):
            # Without its links, which open pop-up windows.
            field.widget = field.widget.widget
        return field

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if request.method != "POST":
            return super().changeform_view(request, *args, **kwargs)
        with changes.recorded():
            return super().changeform_view(request, *args, **kwargs)

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        with changes.recorded():
            return super().delete_view(request, *args, **kwargs)


class AccountReasonForm(ReasonForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].help_text = "Recorded in the audit log."


def _reset(user: User, action_request: ActionRequest) -> str:
    if user == action_request.request.user:
        raise NotDone(
            "This is your own account. Remove the factor under “Second factor”, with a code."
        )
    if not second_factor.is_set_up(user):
        raise NotDone("This account no longer has a second factor.")
    second_factor.reset(user=user, reason=action_request.reason)
    return "The second factor is removed, and the account is signed out everywhere."


RESET = Action(
    name="reset_second_factor",
    permission="auth.change_user",
    title="Remove the second factor",
    explanation="For a colleague who has lost the app and the recovery codes. Make sure that the "
    "request comes from them: their password alone is then enough until they set up a second factor "
    "again. They are signed out everywhere.",
    button="Remove the second factor",
    fits=second_factor.is_set_up,
    act=_reset,
    presets=("The phone is lost", "The phone was replaced", "The account may be in wrong hands"),
    form=AccountReasonForm,
)


class StaffAdmin(RecordedChangesAdmin, ActionAdmin, UserAdmin[User]):
    """Accounts, for superusers only; also removes a lost second factor."""

    row_actions = (RESET,)
    change_user_password_template = "backoffice/accounts/colleague_password.html"  # noqa: S105 (a template)
    list_display = [
        "username",
        "first_name",
        "last_name",
        "is_active",
        "is_superuser",
        "last_login",
    ]
    readonly_fields = ["last_login", "date_joined"]

    # ActionAdmin is read-only; these pages are Django's.
    has_add_permission = UserAdmin.has_add_permission
    has_change_permission = UserAdmin.has_change_permission
    has_delete_permission = UserAdmin.has_delete_permission

    def user_change_password(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if request.method != "POST":
            return super().user_change_password(request, *args, **kwargs)
        with changes.recorded():
            return super().user_change_password(request, *args, **kwargs)


class StaffGroupAdmin(RecordedChangesAdmin, GroupAdmin):
    """Groups, for superusers only."""


def register(site: admin.AdminSite) -> None:
    """Replace Django's pages."""
    for model in (User, Group):
        site.unregister(model)
    site.register(User, StaffAdmin)
    site.register(Group, StaffGroupAdmin)
