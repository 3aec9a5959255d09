"""Durations in settings and options: numbers with a unit, like `30m`, `7d` or `1h 30m`."""

import re
from datetime import timedelta

_UNITS = ("weeks", "days", "hours", "minutes", "seconds")
_FORM = re.compile(r" *".join(rf"(?:(?P<{unit}>[0-9]{{1,9}}) *{unit[0]})?" for unit in _UNITS))


def parse_duration(text: str) -> timedelta:
    """Return the duration. Raises ValueError, also for a number without a unit.

    `30` might mean seconds or days, and a retention of 30 seconds deletes files.
    """
    match = _FORM.fullmatch(text.strip(" "))
    if match is None or not any(match.groups()):
        raise ValueError(f"{text!r} is not a duration: write a number and s, m, h or d, like 30m")
    try:
        return timedelta(**{unit: int(count) for unit, count in match.groupdict("0").items()})
    except OverflowError as error:
        raise ValueError(f"{text!r} is too long") from error
