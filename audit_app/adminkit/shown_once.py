"""A page that shows a secret once: it is neither stored nor put into a cookie."""

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import reverse


def shown_once(
    request: HttpRequest, row: Model, *, title: str, secret: str, text: str
) -> TemplateResponse:
    """Return the answer to a POST that has made a secret for a row."""
    opts = row._meta
    context = {
        **admin.site.each_context(request),
        "title": title,
        "secret": secret,
        "text": text,
        "original": row,
        "opts": opts,
        "back": reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[row.pk]),
    }
    return TemplateResponse(request, "adminkit/shown_once.html", context)
