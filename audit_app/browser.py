"""The audit log's list in the admin: its filter form and its pages."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from itertools import groupby
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, QueryDict
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.formats import date_format

from audit_app import actors, events
from audit_app.adminkit.lists import KeyedChangeList
from audit_app.models import AuditLog, AuditOutcome

LATEST_FIRST = "-occurred_at"
_PRESETS = (
    ("last hour", timedelta(hours=1)),
    ("last 24 hours", timedelta(hours=24)),
    ("last 7 days", timedelta(days=7)),
)


class DayOrTimeField(forms.DateTimeField):
    """A day or a time in the current time zone.

    A day means its first moment, or with `is_end` the first moment of the next day.
    """

    default_error_messages = {
        "invalid": "Enter a date or a time, for example 2026-11-23 or 2026-11-23 14:30."
    }

    def __init__(self, *, is_end: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.is_end = is_end

    def to_python(self, value: Any) -> datetime | None:
        try:
            day = parse_date(str(value or "").strip()) if self.is_end else None
            parsed: datetime | None = super().to_python(
                datetime.combine(day + timedelta(days=1), time()) if day else value
            )
            # UTC cannot express every time at the ends of the calendar.
            return parsed and parsed.astimezone(UTC)
        except (OverflowError, ValueError) as error:
            raise ValidationError(self.error_messages["invalid"], "invalid") from error


class ActorField(forms.CharField):
    """An actor, converted by `actors.read`."""

    def clean(self, value: Any) -> str:
        text = super().clean(value)
        try:
            return actors.read(text) if text else ""
        except actors.UnknownActor as error:
            raise ValidationError(str(error)) from error


# A choice of the event field that stands for several types.
REFUSALS = "refusals"


class AuditFilterForm(forms.Form):
    """The filters of the audit log. An event must match every filled-in field.

    Each field alone, and with a time, is the start of an index. So are type and
    outcome together with an actor. A session or a request has few events.
    """

    since = DayOrTimeField(label="From", required=False)
    until = DayOrTimeField(label="Until", required=False, is_end=True)
    type = forms.ChoiceField(label="Event", required=False)
    outcome = forms.ChoiceField(required=False, choices=[("", "any"), *AuditOutcome.choices])
    actor = ActorField(label="Actor", required=False, max_length=150)
    session = forms.UUIDField(
        label="Session",
        required=False,
        error_messages={"invalid": "Enter the whole UUID of a session."},
    )
    request = forms.CharField(label="Request id", required=False, max_length=64)

    def __init__(self, query: QueryDict) -> None:
        super().__init__(query, auto_id="narrow-%s")
        by_type = self.fields["type"]
        assert isinstance(by_type, forms.ChoiceField)
        by_type.choices = [("", "any"), (REFUSALS, "all refusals"), *_grouped_types()]
        for name, hint in {
            "since": "2026-11-23 14:30",
            "until": "2026-11-23",
            "actor": "user name, visitor, system",
            "session": "whole UUID",
        }.items():
            self.fields[name].widget.attrs["placeholder"] = hint
        self.fields["actor"].widget.attrs["list"] = "narrow-actors"
        for field in self.fields.values():
            field.widget.attrs["autocomplete"] = "off"

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        since, until = values.get("since"), values.get("until")
        if since and until and since >= until:
            self.add_error("until", "This must be later than “From”.")
        expected = {event.name: event.outcome for event in events.registered()}
        kind, outcome = values.get("type"), values.get("outcome")
        expected[REFUSALS] = AuditOutcome.DENIED
        if kind and outcome and expected[kind] != outcome:
            self.add_error("outcome", f"The outcome of {kind} is always {expected[kind]}.")
        return values

    def apply(self, rows: QuerySet[AuditLog]) -> QuerySet[AuditLog]:
        """Return the matching rows; no rows if a field is invalid."""
        if not self.is_valid():
            return rows.none()
        values = self.cleaned_data.copy()
        if values["type"] == REFUSALS:
            values |= {"type": "", "outcome": AuditOutcome.DENIED}
            rows = rows.filter(event_type__in=[event.name for event in events.refusals()])
        # A type implies its outcome. PostgreSQL assumes that both are independent and plans badly.
        outcome = "" if values["type"] else values["outcome"]
        lookups = {
            "occurred_at__gte": values["since"],
            "occurred_at__lt": values["until"],
            "event_type": values["type"],
            "outcome": outcome,
            "actor": values["actor"],
            "session_uuid": values["session"],
            "request_id": values["request"],
        }
        rows = rows.filter(**{name: value for name, value in lookups.items() if value})
        if outcome in (AuditOutcome.DENIED, AuditOutcome.ERROR):
            # Repeats the condition of the partial indexes of unsuccessful events.
            rows = rows.exclude(outcome=AuditOutcome.SUCCESS)
        return rows

    @property
    def session_uuid(self) -> uuid.UUID | None:
        found: uuid.UUID | None = self.cleaned_data["session"]
        return found

    def selected_filters(self) -> Iterator[tuple[str, str, str]]:
        """Yield the name, label and readable value of each valid field that is filled in."""
        for name, value in getattr(self, "cleaned_data", {}).items():
            if value:
                yield name, str(self[name].label), _readable(name, value)

    def summary(self) -> str:
        """Return the filters as one line, with times in UTC; empty for the whole log."""
        values = self.cleaned_data.items()
        return ", ".join(
            f"{name} {value.isoformat() if isinstance(value, datetime) else value}"
            for name, value in values
            if value
        )


@dataclass(frozen=True)
class Chip:
    """One active filter, and the address of the list without it."""

    label: str
    value: str
    without: str


class AuditChangeList(KeyedChangeList):
    """The list of audit events, with its own filter form and with the names of actors."""

    form: AuditFilterForm

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> Any:
        self.form = AuditFilterForm(request.GET)
        return self.form.apply(super().get_queryset(request, exclude_parameters))

    def get_filters_params(self, params: Any = None) -> Any:
        given = super().get_filters_params(params)
        return {name: value for name, value in given.items() if name not in self._fields()}

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        names = actors.names(row.actor for row in self.result_list)
        people = actors.people(row.actor for row in self.result_list)
        for row in self.result_list:
            row.actor_named = names.get(row.actor, row.actor)
            row.people = people

    def chips(self) -> list[Chip]:
        return [
            Chip(label, value, self.get_query_string({name: None}))
            for name, label, value in self.form.selected_filters()
        ]

    def presets(self) -> list[tuple[str, str]]:
        """Return the name and address of each common time range."""
        now = timezone.localtime()
        return [
            (name, self.get_query_string({"since": f"{now - ago:%Y-%m-%d %H:%M}", "until": None}))
            for name, ago in _PRESETS
        ]

    def suggested_actors(self) -> list[str]:
        return actors.suggested()

    @property
    def query_string(self) -> str:
        """The query string of the same events, for the export."""
        return self.get_query_string()

    def _fields(self) -> Any:
        return AuditFilterForm.base_fields


def _grouped_types() -> list[tuple[str, list[tuple[str, str]]]]:
    names = [event.name for event in events.registered()]
    return [
        (group, [(name, name) for name in members])
        for group, members in groupby(names, lambda name: name.partition(".")[0])
    ]


def _readable(name: str, value: Any) -> str:
    if isinstance(value, datetime):
        return date_format(timezone.localtime(value), "DATETIME_FORMAT")
    return actors.named(value) if name == "actor" else str(value)
