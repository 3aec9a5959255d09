"""The sign-in form, and the page to set up and remove a second factor."""

import io
from base64 import b32encode
from collections.abc import Callable
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.auth.signals import user_login_failed
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from backoffice_app.accounts import second_factor
from backoffice_app.accounts.passwords import PasswordForm

_CODE = {"autocomplete": "one-time-code", "autocapitalize": "none", "spellcheck": "false"}
_CODE_WRONG = (
    "This code is wrong or was used before. Wait for the next code. After several wrong codes, "
    "no code is accepted for a minute or more."
)
# Pages that staff may open before they have set up a required second factor.
_ALLOWED_BEFORE = ("second_factor", "second_factor_qr", "login", "logout", "jsi18n")


class SignInForm(AdminAuthenticationForm):
    """User name, password, and a code if the account has a second factor.

    The error does not disclose which of them was wrong.
    """

    code = forms.CharField(
        label="Code",
        required=False,
        max_length=20,
        widget=forms.TextInput(attrs=_CODE),
        help_text="Only if you have a second factor: a code from your app, or a recovery code.",
    )
    error_messages = {
        **AdminAuthenticationForm.error_messages,
        "invalid_login": "The user name, password or code is wrong, or the code is missing. Upper and "
        "lower case matter. Each code works only once.",
    }

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        user: Any = self.get_user()
        if user is not None and second_factor.is_set_up(user):
            user.otp_device = second_factor.check(user, values.get("code", ""))
            if user.otp_device is None:
                raise self._failed()
        return values

    def _failed(self) -> ValidationError:
        # So that it is counted and recorded like a wrong password.
        credentials = {"username": self.cleaned_data["username"]}
        user_login_failed.send(__name__, credentials=credentials, request=self.request)
        return self.get_invalid_login_error()


class CodeForm(forms.Form):
    code = forms.CharField(
        max_length=20,
        widget=forms.TextInput(attrs=_CODE),
        help_text="Six digits from your app, or a recovery code.",
    )


def second_factor_first(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: redirect staff without a required second factor to its page.

    Outside the admin they are anonymous.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        if second_factor.is_missing(request):
            if not request.path.startswith(reverse("admin:index")):
                request.user = AnonymousUser()
            elif request.path not in {reverse(f"admin:{name}") for name in _ALLOWED_BEFORE}:
                return redirect("admin:second_factor")
        return get_response(request)

    return middleware


@require_http_methods(["GET", "HEAD", "POST"])
def second_factor_page(request: HttpRequest) -> HttpResponseBase:
    """Show the second factor of the signed-in user; a POST sets it up, renews codes or removes it."""
    user, wanted = _user(request), request.POST.get("do", "")
    form = CodeForm(request.POST if wanted in _WITH_A_CODE else None)
    is_begin = wanted == "begin" and not second_factor.is_set_up(user)
    password_form = PasswordForm(request, request.POST if is_begin else None)
    if password_form.is_valid():
        second_factor.begin(request, user=user)
        return redirect("admin:second_factor")
    if form.is_valid():
        if answer := _WITH_A_CODE[wanted](request, user, form.cleaned_data["code"]):
            return answer
        form.add_error("code", _CODE_WRONG)
    return _page(
        request, "backoffice/accounts/second_factor.html", form=form, password_form=password_form
    )


@require_safe
def qr_code(request: HttpRequest) -> HttpResponse:
    """Return the secret that is being set up as a QR code (SVG)."""
    device = second_factor.pending(request)
    if device is None:
        raise Http404
    import segno  # 0.5 MiB, for a page that is rarely shown

    image = io.BytesIO()
    segno.make(device.config_url, micro=False).save(image, kind="svg", scale=5, light="#fff")
    return HttpResponse(image.getvalue(), content_type="image/svg+xml")


def _confirm(request: HttpRequest, user: User, code: str) -> HttpResponseBase | None:
    return _shown(request, second_factor.confirm(request, user=user, code=code))


def _renew(request: HttpRequest, user: User, code: str) -> HttpResponseBase | None:
    return _shown(request, second_factor.renew_codes(user=user, code=code))


def _remove(request: HttpRequest, user: User, code: str) -> HttpResponseBase | None:
    if not second_factor.remove(request, user=user, code=code):
        return None
    messages.success(
        request, "Your second factor is removed. Your password alone is enough to sign in."
    )
    return redirect("admin:second_factor")


_WITH_A_CODE = {"confirm": _confirm, "renew": _renew, "remove": _remove}


def _shown(request: HttpRequest, codes: list[str] | None) -> HttpResponseBase | None:
    return _page(request, "backoffice/accounts/recovery_codes.html", codes=codes) if codes else None


def _page(request: HttpRequest, template: str, **more: Any) -> TemplateResponse:
    user = _user(request)
    pending = second_factor.pending(request)
    return TemplateResponse(
        request,
        template,
        {
            **admin.site.each_context(request),
            "title": "Second factor",
            "is_set_up": second_factor.is_set_up(user),
            "pending": pending,
            "secret": _in_fours(b32encode(pending.bin_key).decode()) if pending else "",
            "recovery_codes": second_factor.RECOVERY_CODES,
            "codes_left": second_factor.codes_left(user),
            "is_required": settings.STAFF_SECOND_FACTOR == second_factor.REQUIRED,
            **more,
        },
    )


def _in_fours(text: str) -> str:
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user
