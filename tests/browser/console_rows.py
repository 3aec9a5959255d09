"""Rows for every page of the console, and a walk over the pages."""

from collections.abc import Callable, Iterator

from playwright.sync_api import BrowserContext

from scripts.console_pages import PAGES
from tests.browser.api import PageVisitor
from tests.browser.axe import source
from tests.browser.back_office import BackOffice
from tests.helpers import pdf

# One row of what a new site has not: `{session}`, `{file}` and `{event}` are of a visitor with a file.
_ROWS = """
from datetime import timedelta
from django.contrib.auth.models import Group, User
from django.utils import timezone
from django_q.models import Failure, Schedule
from audit_app.models import AuditLog
from sessions_app.models import ServiceKey, UserSession
from sessions_app.services.privacy import erase_session
from sessions_app.services.sessions import issue_session
from uploads_app.models import CleanupRun, QuarantinedObject, RunStatus, UploadedFile
User.objects.filter(username={name!r}).update(is_superuser=True)
erased = issue_session().session
erase_session(session=erased, reason="asked for in a test")
UserSession.objects.filter(pk={uuid!r}).update(
    name="Anna", email="anna@example.com", email_proven=True, completed_at=timezone.now())
now = timezone.now()
answer = {{
    "session": {uuid!r},
    "erased": str(erased.pk),
    "file": str(UploadedFile.objects.get(session_id={uuid!r}).pk),
    "event": AuditLog.objects.filter(session_uuid={uuid!r}).latest("id").pk,
    "run": CleanupRun.objects.create(
        status=RunStatus.STOPPED, actor="system", grace=timedelta(minutes=30), limit=1).pk,
    "trash": QuarantinedObject.objects.create(
        key={uuid!r} + "/b.pdf", size=1, modified_at=now, status="quarantined", reason="no_row").pk,
    "schedule": Schedule.objects.first().pk,
    "failure": Failure.objects.update_or_create(id="f" * 32, defaults=dict(
        name="mail", func="mail", success=False, started=now, stopped=now))[0].pk,
    "key": ServiceKey.objects.create(
        name={uuid!r}[:8], key_hash={uuid!r}, expires_at=now + timedelta(days=9)).pk,
    "user": User.objects.get(username={name!r}).pk,
    "group": Group.objects.get(name="Support").pk,
}}
"""


class EveryPage:
    """A superuser of the group Support, and a row for each page."""

    def __init__(
        self, visitor: PageVisitor, new_context: Callable[..., BrowserContext], name: str
    ) -> None:
        visitor.upload(pdf())
        page = new_context().new_page()
        page.add_init_script(source())
        self.back_office = BackOffice(page, visitor.site)
        self.back_office.sign_in("Support", name)
        self._rows = visitor.site.run(_ROWS.format(uuid=visitor.uuid, name=name))

    def visit(self, *names: str) -> Iterator[str]:
        """Open each page, or those named, and yield its name."""
        for name, path in PAGES.items():
            if not names or name in names:
                self.back_office.open(path.format(**self._rows))
                yield name
        if not names:
            self.back_office.open("")
            self.back_office.find("Anna")
            yield "search-results"
