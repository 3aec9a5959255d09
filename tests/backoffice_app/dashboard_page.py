"""Helpers that read the dashboard: numbers, links and charts."""

import re
from dataclasses import dataclass
from html import unescape

from django.test import Client

INDEX = "/admin/"
_TILE = re.compile(
    r"<dt>(?P<label>[^<]+)</dt>\s*"
    r'<dd class="tile-number"><a href="(?P<link>[^"]+)">(?P<text>[^<]*)</a></dd>'
    r'(?P<more>(?:\s*<dd><a href="[^"]+">[^<]*</a></dd>)*)'
)
_FIGURE = re.compile(r'<figure class="chart">.*?</figure>', re.DOTALL)


@dataclass
class ShownFigure:
    """A number of the page with its link, and the numbers below it."""

    text: str
    link: str
    beside: list[tuple[str, str]]


def index(client: Client, period: str = "") -> str:
    """Return the markup of the dashboard, with the charts of a period."""
    answer = client.get(INDEX, {"period": period} if period else {})
    assert answer.status_code == 200
    return answer.content.decode()


def numbers(client: Client) -> dict[str, ShownFigure]:
    """Return the numbers of the page by label."""
    result = {}
    for tile in _TILE.finditer(index(client)):
        beside = re.findall(r'<a href="([^"]+)">([^<]*)</a>', tile["more"])
        result[tile["label"]] = ShownFigure(
            unescape(tile["text"]).replace("\xa0", " "),
            unescape(tile["link"]),
            [(unescape(text).replace("\xa0", " "), unescape(link)) for link, text in beside],
        )
    return result


def charts(client: Client, period: str = "") -> dict[str, str]:
    """Return the markup of each chart by title."""
    found = _FIGURE.findall(index(client, period))
    return {re.search(r"<figcaption[^>]*>([^<]+)<", one)[1]: one for one in found}  # type: ignore[index]


def table(chart: str) -> dict[str, list[str]]:
    """Return the rows of a chart's table by first column."""
    rows = re.findall(r'<tr><th scope="row">([^<]+)</th>(.*?)</tr>', chart)
    return {name: re.findall(r'<td class="num">([^<]*)</td>', cells) for name, cells in rows}


def bars(chart: str) -> list[str]:
    """Return the tooltips of a chart's bars, in drawing order."""
    return re.findall(r"<rect [^>]+><title>([^<]+)</title></rect>", chart)


def rows_behind(client: Client, link: str) -> int:
    """Open a list and return its number of rows."""
    answer = client.get(link)
    assert answer.status_code == 200, link
    return len(re.findall(r'<th class="field-', answer.content.decode()))
