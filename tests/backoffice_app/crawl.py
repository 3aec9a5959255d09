"""Crawls the admin: follows every link from the first page."""

from collections.abc import Iterator
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urljoin, urlsplit

from django.test import Client

START = "/admin/"
# A walk that finds more has lost its way: lists link to themselves in many orders.
MOST = 600
MOST_FILTERS = 2
_SAME_ROWS = {"o", "p", "_changelist_filters", "_facets"}


class _Links(HTMLParser):
    """Collects the links of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a" and (href := dict(attrs).get("href")):
            self.found.append(href)


def pages(client: Client, *starts: str) -> Iterator[tuple[str, str]]:
    """Yield the URL and the markup of every linked admin page.

    URLs that differ only in query values are visited once.
    """
    waiting, seen = [*starts, START], set()
    while waiting:
        url = waiting.pop()
        if (place := _place(url)) in seen:
            continue
        seen.add(place)
        assert len(seen) < MOST, sorted(seen)
        answer = client.get(url)
        assert answer.status_code in (200, 302), (url, answer.status_code)
        if answer.status_code == 302 or answer.streaming:
            continue
        html = answer.content.decode()
        yield url, html
        waiting += [link for link in _links(url, html) if link.startswith(START)]


def _place(url: str) -> tuple[str, tuple[str, ...]]:
    parts = urlsplit(url)
    # Sorting and paging show the same rows.
    keys = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)} - _SAME_ROWS
    # Two filters at once stand for three and more.
    return parts.path, tuple(sorted(keys)) if len(keys) <= MOST_FILTERS else ("…",)


def _links(url: str, html: str) -> Iterator[str]:
    links = _Links()
    links.feed(html)
    for href in links.found:
        parts = urlsplit(urljoin(url, href))
        if not parts.netloc:
            yield f"{parts.path}?{parts.query}" if parts.query else parts.path
