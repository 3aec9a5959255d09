"""Files on the page: choosing, dropping, uploading, listing and removing."""

import re
from base64 import b64encode
from html import unescape
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.api import PageVisitor
from tests.browser.files_card import FilesCard, SlowNetwork, UploadGate, chosen
from tests.browser.site import Site
from tests.helpers import pdf

pytestmark = pytest.mark.slow

SLOW = 200_000
# Longer on its way than anything that a test does meanwhile, when SLOW.
LONG = pdf(size=3_000_000)
SHORT = pdf(size=300_000)
_WATCH_PROGRESS = """
window.reported = [];
new MutationObserver(() => {
  for (const bar of document.querySelectorAll("progress")) {
    window.reported.push([bar.value, bar.max, bar.parentElement.textContent]);
  }
}).observe(document, { subtree: true, childList: true, attributes: true });
"""
_DROPPED = """
(files) => {
  const transfer = new DataTransfer();
  for (const [name, base64] of files) {
    const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    transfer.items.add(new File([bytes], name));
  }
  return transfer;
}
"""
VECTORS = [
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "'><script>alert(1)<script>",
    "<iframe srcdoc='<img src=x onerror=alert(1)>'>",
    "<details open ontoggle=alert(1)>",
    "<a href=javascript:alert(1)>report<a>",
    "<base href=javascript:alert(1)>",
    "<style>@import 'x'",
    "&lt;b onclick=alert(1)&gt;",
    "javascript:alert(1)",
    "${alert(1)}{{constructor.constructor('alert(1)')()}}",
]


@pytest.fixture
def card(site: Site, page: Page) -> FilesCard:
    """Return a tab that is not open yet."""
    return FilesCard(page, site)


@pytest.fixture
def begun(card: FilesCard) -> FilesCard:
    """Return a tab at the page, with a session."""
    card.begin()
    return card


def on_its_way(card: FilesCard, name: str) -> None:
    """Wait until some of a file has been sent."""
    card.file(name).get_by_role("progressbar").wait_for()
    expect(card.file(name).get_by_role("progressbar")).not_to_have_attribute("value", "0")


def test_a_chosen_file_is_stored_and_shows_progress(card: FilesCard, page: Page) -> None:
    page.add_init_script(_WATCH_PROGRESS)
    card.open()
    line = SlowNetwork(page)
    line.limit(SLOW)

    card.choose(chosen("report.pdf", SHORT))
    card.expect_stored("report.pdf")

    result = page.evaluate("window.reported")
    seen = [sent for sent, _, _ in result]
    assert len(set(seen)) >= 3
    assert seen == sorted(seen)
    assert {size for _, size, _ in result} == {len(SHORT)}
    assert [text for _, _, text in result if re.search("[1-9][0-9]* kB of 293 kB", text)]
    assert card.rows() == [("report.pdf", "stored")]
    assert card.objects() == [SHORT]
    assert card.site.events(card.uuid) == ["session.created", "upload.stored"]


def test_dropped_files_are_stored(card: FilesCard, page: Page) -> None:
    card.open()
    files = [[name, b64encode(pdf(name)).decode()] for name in ("one.pdf", "two.pdf")]

    dropped = page.evaluate_handle(_DROPPED, files)
    card.field.dispatch_event("dragover", {"dataTransfer": dropped})
    expect(card.region.locator("[data-over=true]")).to_be_visible()
    card.field.dispatch_event("drop", {"dataTransfer": dropped})

    card.expect_stored("one.pdf", "two.pdf")
    expect(card.region.locator("[data-over=true]")).to_have_count(0)
    assert sorted(card.objects()) == sorted([pdf("one.pdf"), pdf("two.pdf")])


def test_two_files_are_uploaded_at_a_time(begun: FilesCard, page: Page) -> None:
    names = [f"{number}.pdf" for number in range(5)]
    gate = UploadGate(page)

    begun.choose(*(chosen(name, pdf(name)) for name in names))
    expect(begun.region.get_by_role("progressbar")).to_have_count(2)
    expect(begun.region.get_by_text("Waiting for its turn")).to_have_count(3)
    gate.wait_for(2)
    gate.pass_one()
    begun.expect_stored("0.pdf")
    expect(begun.region.get_by_role("progressbar")).to_have_count(2)
    expect(begun.region.get_by_text("Waiting for its turn")).to_have_count(2)
    assert len(begun.sent) == 3
    gate.open()

    begun.expect_stored(*names)
    begun.expect_files(*names)
    assert sorted(begun.objects()) == sorted(pdf(name) for name in names)
    assert begun.stored_events() == len(names)


def test_a_file_is_listed_after_a_reload_and_in_another_tab(
    begun: FilesCard, page: Page, context: BrowserContext
) -> None:
    begun.choose(chosen("report.pdf"))
    begun.expect_stored("report.pdf")

    page.reload()
    begun.expect_stored("report.pdf")
    other = FilesCard(context.new_page(), begun.site)
    other.open()

    other.expect_stored("report.pdf")
    assert other.uuid == begun.uuid
    assert begun.stored_events() == 1


def test_a_cancelled_upload_is_not_stored(begun: FilesCard, page: Page) -> None:
    line = SlowNetwork(page)
    line.limit(SLOW)
    begun.choose(chosen("report.pdf", LONG))
    on_its_way(begun, "report.pdf")

    begun.press("Cancel", "report.pdf")
    begun.expect_files()
    line.limit(-1)
    page.reload()

    expect(begun.region).to_contain_text("No files yet.")
    assert begun.rows() == []
    assert begun.objects() == []
    assert begun.site.deployment.spooled() == []


def test_an_upload_resumes_when_the_server_is_back(site: Site, page: Page, card: FilesCard) -> None:
    page.clock.install()
    card.begin()
    line = SlowNetwork(page)
    line.limit(SLOW)
    card.choose(chosen("report.pdf", LONG))
    on_its_way(card, "report.pdf")

    site.kill()
    expect(card.file("report.pdf")).to_contain_text("Trying again soon…", timeout=15_000)
    expect(card.file("report.pdf")).to_contain_text("The server cannot be reached.")
    line.limit(-1)
    site.start()
    page.clock.fast_forward(3_000)

    card.expect_stored("report.pdf")
    assert len(set(card.keys)) == 1 < len(card.keys)
    assert card.objects() == [LONG]
    assert card.site.events(card.uuid) == ["session.created", "upload.stored"]


def test_an_upload_continues_as_soon_as_the_network_is_back(
    context: BrowserContext, page: Page, card: FilesCard
) -> None:
    # The page's own clock stands still: no timer sends the file again.
    page.clock.install()
    card.begin()
    gate = UploadGate(page)
    card.choose(chosen("report.pdf", SHORT))
    gate.wait_for(1)
    page.clock.pause_at(page.evaluate("Date.now() / 1000 + 1"))

    context.set_offline(True)
    gate.open()
    expect(card.file("report.pdf")).to_contain_text("Is this device online?")
    assert card.rows() == []
    context.set_offline(False)

    card.expect_stored("report.pdf")
    assert len(card.keys) == 2
    assert len(set(card.keys)) == 1
    assert card.objects() == [SHORT]
    assert card.stored_events() == 1


def test_a_file_with_a_lost_response_is_stored_once(begun: FilesCard, page: Page) -> None:
    session = page.context.new_cdp_session(page)

    def lose(event: dict[str, str]) -> None:
        reason = {"requestId": event["requestId"], "errorReason": "ConnectionReset"}
        session.send("Fetch.failRequest", reason)

    session.on("Fetch.requestPaused", lose)
    uploads = {"urlPattern": "*/api/v1/uploads/", "requestStage": "Response"}
    session.send("Fetch.enable", {"patterns": [uploads]})

    begun.choose(chosen("report.pdf"))
    expect(begun.file("report.pdf")).to_contain_text("The server cannot be reached.")
    assert begun.rows() == [("report.pdf", "stored")]
    session.send("Fetch.disable")
    begun.press("Try again", "report.pdf")

    begun.expect_stored("report.pdf")
    begun.expect_files("report.pdf")
    assert begun.keys[0] == begun.keys[-1]
    assert begun.objects() == [pdf()]
    assert begun.stored_events() == 1


def test_removing_a_file_deletes_it(begun: FilesCard, page: Page) -> None:
    begun.choose(chosen("keep.pdf", pdf("keep")), chosen("remove.pdf"))
    begun.expect_stored("keep.pdf", "remove.pdf")

    begun.press("Remove", "remove.pdf")
    begun.expect_files("keep.pdf")
    page.reload()

    begun.expect_stored("keep.pdf")
    begun.expect_files("keep.pdf")
    assert sorted(begun.rows()) == [("keep.pdf", "stored"), ("remove.pdf", "deleted")]
    assert begun.objects() == [pdf("keep")]
    assert begun.site.events(begun.uuid).count("upload.deleted") == 1


def test_a_download_has_the_same_bytes_and_name(begun: FilesCard, page: Page) -> None:
    names = ["report.pdf", "報告書" * 65 + "一.pdf"]
    begun.choose(*(chosen(name, SHORT + name.encode()) for name in names))
    begun.expect_stored(*names)

    for name in names:
        with page.expect_download() as begins:
            begun.press("Download", name)
        assert begins.value.suggested_filename == name
        assert begins.value.path().read_bytes() == SHORT + name.encode()
    assert page.url == begun.site.url + "/"
    begun.expect_stored(*names)


def test_a_file_changed_or_deleted_before_the_upload_must_be_chosen_again(
    begun: FilesCard, page: Page, tmp_path: Path
) -> None:
    files = [tmp_path / f"{name}.pdf" for name in ("first", "second", "changed", "gone")]
    changed, deleted = files[2:]
    for file in files:
        file.write_bytes(pdf(file.stem))
    gate = UploadGate(page)
    begun.choose(*files)
    gate.wait_for(2)

    changed.write_bytes(pdf("something else", size=5_000))
    deleted.unlink()
    gate.open()

    begun.expect_stored("first.pdf", "second.pdf")
    for name in ("changed.pdf", "gone.pdf"):
        expect(begun.problem(name)).to_have_text(
            "This file was changed or removed after you chose it. Choose it again."
        )
        expect(begun.file(name).get_by_role("button")).to_have_text(["Remove"])
    assert sorted(begun.objects()) == sorted([pdf("first"), pdf("second")])
    begun.press("Remove", "changed.pdf")
    begun.choose(changed)
    begun.expect_stored("changed.pdf")
    assert pdf("something else", size=5_000) in begun.objects()


def test_a_file_truncated_during_the_upload_must_be_chosen_again(
    begun: FilesCard, page: Page, tmp_path: Path
) -> None:
    report = tmp_path / "report.pdf"
    report.write_bytes(LONG)
    line = SlowNetwork(page)
    line.limit(SLOW)
    begun.choose(report)
    on_its_way(begun, "report.pdf")

    with report.open("r+b") as file:
        file.truncate(1_000_000)
    line.limit(-1)

    expect(begun.problem("report.pdf")).to_contain_text("Choose it again.")
    assert begun.rows() == []


def test_a_file_rewritten_during_the_upload_is_not_stored_mixed(
    begun: FilesCard, page: Page, tmp_path: Path
) -> None:
    report = tmp_path / "report.pdf"
    report.write_bytes(LONG)
    line = SlowNetwork(page)
    line.limit(SLOW)
    begun.choose(report)
    on_its_way(begun, "report.pdf")

    other = LONG[:1000] + b"x" * (len(LONG) - 1000)
    report.write_bytes(other)
    line.limit(-1)

    expect(begun.problem("report.pdf")).to_contain_text("Choose it again.", timeout=15_000)
    assert begun.objects() == []


def test_t66_name_message_and_address_are_escaped(begun: FilesCard, page: Page, site: Site) -> None:
    names = [f"{vector}.pdf" for vector in VECTORS]
    address = '"<svg/onload=alert(1)>"@example.com'
    visitor = PageVisitor(page, site, begun.uuid)
    assert visitor.call("PATCH", "sessions/current/", {"email": address})[0] == 200
    page.reload()
    expect(begun.region).to_contain_text("in all.")
    nodes = """
      () => [...document.body.querySelectorAll("*")].map((node) => node.tagName).filter(
        (tag) => !["LI", "BDI", "P", "SPAN", "BUTTON", "UL", "PROGRESS", "DIV"].includes(tag)).sort()
    """
    before = page.evaluate(nodes)

    gate = UploadGate(page)
    begun.choose(*(chosen(name, pdf(name)) for name in names))
    begun.expect_files(*names)
    gate.open()
    # The server reads names as browsers once wrote them, with entities.
    names = [unescape(name) for name in names]
    begun.expect_stored(*names)
    said = page.get_by_role("log")
    for number, vector in enumerate(VECTORS):
        page.get_by_role("textbox", name="Message").fill(vector)
        page.get_by_role("button", name="Send").click()
        expect(said.locator("[data-who=visitor]").nth(number)).to_have_text(f"You: {vector}")
    page.reload()
    begun.expect_stored(*names)
    expect(begun.region).to_contain_text("in all.")
    assert page.evaluate(nodes) == before

    page.get_by_role("button", name="Your data").click()
    expect(page.get_by_label("Your e-mail address")).to_have_value(address)
    page.get_by_role("button", name="What happened").click()
    happened = page.get_by_role("list", name="What happened")
    for name in names:
        expect(happened).to_contain_text(name)
    assert (
        page.locator("[onerror], [onload], [ontoggle], iframe, base, [href^=javascript]").count()
        == 0
    )
