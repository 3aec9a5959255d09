"""STORAGE_URL selects a bucket or a folder; an invalid URL is refused without quoting a secret."""

from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from environs import Env

from maria_project.settings.environment import secret
from maria_project.settings.storage_url import storage
from tests.cases import cases

FOLDER = Path("/srv/maria/storage")


def read(url: str) -> tuple[str, dict[str, Any]]:
    """Return the class and the options of a URL."""
    entry = storage("STORAGE_URL", url, FOLDER)
    return entry["BACKEND"].rpartition(".")[2], entry["OPTIONS"]


@pytest.mark.parametrize(
    ("url", "kind", "options"),
    [
        ("", "DiskStore", {"location": FOLDER}),
        ("file:///srv/a%20b", "DiskStore", {"location": Path("/srv/a b")}),
        ("s3://bucket", "S3Store", {"bucket_name": "bucket"}),
        (
            "s3://KEY:a%2Fb%2Bc%40d@maria.files-1?region_name=eu-central-1",
            "S3Store",
            {
                "bucket_name": "maria.files-1",
                "access_key": "KEY",
                "secret_key": "a/b+c@d",
                "region_name": "eu-central-1",
            },
        ),
        (
            "s3://KEY:a+b@bucket?endpoint_url=https://s3.example:8333"
            "&public_endpoint_url=https%3A%2F%2Ffiles.example",
            "S3Store",
            {
                "bucket_name": "bucket",
                "access_key": "KEY",
                "secret_key": "a+b",
                "endpoint_url": "https://s3.example:8333",
                "public_endpoint_url": "https://files.example",
            },
        ),
    ],
)
def test_a_url_selects_a_store(url: str, kind: str, options: dict[str, Any]) -> None:
    assert read(url) == (kind, options)


@cases(
    ("url", "reason"),
    [
        ("/srv/storage", "scheme"),
        ("https://key:secret@s3.example/bucket", "scheme"),
        ("S3+x://key:secret@bucket", "scheme"),
        ("file://srv/storage", "absolute path"),
        ("file:///", "absolute path"),
        ("file:///srv?secret=secret", "absolute path"),
        ("s3://", "invalid bucket name"),
        ("s3://key:secret@", "invalid bucket name"),
        ("s3://key:secret@Bucket", "invalid bucket name"),
        ("s3://key:secret@ab", "invalid bucket name"),
        ("s3://key:secret@bucket:8333", "invalid bucket name"),
        ("s3://key:secret@bucket/folder", "invalid bucket name"),
        ("s3://key:secret@bucket#x", "invalid bucket name"),
        ("s3://key:half/secret@bucket", "invalid bucket name"),
        ("s3://key:half#secret@bucket", "invalid bucket name"),
        ("s3://key@bucket", "a key needs a secret"),
        ("s3://:secret@bucket", "a key needs a secret"),
        ("s3://key:secret@bucket?acl=secret", "the only options are"),
        ("s3://key:secret@bucket?endpoint_url=", "endpoint_url must be an address"),
        ("s3://key:secret@bucket?endpoint_url=s3.example", "endpoint_url must be an address"),
        ("s3://key:secret@bucket?endpoint_url=https://secret@s3.example", "endpoint_url must be"),
        ("s3://key:secret@bucket?endpoint_url=https://s3.example/bucket", "endpoint_url must be"),
        (
            "s3://key:secret@bucket?public_endpoint_url=ftp://s3.example",
            "public_endpoint_url must be",
        ),
        ("s3://key:secret@bucket?endpoint_url=https://s3.example:secret", ""),
        ("s3://key:secret@bucket?secret", ""),
        ("s3://key:secret@[bucket", ""),
        ("s3://key:half?secret@bucket", ""),
    ],
)
def test_an_invalid_url_is_refused_without_quoting_a_secret(url: str, reason: str) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        read(url)

    result = str(caught.value)
    assert result.startswith("STORAGE_URL: ")
    assert reason in result
    assert "write s3://KEY:SECRET@bucket" in result
    assert "secret" not in result.replace("a key needs a secret, and a secret needs a key", "")
    assert caught.value.__suppress_context__  # nor does a traceback


def test_a_url_can_be_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "url").write_text("s3://KEY:secret@bucket\n")
    monkeypatch.setenv("STORAGE_URL_FILE", str(tmp_path / "url"))

    kind, options = read(secret(Env(), "STORAGE_URL"))

    assert (kind, options["secret_key"]) == ("S3Store", "secret")
