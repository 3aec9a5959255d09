"""Parts of the console's pages: icons, badges, relative times and copy buttons."""

from datetime import datetime, timedelta

from django import template
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

_BADGE_ICONS = {
    "ok": "check", "warn": "warning", "error": "cross", "info": "info", "off": "dash",
}  # fmt: skip
# The badge of each state that a row or an event can have. Others are "off".
_STATES = {
    **dict.fromkeys(("active", "stored", "success", "completed", "clean"), "ok"),
    **dict.fromkeys(("quarantined", "deleting", "partial", "suspicious"), "warn"),
    **dict.fromkeys(
        ("revoked", "missing", "rejected", "denied", "error", "stopped", "failed"), "error"
    ),
    **dict.fromkeys(("running", "pending"), "info"),
}
# Longer ago than a week, the date says more.
_STEPS = (
    (timedelta(minutes=1), timedelta(seconds=1), "{} s"),
    (timedelta(hours=1), timedelta(minutes=1), "{} min"),
    (timedelta(days=1), timedelta(hours=1), "{} h"),
    (timedelta(days=7), timedelta(days=1), "{} d"),
)
_NOW = timedelta(seconds=10)


@register.simple_tag
def icon(name: str) -> SafeString:
    """Return an icon of `maria/icons.svg`. It is decoration: say the same in words."""
    return format_html(
        '<svg class="icon" aria-hidden="true"><use href="{}#{}"/></svg>',
        static("maria/icons.svg"),
        name,
    )


@register.simple_tag
def badge(state: str, text: object) -> SafeString:
    """Return a badge in the state `ok`, `warn`, `error`, `info` or `off`: an icon, a colour, words."""
    return format_html(
        '<span class="badge badge-{}">{}{}</span>', state, icon(_BADGE_ICONS[state]), text
    )


@register.simple_tag
def state_badge(value: str, text: object = "") -> SafeString:
    """Return the badge for a stored value such as `active`, with its words."""
    return badge(_STATES.get(value, "off"), text or value)


@register.simple_tag
def ago(moment: datetime | None, empty: str = "–") -> SafeString:
    """Return a time as "2 min ago", with the exact time on hover and on focus."""
    if moment is None:
        return format_html("{}", empty)
    local = timezone.localtime(moment)
    return format_html(
        '<time class="ago" datetime="{}" title="{}" tabindex="0">{}</time>',
        local.isoformat(timespec="seconds"),
        f"{local:%Y-%m-%d %H:%M:%S} {timezone.get_current_timezone()}",
        relative(moment),
    )


def relative(moment: datetime) -> str:
    """Return a time in words: "now", "5 min ago", "in 3 h", or a date if it is over a week away."""
    distance = timezone.now() - moment
    size = abs(distance)
    if size < _NOW:
        return "now"
    for limit, unit, words in _STEPS:
        if size < limit:
            count = words.format(size // unit)
            return f"{count} ago" if distance > timedelta(0) else f"in {count}"
    return f"{timezone.localtime(moment):%Y-%m-%d}"


@register.simple_tag
def copy(text: object, label: str) -> SafeString:
    """Return a button that copies `text`; `label` says what that is, such as "support code"."""
    return format_html(
        '<button type="button" class="copy" data-copy="{0}" aria-label="Copy {1}" title="Copy {1}">'
        '<span class="copy-start">{2}</span><span class="copy-done">{3}</span></button>',
        text,
        label,
        icon("copy"),
        icon("check"),
    )
