"""Asks staff for their password again before a change that a stolen session must not make."""

from typing import Any

from django import forms
from django.contrib.auth import authenticate
from django.http import HttpRequest


def is_right(request: HttpRequest, password: str) -> bool:
    """Check the password of the signed-in user. A wrong one counts and locks like a failed sign-in."""
    username = request.user.get_username()
    return authenticate(request, username=username, password=password) is not None


def is_locked(request: HttpRequest) -> bool:
    """Whether a check within this request was refused. The middleware of django-axes answers then."""
    return bool(getattr(request, "axes_locked_out", False))


class PasswordForm(forms.Form):
    """The password of the signed-in user."""

    password = forms.CharField(
        label="Your password",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        if not is_right(self.request, password):
            raise forms.ValidationError("This password is wrong.")
        return password
