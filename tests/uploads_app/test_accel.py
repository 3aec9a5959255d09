"""DOWNLOADS=accel: the application decides, nginx sends the bytes, and nobody else reaches them.

The first half uses the test client, the second half a real nginx with the lines of
deploy/nginx/maria.conf. Run by root, its workers are another account, in the STORAGE_GROUP.
"""

import grp
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.test import Client

from sessions_app.models import Scope
from tests import nginx, scratch
from tests.helpers import Service, Visitor, code, events, made_key, pdf, started, uploaded
from tests.ports import free_port
from tests.uploads_app.samples import UPLOADS
from tests.uploads_app.server import (
    WAITRESS,
    HttpAnswer,
    UploadServer,
    deployment,
    request,
    serving,
)
from uploads_app.downloads import attachment
from uploads_app.exceptions import DownloadBlocked
from uploads_app.models import Inspection
from uploads_app.storage.base import object_store
from uploads_app.storage.disk_store import DiskStore

BODY = pdf("sent by the proxy", 200_000)
ORIGIN = "https://shop.example"
# What the two servers say about themselves and their connections, and what differs in each answer.
OF_THE_SERVER = {"server", "date", "connection", "via"}
OF_THE_REQUEST = {"x-request-id", "ratelimit"}


def url(upload: Any) -> str:
    return f"{UPLOADS}{upload.pk}/download/"


def lower(headers: Any) -> dict[str, str]:
    """Return headers with names in lower case: servers change them."""
    return {name.lower(): value for name, value in headers.items()}


class TestAnswers:
    @pytest.fixture(autouse=True)
    def accelerated(self, settings: Any) -> None:
        settings.DOWNLOADS = "accel"

    def test_the_answer_names_the_file_and_has_every_header_of_a_download(
        self, visitor: Visitor, settings: Any
    ) -> None:
        upload = uploaded(visitor, BODY, 'say "hi" 報告.pdf')
        accelerated = visitor.get(url(upload))
        settings.DOWNLOADS = "stream"
        streamed = visitor.get(url(upload))

        headers, expected = lower(accelerated.headers), lower(streamed.headers)
        assert headers.pop("x-accel-redirect") == f"/stored-files/{upload.key}"
        assert (headers.pop("content-length"), accelerated.content) == ("0", b"")
        assert expected.pop("content-length") == str(len(BODY))
        for changing in OF_THE_REQUEST:
            assert headers.pop(changing)
            assert expected.pop(changing)
        assert headers == expected

    def test_no_byte_of_the_file_is_read(
        self, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        upload = uploaded(visitor, BODY)

        def refuse(*_: Any) -> None:
            raise AssertionError("the file was opened")

        monkeypatch.setattr(DiskStore, "open", refuse)
        assert visitor.get(url(upload)).status_code == 200

    def test_each_check_is_made(self, visitor: Visitor, settings: Any) -> None:
        upload = uploaded(visitor, BODY)
        assert started().get(url(upload)).status_code == 404
        assert Client().get(url(upload)).status_code == 401
        settings.HOLD_DOWNLOADS = "unless_clean"
        assert upload.inspection != Inspection.CLEAN
        refused = visitor.get(url(upload))
        assert (refused.status_code, code(refused)) == (409, "file_held_back")
        settings.HOLD_DOWNLOADS = "never"
        object_store().delete(upload.key)
        missing = visitor.get(url(upload))
        assert (missing.status_code, code(missing)) == (404, "object_missing")
        assert "upload.downloaded" not in events(visitor.uuid)

    def test_no_caller_gets_a_blocked_file(self, visitor: Visitor, settings: Any) -> None:
        settings.HOLD_DOWNLOADS = "unless_clean"
        with pytest.raises(DownloadBlocked):
            attachment(uploaded(visitor, BODY))

    def test_downloads_are_recorded(self, visitor: Visitor) -> None:
        upload = uploaded(visitor, BODY)
        visitor.head(url(upload))
        assert events(visitor.uuid)[-1] == "upload.stored"
        visitor.get(url(upload))
        assert events(visitor.uuid)[-1] == "upload.downloaded"
        response = Service(made_key(Scope.UPLOADS)).file(visitor.uuid, upload.pk)
        assert response["X-Accel-Redirect"].endswith(upload.key)
        assert events(visitor.uuid).count("upload.downloaded") == 2

    @pytest.mark.parametrize("relocation", ["disk to disk"], indirect=True)
    def test_a_file_of_the_previous_store_is_streamed(self, db: None, relocation: Any) -> None:
        visitor = started()
        upload = uploaded(visitor, BODY)
        relocation.during()
        assert b"".join(visitor.get(url(upload)).streaming_content) == BODY  # type: ignore[attr-defined]
        newer = uploaded(visitor, BODY)
        assert visitor.get(url(newer))["X-Accel-Redirect"].endswith(newer.key)


class Proxied(NamedTuple):
    """The product behind an nginx, a file, and the headers that prove its session."""

    server: UploadServer
    port: int
    path: str
    proof: dict[str, str]

    def get(self, path: str = "", method: str = "GET", **headers: str) -> HttpAnswer:
        """Send a request to the proxy; by default a download."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        outer = UploadServer(self.server.deployment, self.port)
        return outer.send(request(method, path or self.path, b"", {**self.proof, **named}, None))


@pytest.fixture(scope="module")
def proxied() -> Iterator[Proxied]:
    nginx.need_nginx()
    # Below a folder that other accounts may pass.
    folder = Path(tempfile.mkdtemp(dir=scratch.fast_folder()))
    folder.chmod(0o711)
    group = next(one for one in grp.getgrall() if one.gr_gid not in (0, os.getgid())).gr_name
    env = {"DOWNLOADS": "accel", "TRUSTED_PROXIES": "1", "ALLOWED_ORIGINS": ORIGIN}
    if os.geteuid() == 0:
        env["STORAGE_GROUP"] = group
    with serving(deployment(folder / "data"), WAITRESS, **env) as server:
        answer = server.upload(BODY)
        assert answer.status == 201, answer
        path = f"{UPLOADS}{json.loads(answer.body)['id']}/download/"
        locations = nginx.files_location(folder / "data" / "storage")
        hop = nginx.ProxyHop(server.port, nginx.directives(), free_port(), others=locations)
        with nginx.running(folder / "nginx", [hop], workers=f"nobody {group}"):
            yield Proxied(server, hop.port, path, {"Cookie": server.cookie, "Origin": ORIGIN})


def headers_of(answer: HttpAnswer) -> dict[str, str]:
    lines = answer.head.split("\r\n")[1:]
    return lower(dict(line.split(": ", 1) for line in lines))


@pytest.mark.slow
def test_the_proxy_sends_the_file_with_each_header_of_the_application(proxied: Proxied) -> None:
    inner = headers_of(proxied.server.send(request("GET", proxied.path, b"", proxied.proof, None)))
    answer = proxied.get()
    outer = headers_of(answer)

    assert (answer.status, answer.body) == (200, BODY)
    assert inner.pop("x-accel-redirect")
    assert inner.pop("content-length") == "0"
    assert outer.pop("content-length") == str(len(BODY))
    assert inner["access-control-allow-origin"] == ORIGIN
    assert outer.keys() >= OF_THE_REQUEST
    ours = {name: inner[name] for name in inner.keys() - OF_THE_SERVER - OF_THE_REQUEST}
    assert ours == {name: outer.get(name) for name in ours}
    assert outer.keys() - inner.keys() - OF_THE_SERVER == {"accept-ranges", "etag", "last-modified"}


@pytest.mark.slow
def test_ranges_and_head(proxied: Proxied) -> None:
    part = proxied.get(Range="bytes=1000-1999")
    assert (part.status, part.body) == (206, BODY[1000:2000])
    assert headers_of(part)["content-range"] == f"bytes 1000-1999/{len(BODY)}"
    assert headers_of(part)["content-security-policy"] == "sandbox; default-src 'none'"
    beyond = proxied.get(Range=f"bytes={len(BODY)}-")
    assert beyond.status == 416
    assert headers_of(beyond)["x-content-type-options"] == "nosniff"
    head = proxied.get(method="HEAD")
    assert (head.status, head.body) == (200, b"")
    assert headers_of(head)["content-length"] == str(len(BODY))


@pytest.mark.slow
def test_no_client_reaches_the_internal_address(proxied: Proxied) -> None:
    (key,) = [key for key in proxied.server.deployment.files() if key.startswith("uploads/")]
    assert proxied.get().status == 200
    for path in (
        f"/stored-files/{key}",
        f"//stored-files/{key}",
        f"/%73tored-files/{key}",
        f"/api/../stored-files/{key}",
        f"/stored-files/./{key}",
        f"/stored-files/{key}?link=1",
        "/stored-files/uploads/",
        "/stored-files/uploads/../marker.json",
        "/stored-files/marker.json",
    ):
        for method in ("GET", "HEAD", "POST"):
            answer = proxied.get(path, method, X_Accel_Redirect=f"/stored-files/{key}")
            assert answer.status in (404, 405), (method, path, answer)
            assert BODY[:100] not in answer.body
    refused = proxied.get("/api/v1/uploads/", X_Accel_Redirect=f"/stored-files/{key}")
    assert BODY[:100] not in refused.body


@pytest.mark.slow
def test_refusals_pass_the_proxy_unchanged(proxied: Proxied) -> None:
    stranger = UploadServer(proxied.server.deployment, proxied.port)
    answer = stranger.send(request("GET", proxied.path, b"", {}, None))
    assert answer.status == 401
    assert b'"code":"session_required"' in answer.body
