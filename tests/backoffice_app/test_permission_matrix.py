"""Every admin page and every role: the table in docs/permissions.md.

The table is made by this test: `make permissions` writes it anew, and whoever
changes it reads what changed. A page that is new is in it by itself.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import Group
from django.test import Client

from tests.backoffice_app.matrix import ROLES, actions_of, addresses, client_of, may, one_account
from tests.backoffice_app.pages import one_of_each, registered

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "permissions.md"
# Pages that end a visit, or that everybody has for themselves.
_LEFT_OUT = ("logout", "view_on_site", "jsi18n", "autocomplete")
_GENERATED = "<!-- From here on written by `make permissions`. -->"

# Pages differ by role and not by database.


def test_t64_each_page_answers_each_role_as_the_table_says(db: None, make_staff: Any) -> None:
    text = "\n".join(_text(make_staff))
    written = PAGE.read_text()
    if os.environ.get("WRITE_PERMISSIONS"):
        head, _, _ = written.partition(_GENERATED)
        PAGE.write_text(f"{head}{_GENERATED}\n\n{text}\n")
    assert PAGE.read_text().partition(_GENERATED)[2].strip() == text.strip()


def _text(make_staff: Any) -> Iterator[str]:
    clients = {role: client_of(role, make_staff) for role in ROLES}
    yield "## Pages"
    yield ""
    yield from _table("page", _pages(clients))
    yield ""
    yield "## Actions on many rows at once"
    yield ""
    yield from _table("action", _actions(clients))
    yield ""
    yield "## What each group is granted"
    yield ""
    yield from _grants()


def _pages(clients: dict[str, Client]) -> Iterator[list[str]]:
    rows = [*one_of_each(), *one_account()]
    pages = addresses(rows)
    assert all(url for name, url in pages.items() if name not in _LEFT_OUT), pages
    for name, url in sorted(pages.items()):
        if name not in _LEFT_OUT:
            yield [f"`{name}`", *(may(client, url) for client in clients.values())]


def _actions(clients: dict[str, Client]) -> Iterator[list[str]]:
    for model in registered():
        for name in admin.site.get_model_admin(model).actions or []:
            offered = [
                "act" if name in actions_of(client, model) else "–" for client in clients.values()
            ]
            yield [f"`{model._meta.label_lower}` {name}", *offered]


def _table(title: str, rows: Iterator[list[str]]) -> Iterator[str]:
    yield f"| {' | '.join([title, *ROLES])} |"
    yield f"|{'---|' * (len(ROLES) + 1)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _grants() -> Iterator[str]:
    groups = {group.name: _permissions(group) for group in Group.objects.order_by("name")}
    yield f"| permission | {' | '.join(groups)} |"
    yield f"|{'---|' * (len(groups) + 1)}"
    for codename, name in sorted({item for granted in groups.values() for item in granted}):
        kept = ["yes" if (codename, name) in granted else "–" for granted in groups.values()]
        yield f"| `{codename}`: {name} | {' | '.join(kept)} |"


def _permissions(group: Group) -> set[tuple[str, str]]:
    granted = group.permissions.select_related("content_type")
    return {(f"{one.content_type.app_label}.{one.codename}", one.name) for one in granted}
