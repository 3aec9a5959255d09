"""Direct uploads and downloads between the page and a bucket."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Request, expect

from tests.browser.chromium import Watch
from tests.browser.files_card import FilesCard, SlowNetwork, chosen
from tests.browser.site import Site, serving
from tests.helpers import pdf
from tests.s3_server import Bucket, S3Server, fresh_bucket
from uploads_app.storage.keys import MARKER

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("demo")]

BODY = pdf(size=300_000)
SLOW = 200_000
_WATCH_PROGRESS = """
window.reported = [];
new MutationObserver(() => {
  for (const bar of document.querySelectorAll("progress")) window.reported.push(bar.value);
}).observe(document, { subtree: true, childList: true, attributes: true });
"""


@pytest.fixture(scope="module")
def bucket(s3_process: S3Server) -> Iterator[Bucket]:
    """Return the bucket of the site."""
    with fresh_bucket(s3_process) as bucket:
        yield bucket


@pytest.fixture(scope="module")
def site(bucket: Bucket, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Run the product with a bucket that allows posts only from its page."""
    folder = tmp_path_factory.mktemp("site") / "data"
    with serving(
        folder, STORAGE_URL=bucket.url, DIRECT_UPLOADS="true", DOWNLOADS="redirect"
    ) as site:
        rule = {
            "AllowedOrigins": [site.url],
            "AllowedMethods": ["POST"],
            "AllowedHeaders": ["*"],
            "MaxAgeSeconds": 7200,
        }
        bucket.client.put_bucket_cors(Bucket=bucket.name, CORSConfiguration={"CORSRules": [rule]})
        yield site


@pytest.fixture
def card(site: Site, page: Page, watch: Watch, bucket: Bucket) -> FilesCard:
    """Return a tab that is not open yet and may send requests to the bucket."""
    watch.hosts.add(urlsplit(bucket.endpoint).netloc)
    return FilesCard(page, site)


def test_a_file_is_sent_to_the_bucket_and_downloaded_from_it(
    card: FilesCard, page: Page, bucket: Bucket
) -> None:
    posts: list[Request] = []
    page.on("request", lambda request: posts.append(request) if request.method == "POST" else None)
    page.add_init_script(_WATCH_PROGRESS)
    card.open()
    line = SlowNetwork(page)
    line.limit(SLOW)

    card.choose(chosen("報告書.pdf", BODY))
    card.expect_stored("報告書.pdf")
    line.limit(-1)

    result = page.evaluate("window.reported")
    assert len(set(result)) >= 3
    assert result == sorted(result)
    assert card.sent == []  # nothing went through the server
    (form,) = [request for request in posts if request.url.startswith(bucket.endpoint)]
    assert "cookie" not in form.all_headers()
    assert "authorization" not in form.all_headers()
    (key,) = bucket.keys() - {MARKER}
    assert bucket.read(key) == BODY
    assert key.startswith(f"uploads/{card.uuid}/")
    assert card.site.events(card.uuid) == ["session.created", "upload.started", "upload.stored"]
    page.reload()
    card.expect_files("報告書.pdf")
    with page.expect_download() as begins:
        card.press("Download", "報告書.pdf")
    assert begins.value.suggested_filename == "報告書.pdf"
    assert begins.value.url.startswith(f"{bucket.endpoint}/{bucket.name}/{key}?")
    assert Path(begins.value.path()).read_bytes() == BODY


def test_a_file_that_is_not_a_pdf_is_refused_after_the_upload(
    card: FilesCard, bucket: Bucket
) -> None:
    before = bucket.keys()
    card.open()

    card.choose(chosen("page.pdf", b"<script>alert(1)</script>"))

    expect(card.file("page.pdf")).to_contain_text(
        "Its name and content must both be of an allowed type: PDF"
    )
    assert bucket.keys() == before
    assert card.rows() == [("page.pdf", "rejected")]
