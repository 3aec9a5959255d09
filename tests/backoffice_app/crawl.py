"""A walk through the admin: from the first page along every link that its pages hold."""

from collections.abc import Iterator
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urljoin, urlsplit

from django.test import Client

START = "/admin/"
# A walk that finds more has lost its way: lists link to themselves in many orders.
MOST = 600


class _Links(HTMLParser):
    """Collects where a page's links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a" and (href := dict(attrs).get("href")):
            self.found.append(href)


def pages(client: Client, *starts: str) -> Iterator[tuple[str, str]]:
    """Yield address and markup of every page of the admin that links lead to.

    Of addresses that differ in the values of their query alone, one is read.
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
    # The order of a list and the page of a long one show the same rows.
    keys = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    return parts.path, tuple(sorted(keys - {"o", "p", "_changelist_filters", "_facets"}))


def _links(url: str, html: str) -> Iterator[str]:
    links = _Links()
    links.feed(html)
    for href in links.found:
        parts = urlsplit(urljoin(url, href))
        if not parts.netloc:
            yield f"{parts.path}?{parts.query}" if parts.query else parts.path
