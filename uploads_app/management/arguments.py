"""Parsers for the values of command options."""

from argparse import ArgumentTypeError
from datetime import timedelta

from common.durations import parse_duration

LONGEST_AGE = timedelta(days=3650)
SHORTEST_RETENTION = timedelta(hours=1)
# The largest value of CleanupRun's column on both databases.
HIGHEST_LIMIT = 2**31 - 1


def age(text: str) -> timedelta:
    """Parse `30m`, `12h` or `7d`, as in settings; at most ten years."""
    try:
        value = parse_duration(text)
    except ValueError:
        value = timedelta.max
    if value > LONGEST_AGE:
        raise ArgumentTypeError(
            f"{text!r} is not an age: write a number and s, m, h or d, like 30m; at most "
            f"{LONGEST_AGE.days}d"
        )
    return value


def retention(text: str) -> timedelta:
    """Parse an age of at least an hour: what is past its retention is deleted for good."""
    value = age(text)
    if value < SHORTEST_RETENTION:
        raise ArgumentTypeError(f"{text!r} is too short for a retention: at least 1h")
    return value


def positive(text: str) -> int:
    """Parse a number of at least 1 that fits into the run's row."""
    if not _is_number(text) or not 1 <= int(text) <= HIGHEST_LIMIT:
        raise ArgumentTypeError(f"{text!r} is not a number from 1 to {HIGHEST_LIMIT}")
    return int(text)


def share(text: str) -> float:
    """Parse a percentage as a share: `20` is 0.2."""
    if not _is_number(text) or not 0 <= int(text) <= 100:
        raise ArgumentTypeError(f"{text!r} is not a percentage from 0 to 100")
    return int(text) / 100


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()
