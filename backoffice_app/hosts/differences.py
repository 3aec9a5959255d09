"""What differs between the processes that run now."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import partial

from django.db.models.functions import Now

from backoffice_app.models import ProcessReport

# Two reports of a process may be missing.
REPORTED_WITHIN = timedelta(seconds=75)
# A clock that is further off is a difference.
CLOCK_TOLERANCE = timedelta(seconds=2)


class Fact(StrEnum):
    """What processes must have in common."""

    VERSION = "version"
    MIGRATIONS = "migrations"
    SECRET_KEY = "secret_key"  # noqa: S105
    SETTINGS = "settings"
    CLOCK = "clock"


@dataclass(frozen=True)
class Difference:
    """One thing that differs. `others` are the processes outside the largest group."""

    fact: Fact
    # What it is, like `UPLOAD_TYPES`.
    name: str
    # With the names of hosts, for operators only.
    details: str
    others: tuple[ProcessReport, ...]
    processes: int

    @property
    def hosts(self) -> set[str]:
        return {report.host for report in self.others}

    @property
    def sentence(self) -> str:
        """Return what differs, for everybody: it names no host."""
        kind = "A wrong clock" if self.fact == Fact.CLOCK else f"Another {self.name}"
        return f"{kind} in {len(self.others)} of {self.processes} processes."


def reports() -> list[ProcessReport]:
    """Return the reports of the processes that run now."""
    return list(
        ProcessReport.objects.filter(seen_at__gt=Now() - REPORTED_WITHIN).order_by("host", "kind")
    )


def differences(found: Sequence[ProcessReport]) -> list[Difference]:
    """Compare processes; return what differs between them, the most serious first."""
    return [
        *_keys(found),
        *_clocks(found),
        *_versions(found),
        *_migrations(found),
        *_settings(found),
    ]


def _keys(found: Sequence[ProcessReport]) -> Iterator[Difference]:
    """Compare keys. Two processes agree if one has the key of the other, also as a fallback."""
    groups: list[list[ProcessReport]] = []
    for report in found:
        fitting = (group for group in groups if all(_has_key(report, one) for one in group))
        if group := next(fitting, None):
            group.append(report)
        else:
            groups.append([report])
    yield from _difference(Fact.SECRET_KEY, "SECRET_KEY", groups)


def _has_key(one: ProcessReport, other: ProcessReport) -> bool:
    return one.keys[0] in other.keys or other.keys[0] in one.keys


def _clocks(found: Sequence[ProcessReport]) -> Iterator[Difference]:
    wrong = tuple(report for report in found if abs(report.clock_offset) > CLOCK_TOLERANCE)
    if wrong:
        details = "; ".join(sorted({f"{one.host}: {_shown(one.clock_offset)}" for one in wrong}))
        yield Difference(Fact.CLOCK, "clock", f"clock: {details}", wrong, len(found))


def _shown(offset: timedelta) -> str:
    seconds = offset.total_seconds()
    return f"{abs(seconds):.0f} seconds {'ahead of' if seconds > 0 else 'behind'} the database"


def _versions(found: Sequence[ProcessReport]) -> Iterator[Difference]:
    groups = _grouped(found, lambda report: report.version)
    yield from _difference(Fact.VERSION, "version", groups.values(), groups)


def _migrations(found: Sequence[ProcessReport]) -> Iterator[Difference]:
    apps = {app for report in found for app in report.migrations}
    differ = sorted(app for app in apps if len({one.migrations.get(app) for one in found}) > 1)
    groups = _grouped(
        found,
        lambda one: ", ".join(f"{app} {one.migrations.get(app, '-')}" for app in differ),
    )
    yield from _difference(Fact.MIGRATIONS, "newest migration", groups.values(), groups)


def _settings(found: Sequence[ProcessReport]) -> Iterator[Difference]:
    for name in sorted({name for report in found for name in report.settings}):
        groups = _grouped(found, partial(_value_of, name))
        groups.pop("", None)  # a process that does not need the setting
        yield from _difference(Fact.SETTINGS, name, groups.values())


def _value_of(name: str, report: ProcessReport) -> str:
    return str(report.settings.get(name, ""))


def _grouped(
    found: Sequence[ProcessReport], value: Callable[[ProcessReport], str]
) -> dict[str, list[ProcessReport]]:
    groups: dict[str, list[ProcessReport]] = {}
    for report in found:
        groups.setdefault(value(report), []).append(report)
    return groups


def _difference(
    fact: Fact, name: str, groups: Collection[list[ProcessReport]], values: Iterable[str] = ()
) -> Iterator[Difference]:
    """Yield a difference if there are several groups. `values` are what the groups have."""
    if len(groups) < 2:
        return
    shown = [f"{value} on " for value in values] or [""] * len(groups)
    parts = sorted(zip(shown, groups, strict=True), key=lambda part: len(part[1]), reverse=True)
    details = "; ".join(f"{value}{_hosts(group)}" for value, group in parts)
    others = tuple(report for _, group in parts[1:] for report in group)
    yield Difference(fact, name, f"{name}: {details}", others, sum(map(len, groups)))


def _hosts(group: Sequence[ProcessReport]) -> str:
    return ", ".join(sorted({str(report) for report in group}))
