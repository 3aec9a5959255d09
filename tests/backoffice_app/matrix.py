"""The permission matrix: every page of the admin, asked for and acted on as everybody."""

import re
from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.db.models import Model
from django.test import Client
from django.urls import NoReverseMatch, URLPattern, URLResolver, reverse

from sessions_app.models import UserSession
from tests.backoffice_app.pages import list_of

ROLES = ("anonymous", "visitor", "staff", "Support", "Auditor", "Operator", "superuser")
SIGN_IN = "sign in"
# Neither the log-out in every page's head nor the frame of every list.
_FORM = re.compile(
    r'<form(?![^>]*id="(?:logout-form|changelist-form|changelist-search)")[^>]*method="post"'
)


def client_of(role: str, make_staff: Any) -> Client:
    """Return a client that is signed in as `role`."""
    match role:
        case "anonymous":
            return Client()
        case "visitor":
            client = Client()
            client.force_login(User.objects.create_user("no-staff"))
            return client
        case "staff":
            found: Client = make_staff()
        case "superuser":
            found = make_staff(is_superuser=True)
        case _:
            found = make_staff(role)
    return found


def addresses(rows: list[Model]) -> dict[str, str]:
    """Return the address of every page of the admin by its name, for the rows given."""
    by_model = {f"{row._meta.app_label}_{row._meta.model_name}": row for row in rows}
    found = {}
    code = next(row.support_code for row in rows if isinstance(row, UserSession))
    for name, parameters in _views(admin.site.urls[0]):
        row = next((row for key, row in by_model.items() if name.startswith(f"{key}_")), None)
        values = {
            "object_id": quote(row.pk) if row else None,
            "id": row.pk if row else None,
            "app_label": "sessions_app",
            "key": "unknown",
            "code": code,
        }
        try:
            found[name] = reverse(f"admin:{name}", kwargs={key: values[key] for key in parameters})
        except (KeyError, NoReverseMatch):
            found[name] = ""
    return found


def may(client: Client, url: str) -> str:
    """Say what a client may do at an address: `read`, `act`, both, nothing, or sign in first.

    A page that is shown without a form of its own has nothing to act on.
    """
    read, page = _answer(client, "get", url)
    acted = read
    if not read or _FORM.search(page):
        acted, _ = _answer(client, "post", url)
    elif read != SIGN_IN:
        acted = ""
    if SIGN_IN in (read, acted):
        return SIGN_IN if read == acted else f"{read}, but {acted}"
    return " + ".join(word for word, done in (("read", read), ("act", acted)) if done) or "–"


def actions_of(client: Client, model: type[Model]) -> list[str]:
    """Return the mass actions that a model's list offers to a client."""
    page = client.get(list_of(model)).content.decode()
    names = map(str, admin.site.get_model_admin(model).actions or [])
    return [name for name in names if f'<option value="{name}"' in page]


def _answer(client: Client, method: str, url: str) -> tuple[str, str]:
    """Ask, and undo whatever came of it; return how it went, and the page."""
    with transaction.atomic():
        answer = getattr(client, method)(url)
        transaction.set_rollback(True)
    if answer.status_code == 302 and answer["Location"].startswith("/admin/login/"):
        return SIGN_IN, ""
    if answer.status_code == 401:  # the poll of an open page
        return SIGN_IN, ""
    if answer.status_code in (403, 404, 405):
        return "", ""
    return "done", "" if answer.streaming else answer.content.decode()


def _views(patterns: list[Any]) -> Iterator[tuple[str, list[str]]]:
    """Yield the name and the parameters of every page."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _views(pattern.url_patterns)
        elif isinstance(pattern, URLPattern) and pattern.name:
            yield pattern.name, list(pattern.pattern.regex.groupindex)


def one_account() -> list[Model]:
    """Return an account and a group, for the pages about them."""
    return [User.objects.create_user("colleague"), Group.objects.get(name="Support")]
