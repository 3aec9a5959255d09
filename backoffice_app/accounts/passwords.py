"""Asks staff for their password again before a change that a stolen session must not make."""

from typing import Any

from django import forms
from django.contrib.auth import authenticate
from django.http import HttpRequest


class PasswordForm(forms.Form):
    """The password of the signed-in user. A wrong one counts and locks like a failed sign-in."""

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
        username = self.request.user.get_username()
        if authenticate(self.request, username=username, password=password) is None:
            raise forms.ValidationError("This password is wrong.")
        return password
