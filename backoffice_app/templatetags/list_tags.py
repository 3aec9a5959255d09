"""The rows of a list, and the values of one row."""

import re
from collections.abc import Mapping, Sequence

from django import template
from django.utils.html import format_html, format_html_join, strip_tags
from django.utils.safestring import SafeString

from common.templatetags.console import badge

register = template.Library()

# Django makes the whole first cell a link. A link contains no other control.
_COPY_IN_LINK = re.compile(
    r' ?(<button type="button" class="copy"[^>]*>(?:(?!</button>).)*</button>)</a>'
)
# Django's picture of a boolean: a red cross also where "no" is good.
_BOOLEAN = re.compile(r'<img src="[^"]*/icon-(yes|no|unknown)\.svg" alt="[^"]*">')
_BOOLEANS = {"yes": ("ok", "Yes"), "no": ("off", "No"), "unknown": ("off", "Unknown")}


@register.simple_tag
def labelled_cells(headers: Sequence[Mapping[str, str]], cells: Sequence[SafeString]) -> SafeString:
    """Return the cells of one row with the names of their columns, which a phone shows."""
    pairs = zip(headers, cells, strict=False)
    return format_html_join("", "{}", ((_labelled(cell, head["text"]),) for head, cell in pairs))


def _labelled(cell: SafeString, name: str) -> SafeString:
    label = strip_tags(name).strip()
    # Django has escaped the cell, and the class in its tag contains no ">".
    whole = _COPY_IN_LINK.sub(r"</a> \1", booleans(cell))
    tag, _, rest = map(SafeString, whole.partition(">"))
    return format_html('{} data-label="{}">{}', tag, f"{label[:1].upper()}{label[1:]}", rest)


@register.filter
def booleans(html: str) -> str:
    """Replace Django's pictures of booleans in escaped HTML by badges. Other text stays as it is."""
    if not isinstance(html, SafeString):
        return html
    return SafeString(_BOOLEAN.sub(_boolean, html))


def _boolean(picture: re.Match[str]) -> str:
    return badge(*_BOOLEANS[picture[1]])
