"""Service keys in the admin."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from audit_app.adminkit.read_only import ReadOnlyAdmin
from audit_app.adminkit.shown_once import shown_once
from sessions_app.models import Scope, ServiceKey
from sessions_app.services import service_keys


class ServiceKeyForm(forms.ModelForm[ServiceKey]):
    scopes = forms.MultipleChoiceField(
        choices=Scope.choices,
        widget=forms.CheckboxSelectMultiple,
        help_text="What the key permits.",
    )
    days = forms.IntegerField(
        min_value=1,
        max_value=service_keys.LONGEST_DAYS,
        initial=365,
        help_text="Days until the key expires.",
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
        """Create the key. The answer shows its secret, which is not stored."""
        obj.scopes = form.cleaned_data["scopes"]
        obj.expires_at = timezone.now() + timedelta(days=form.cleaned_data["days"])
        request.new_service_key = service_keys.issue_service_key(key=obj)

    def response_add(self, request: Any, obj: ServiceKey, post_url_continue: Any = None) -> Any:
        return shown_once(
            request,
            obj,
            title=f"The key of {obj}",
            secret=request.new_service_key,
            text="Give it to the service by a channel that you trust.",
        )

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
        """Ask for confirmation, then revoke the key."""
        if not request.user.has_perm("sessions_app.revoke_servicekey"):
            raise PermissionDenied
        key = get_object_or_404(ServiceKey, pk=object_id if object_id.isdecimal() else None)
        if request.method == "POST":
            if service_keys.revoke_service_key(key=key):
                messages.success(request, f"The key of {key} is revoked. It no longer works.")
            else:
                messages.warning(request, f"The key of {key} was already revoked.")
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
