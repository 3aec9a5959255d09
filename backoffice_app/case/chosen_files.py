"""The files that one action can be about: those of a session, or those that staff ticked in the list."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from audit_app.adminkit.action_admin import returns_to
from sessions_app.models import UserSession
from uploads_app.models import UploadedFile, UploadStatus

AT_ONCE = 200
_LIST = "admin:uploads_app_uploadedfile"
_SESSION = "admin:sessions_app_usersession"


@dataclass(frozen=True)
class ChosenFiles:
    """The files to choose from, the page to return to, and the name of their archive.

    `action` is the address of an action on them, with a place for its name. `code` is the support
    code of the session that all belong to.
    """

    files: QuerySet[UploadedFile]
    page: str
    action: str
    name: str
    code: str = ""
    is_revealed: bool = False

    def newest(self, status: UploadStatus) -> QuerySet[UploadedFile]:
        """Return the newest of these files in one state."""
        files = self.files.filter(status=status).select_related("session")
        return files.order_by("-created_at")[:AT_ONCE]

    def address(self, action: str) -> str:
        return self.action.format(action)


def of_session(session: UserSession) -> ChosenFiles:
    """Return all files of a session."""
    return ChosenFiles(
        files=UploadedFile.objects.filter(session=session),
        page=f"{reverse(f'{_SESSION}_change', args=[session.pk])}#files",
        action=f"{reverse(f'{_SESSION}_changelist')}{session.pk}/{{}}_files/",
        name=f"{session.support_code}-files",
        code=session.support_code,
        is_revealed=getattr(session, "is_revealed", False),
    )


def of_list(request: HttpRequest) -> ChosenFiles:
    """Return the files that a request to the list names. Their values stay masked, as in the list."""
    keys = _valid([*request.GET.getlist("chosen"), *request.POST.getlist("chosen")])
    return ChosenFiles(
        files=UploadedFile.objects.filter(pk__in=keys),
        page=returns_to(request, reverse(f"{_LIST}_changelist")),
        action=f"{reverse(f'{_LIST}_changelist')}several/{{}}_files/",
        name="files",
    )


def _valid(keys: Iterable[str]) -> set[uuid.UUID]:
    """Return the keys among the first texts."""
    found = set()
    for text in [*keys][:AT_ONCE]:
        try:
            found.add(uuid.UUID(text))
        except ValueError:
            continue
    return found
