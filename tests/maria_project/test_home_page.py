"""`/` is the demo page if it is built and on, otherwise the page of links of `/about/`."""

import re
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.helpers import Visitor
from tests.maria_project.server import ROOT, run_quietly
from tests.node import need_node, shell
from tests.security.edge import all_started

PAGE = b'<!doctype html><script type="module" src="/static/demo/assets/index-CROeMByT.js"></script>'
POLICY = {
    "default-src 'self'", "base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'",
    "object-src 'none'",
}  # fmt: skip
PRODUCTION = {"PUBLIC_URL": "https://maria.example", "SECRET_KEY": "k" * 50}


@pytest.fixture
def built(tmp_path: Path, settings: Any) -> Path:
    """A build of the demo page, with DEMO_PAGE on."""
    build = tmp_path / "dist"
    (build / "assets").mkdir(parents=True)
    (build / "index.html").write_bytes(PAGE)
    (build / "assets" / "index-CROeMByT.js").write_text("1")
    (build / "assets" / "plain.js").write_text("1")
    settings.DEMO_PAGE = True
    settings.STATICFILES_DIRS = [("demo", build)]
    return build


def policy(response: Any) -> set[str]:
    return set(response["Content-Security-Policy"].split("; "))


def test_the_page_is_served_as_it_was_built_under_the_strict_policy(db: None, built: Path) -> None:
    response = Visitor().get("/")

    assert (response.status_code, response.content) == (200, PAGE)
    assert response["Content-Type"] == "text/html; charset=utf-8"
    assert response["Cache-Control"] == "no-cache"
    assert policy(response) == POLICY


@pytest.mark.parametrize(
    ("options", "origin"),
    [
        ({"endpoint_url": "https://s3.example:8333"}, "https://s3.example:8333"),
        (
            {"endpoint_url": "http://s3.internal", "public_endpoint_url": "https://files.example"},
            "https://files.example",
        ),
        ({"region_name": "eu-central-1"}, "https://maria.s3.eu-central-1.amazonaws.com"),
    ],
)
def test_the_policy_allows_the_bucket_only_for_direct_uploads(
    db: None, built: Path, settings: Any, options: dict[str, str], origin: str
) -> None:
    keys = {"bucket_name": "maria", "access_key": "a", "secret_key": "s"}
    bucket = {"BACKEND": "uploads_app.storage.s3_store.S3Store", "OPTIONS": keys | options}
    settings.STORAGES = {**settings.STORAGES, "uploads": bucket}
    assert policy(Visitor().get("/")) == POLICY
    settings.DIRECT_UPLOADS = True

    assert policy(Visitor().get("/")) == POLICY | {f"connect-src 'self' {origin}"}
    assert policy(Visitor().get("/about/")) == POLICY


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("assets/index-CROeMByT.js", "max-age=315360000, public, immutable"),
        ("assets/plain.js", "max-age=60, public"),
        ("index.html", "max-age=60, public"),
    ],
)
def test_files_with_a_content_hash_are_cached(db: None, built: Path, name: str, kept: str) -> None:
    response = Visitor().get(f"/static/demo/{name}")

    assert (response.status_code, response["Cache-Control"]) == (200, kept)
    assert policy(response) == POLICY


def test_without_a_build_the_links_and_instructions_are_shown(db: None, built: Path) -> None:
    (built / "index.html").unlink()

    page = Visitor().get("/").content.decode()

    assert page == Visitor().get("/about/").content.decode()
    assert "The demo page is not built" in page
    assert "./run" in page


def test_with_the_page_off_only_the_links_are_shown(db: None, built: Path, settings: Any) -> None:
    settings.DEMO_PAGE = False

    page = Visitor().get("/").content.decode()

    assert page == Visitor().get("/about/").content.decode()
    assert "demo" not in page.lower()


def test_every_page_is_linked_with_and_without_a_build(db: None, built: Path) -> None:
    pages_linked = ["/admin/", "/api/docs/", "/health/ready"]

    assert links("/about/") == ["/", *pages_linked]
    (built / "index.html").unlink()
    assert links("/about/") == pages_linked


def links(path: str) -> list[str]:
    """Return the links of a page, after checking that they answer 200."""
    found = re.findall(r'<li><a href="([^"]+)"', Visitor().get(path).content.decode())
    for link in found:
        assert Visitor().get(link, follow=True).status_code == 200, link
    return found


@pytest.mark.parametrize("path", ["/", "/about/"])
def test_the_pages_can_only_be_read(db: None, built: Path, path: str) -> None:
    assert Visitor().head(path).status_code == 200
    assert Visitor().post(path).status_code == 405


@pytest.mark.slow
def test_the_real_page_is_served_on_a_back_office_and_in_production_only_if_requested(
    tmp_path: Path,
) -> None:
    need_node()
    run_quietly(shell("front_build"))
    with ExitStack() as stack:
        servers = all_started(stack, tmp_path, {}, PRODUCTION, {**PRODUCTION, "DEMO_PAGE": "true"})
        hosts = ["localhost", "maria.example", "maria.example"]
        gets = [
            partial(get, server.port, host) for server, host in zip(servers, hosts, strict=True)
        ]
        pages = [ask("/") for ask in gets]
        built = (ROOT / "frontend/demo/dist/index.html").read_text()

        assert [page.text == built for page in pages] == [True, False, True]
        assert pages[1].text == gets[1]("/about/").text
        for ask in (gets[0], gets[2]):
            for address in addresses(built):
                answer = ask(address)
                assert (answer.status_code, "immutable" in answer.headers["Cache-Control"]) == (
                    200,
                    True,
                ), address
        assert gets[1](addresses(built)[0]).status_code == 404


def get(port: int, host: str, path: str) -> requests.Response:
    return requests.get(f"http://127.0.0.1:{port}{path}", headers={"Host": host}, timeout=60)


def addresses(page: str) -> list[str]:
    """Return the files of a built page, after checking that all are local and nothing is inline."""
    found = re.findall(r'(?:src|href)="([^"]*)"', page.split("<noscript>", maxsplit=1)[0])
    assert found
    assert [address for address in found if not address.startswith("/static/demo/assets/")] == []
    assert re.findall(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", page) == []
    return found
