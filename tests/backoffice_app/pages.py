"""Helpers for admin tests: reading markup, and one row of every model."""

from datetime import timedelta
from html.parser import HTMLParser

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.urls import reverse
from django.utils import timezone
from django_q.models import Failure, Schedule

from audit_app.models import AuditLog
from sessions_app.models import ServiceKey, UserSession
from tests.helpers import started, uploaded
from uploads_app.models import CleanupRun, QuarantinedObject, RunStatus, UploadedFile

_ADDRESSES = ("href", "src", "action", "formaction", "xlink:href", "data")
READ_ONLY = (
    UserSession, ServiceKey, UploadedFile, CleanupRun, QuarantinedObject, AuditLog, Schedule, Failure,
)  # fmt: skip


class _Markup(HTMLParser):
    """Collects inline code that the content security policy blocks, and the visible text."""

    def __init__(self) -> None:
        super().__init__()
        self.inline: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        is_data = named.get("type") == "application/json"
        if tag == "style" or (tag == "script" and "src" not in named and not is_data):
            self.inline.append(f"<{tag}>")
        for name, value in attrs:
            is_script = name in _ADDRESSES and (value or "").strip().lower().startswith(
                "javascript:"
            )
            if name.startswith("on") or name == "style" or is_script:
                self.inline.append(f"{tag} {name}={value}")

    def handle_data(self, data: str) -> None:
        self.text += data


def inline_code(html: str) -> list[str]:
    """Return every inline script, style and handler of a page."""
    markup = _Markup()
    markup.feed(html)
    return markup.inline


def shown_text(html: str) -> str:
    """Return the visible text of a page."""
    markup = _Markup()
    markup.feed(html)
    return " ".join(markup.text.split())


def page_of(row: Model, page: str = "change") -> str:
    """Return the address of one row's admin page."""
    opts = row._meta
    return reverse(f"admin:{opts.app_label}_{opts.model_name}_{page}", args=[row.pk])


def list_of(model: type[Model], page: str = "changelist") -> str:
    """Return the address of a model's list, or of its add page."""
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}")


def registered() -> list[type[Model]]:
    """Return every model that the admin knows."""
    return sorted(admin.site._registry, key=lambda model: model._meta.label)


def one_of_each(text: str = "plain", number: int = 0) -> list[Model]:
    """Create a row of every read-only model, with `text` in every free-text field.

    `number` keeps apart what is unique, for callers that make several sets of rows.
    SQLite does not enforce the length of a column: there `text` may be longer than any.
    """
    visitor = started()
    upload = uploaded(visitor)
    UploadedFile.objects.filter(pk=upload.pk).update(name=text, delete_reason=text)
    UserSession.objects.filter(pk=visitor.uuid).update(
        status="revoked", ended_at=timezone.now(), end_reason=text
    )
    failure = Failure.objects.create(
        id=f"{number:f>32}", name=text, func=text, started=timezone.now(), stopped=timezone.now(),
        success=False, args=(), kwargs={},
    )  # fmt: skip
    run = CleanupRun.objects.create(
        status=RunStatus.STOPPED, actor=text, grace=timedelta(minutes=30), limit=1,
        stop_code=text, stop_sentence=text, findings={text: 1},
        sample=[{"kind": text, "key": text, "size": 1}],
    )  # fmt: skip
    key = ServiceKey.objects.create(
        name=text, key_hash=f"{number:064}", scopes=[text], expires_at=timezone.now()
    )
    orphan = QuarantinedObject.objects.create(
        key=text, size=1, modified_at=timezone.now(), status="purged", reason=text
    )
    schedule, _ = Schedule.objects.get_or_create(
        name=text, defaults={"func": "maria_project.tasks.heartbeat"}
    )
    # An update bypasses the check on save.
    Schedule.objects.filter(pk=schedule.pk).update(func=text)
    return [
        UserSession.objects.get(pk=visitor.uuid),
        UploadedFile.objects.get(pk=upload.pk),
        key,
        run,
        orphan,
        AuditLog.objects.get(event_type="upload.stored", target=f"upload:{upload.pk}"),
        schedule,
        failure,
    ]


# Reading these columns would execute the pickles they hold.
_PICKLES = ("args", "kwargs", "result")


def everything() -> dict[str, list[str]]:
    """Return every row of every read-only model, to see that nothing changed.

    Staff events are left out, because viewing is recorded.
    """
    return {
        model._meta.label: sorted(map(str, _rows(model).values_list(*_plain_columns(model))))
        for model in READ_ONLY
    }


def _rows(model: type[Model]) -> QuerySet[Model]:
    rows = model._base_manager.all()
    return rows.exclude(event_type__startswith="staff.") if model is AuditLog else rows


def _plain_columns(model: type[Model]) -> list[str]:
    pickled = _PICKLES if model is Failure else ()
    return [field.name for field in model._meta.concrete_fields if field.name not in pickled]
