"""A duration needs a unit, and its digits are ASCII."""

from datetime import timedelta

import pytest

from common.durations import parse_duration
from maria_project.settings.environment import BASE_DIR


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("0s", timedelta(0)),
        ("30s", timedelta(seconds=30)),
        ("30m", timedelta(minutes=30)),
        ("24h", timedelta(days=1)),
        ("7d", timedelta(days=7)),
        ("2w", timedelta(days=14)),
        ("1h30m", timedelta(minutes=90)),
        (" 1d 12h ", timedelta(hours=36)),
    ],
)
def test_a_number_with_a_unit_is_a_duration(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "0", "30", "1e3", "1e3s", "1.5h", "-5m", "+5m", "m", "5 x", "5ms", "5m5", "5m1h", "P7D",
        "7D", "7d\n", "٣d", "３０m", "3\u00a0d", "1_000s", "9999999999d", "999999999w",
    ],
)  # fmt: skip
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a duration|is too long"):
        parse_duration(text)


def test_every_duration_of_the_settings_is_read_with_its_unit() -> None:
    """environs reads a bare number as seconds."""
    sources = (BASE_DIR / "maria_project" / "settings").glob("*.py")
    assert not [source.name for source in sources if ".timedelta(" in source.read_text()]
