"""The parts of the console's pages: relative times, badges and copy buttons."""

from datetime import datetime, timedelta

import pytest
from django.template import Context, Template
from django.utils import timezone


def rendered(template: str, **values: object) -> str:
    return Template("{% load console %}" + template).render(Context(values))


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (timedelta(seconds=3), ">now<"),
        (timedelta(seconds=42.5), ">42 s ago<"),
        (timedelta(minutes=59, seconds=30), ">59 min ago<"),
        (timedelta(hours=23, minutes=59), ">23 h ago<"),
        (timedelta(days=6, hours=23), ">6 d ago<"),
        (timedelta(minutes=-4, seconds=-59), ">in 4 min<"),
    ],
)
def test_a_time_is_relative_with_the_exact_one_beside_it(age: timedelta, words: str) -> None:
    html = rendered("{% ago moment %}", moment=timezone.now() - age)
    assert words in html
    assert f'title="{timezone.now() - age:%Y-%m-%d}' in html
    assert 'tabindex="0"' in html


def test_a_time_of_last_month_is_a_date() -> None:
    moment = datetime(2026, 3, 9, 23, 30, 5, tzinfo=timezone.get_default_timezone())
    with timezone.override("Asia/Tokyo"):
        html = rendered("{% ago moment %}", moment=moment)
    assert ">2026-03-10<" in html
    assert 'title="2026-03-10 08:30:05 Asia/Tokyo"' in html
    assert 'datetime="2026-03-10T08:30:05+09:00"' in html
    assert rendered("{% ago moment %}", moment=None) == "–"


@pytest.mark.parametrize(
    ("value", "badge"),
    [
        ("stored", "badge-ok"),
        ("revoked", "badge-error"),
        ("quarantined", "badge-warn"),
        ("running", "badge-info"),
        ("<b>", "badge-off"),
    ],
)
def test_a_state_has_a_badge_with_an_icon_and_words(value: str, badge: str) -> None:
    html = rendered("{% state_badge value %}", value=value)
    assert f'class="badge {badge}"' in html
    assert "<use href=" in html
    assert "<b>" not in html


def test_a_copy_button_keeps_hostile_text_in_its_attribute() -> None:
    html = rendered("{% copy text 'file name' %}", text='"><script>alert(1)</script>')
    assert "<script>" not in html
    assert 'data-copy="&quot;&gt;&lt;script&gt;' in html
    assert 'aria-label="Copy file name"' in html
