"""The page on which staff see where they are signed in, and sign out elsewhere."""

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_http_methods

from backoffice_app.accounts import sessions
from backoffice_app.accounts.passwords import PasswordForm


@require_http_methods(["GET", "HEAD", "POST"])
def sign_ins_page(request: HttpRequest) -> HttpResponseBase:
    """List the sessions of the signed-in user; a POST with the password ends one, or all others."""
    form = PasswordForm(request, request.POST if request.method == "POST" else None)
    if form.is_valid():
        ended = sessions.end_own(request, request.POST.get("session", ""))
        if ended:
            messages.success(request, f"Signed out elsewhere: {ended}.")
        else:
            messages.warning(request, "Nothing was done: that session had already ended.")
        return redirect("admin:sign_ins")
    context = {
        **admin.site.each_context(request),
        "title": "Where you are signed in",
        "sign_ins": sessions.own(request),
        "form": form,
    }
    return TemplateResponse(request, "backoffice/accounts/sign_ins.html", context)
