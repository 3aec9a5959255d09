"""The navigation of the console, by job. It lists what the staff member may open."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from django.http import HttpRequest
from django.urls import reverse

SEARCHABLE = (
    "sessions_app.view_usersession",
    "uploads_app.view_uploadedfile",
    "audit_app.view_auditlog",
)


@dataclass(frozen=True)
class Link:
    """A page of the navigation. `permission` is empty if all staff may open it."""

    group: str
    title: str
    icon: str
    view: str
    permission: str = ""
    is_current: bool = False

    @property
    def address(self) -> str:
        return reverse(f"admin:{self.view}")


def _list(group: str, title: str, icon: str, model: str) -> Link:
    app, _, name = model.partition(".")
    view = f"{app}_{name}_changelist"
    return Link(group, title, icon, view, f"{app}.view_{name}")


LINKS = (
    Link("", "Dashboard", "dashboard", "index"),
    _list("", "Sessions", "sessions", "sessions_app.usersession"),
    _list("", "Files", "files", "uploads_app.uploadedfile"),
    _list("", "Audit log", "audit", "audit_app.auditlog"),
    _list("Cleanup", "Cleanup runs", "cleanup", "uploads_app.cleanuprun"),
    _list("Cleanup", "Trash", "trash", "uploads_app.quarantinedobject"),
    _list("System", "Schedules", "schedule", "django_q.schedule"),
    _list("System", "Failed tasks", "failed", "django_q.failure"),
    _list("System", "Service keys", "key", "sessions_app.servicekey"),
    _list("Staff", "Accounts", "people", "auth.user"),
    _list("Staff", "Groups", "group", "auth.group"),
)


def navigation(request: HttpRequest) -> list[tuple[str, list[Link]]]:
    """Return the groups of links that the staff member may open, with their titles."""
    return [
        (title, list(links)) for title, links in groupby(_links(request), lambda link: link.group)
    ]


def current_title(request: HttpRequest) -> str:
    """Return the title of the link to this page or to the list above it, or an empty text."""
    return next((link.title for link in LINKS if _is_current(link, request)), "")


def may_search(request: HttpRequest) -> bool:
    return any(request.user.has_perm(permission) for permission in SEARCHABLE)


def _links(request: HttpRequest) -> Iterator[Link]:
    for link in LINKS:
        if not link.permission or request.user.has_perm(link.permission):
            yield Link(
                link.group, link.title, link.icon, link.view, link.permission,
                is_current=_is_current(link, request),
            )  # fmt: skip


def _is_current(link: Link, request: HttpRequest) -> bool:
    # The dashboard's address is the start of all others.
    if link.view == "index":
        return request.path == link.address
    return request.path.startswith(link.address)
