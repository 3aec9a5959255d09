"""The package's components with its stylesheet, in a page of a host with a strict policy.

The page is the gallery of frontend/: every state over the package's fake server, without the product.
"""

import re
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, FilePayload, Locator, Page, expect

from tests.browser.axe import OF_A_VIEW, SMALLEST, set_view, violations
from tests.browser.chromium import Watch
from tests.helpers import SOAK
from tests.maria_project.server import run_quietly
from tests.node import FRONTEND, need_node, shell
from tests.static_server import serving

pytestmark = pytest.mark.slow

GALLERY = FRONTEND / "gallery"
STATES = re.findall(r"^  (\w+): \{", (GALLERY / "states.ts").read_text(), re.MULTILINE)
# German has long words. Each state in German takes a second.
GERMAN = STATES if SOAK else ["uploading", "problems", "data"]
VIEWS = [*product(STATES, ["en", "ar"]), *product(GERMAN, ["de"])]
# Elements that paint a box (a background, a border or content of CSS) and show no text.
EMPTY_BOXES = """
[...document.querySelectorAll("#root *")].filter((element) => {
  const style = getComputedStyle(element);
  const isPainted = (from) =>
    !/^rgba\\(0, 0, 0, 0\\)$|\\/ 0\\)$/.test(from.backgroundColor) ||
    (from.borderTopStyle !== "none" && parseFloat(from.borderTopWidth) > 0);
  const isContent = ["::before", "::after"].some(
    (part) => !/^(none|normal)$/.test(getComputedStyle(element, part).content));
  return element.checkVisibility({ opacityProperty: true }) &&
    !element.matches("progress, input, canvas") &&
    (isPainted(style) || isContent) && !element.textContent.trim();
}).map((element) => element.outerHTML)
"""
CHECK_MARKS = """
[...document.querySelectorAll("[data-status=stored]")].map((row) =>
  [row, ...row.querySelectorAll("*")].flatMap((element) =>
    ["::before", "::after"].map((part) => getComputedStyle(element, part).content)
      .concat([...element.childNodes].map((node) => node.nodeValue ?? "")))
    .join("").match(/\\u2713/g)?.length ?? 0)
"""

# The distance between a name's text and the start of the line below it.
INDENTS = """
[...document.querySelectorAll(".maria-file")].map((row) => {
  const text = document.createRange();
  text.selectNodeContents(row.querySelector("bdi"));
  const state = document.createRange();
  state.selectNodeContents(row.querySelector(".maria-state"));
  return Math.abs(text.getBoundingClientRect().right - state.getBoundingClientRect().right);
})
"""
# The distance between the status line of the element and its upload part.
GAP = """
(() => {
  const { shadowRoot } = document.querySelector("maria-uploads");
  const box = (name) => shadowRoot.querySelector(name).getBoundingClientRect();
  return Math.round(box(".maria-upload").top - box(".maria-status").bottom);
})()
"""
NARROW_BARS = (
    "[...document.querySelectorAll('progress')].filter((bar) => bar.clientWidth < 60).length"
)
# Safari's screen reader takes lists without markers for plain text, unless they have the role.
UNNOTICED_LISTS = """
[...document.querySelectorAll("ul, ol")].filter((list) =>
  getComputedStyle(list).listStyleType === "none" && list.getAttribute("role") !== "list").length
"""

# The policy lets no picture in by its address.
COLOURS = """
async (base64) => {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const picture = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
  const { width, height } = picture;
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.drawImage(picture, 0, 0);
  const { data } = context.getImageData(5, Math.floor(height / 2), width - 10, 1);
  return Array.from({ length: data.length / 4 }, (_, at) => data.slice(4 * at, 4 * at + 3).join());
}
"""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The address of the built gallery."""
    need_node()
    run_quietly(shell("front_packages"))
    shutil.rmtree(GALLERY / "dist", ignore_errors=True)
    run_quietly(["npm", "--prefix", str(FRONTEND), "run", "--silent", "gallery"])
    with serving(GALLERY / "dist") as address:
        yield address


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A tab that must not break the policy, and asks no other host."""
    watch = Watch({urlsplit(address).netloc})
    context = browser.new_context(reduced_motion="reduce")
    watch.over(context)
    yield context.new_page()
    context.close()
    watch.take("dialog beforeunload")  # The next state is shown while files are on their way.
    assert watch.problems == []


def show(page: Page, address: str, state: str, lang: str) -> None:
    """Open the gallery in a state, and wait until it is reached."""
    page.goto(f"{address}?state={state}&lang={lang}")
    page.locator("html[data-ready]").wait_for()


@pytest.mark.parametrize(("state", "lang"), VIEWS)
def test_no_violation_no_empty_box_and_one_check_mark(
    page: Page, address: str, state: str, lang: str
) -> None:
    show(page, address, state, lang)

    assert violations(page) == []
    assert page.evaluate(EMPTY_BOXES) == []
    assert set(page.evaluate(CHECK_MARKS)) <= {1}
    assert page.evaluate(UNNOTICED_LISTS) == 0
    set_view(page, SMALLEST, "dark")
    assert violations(page, only=OF_A_VIEW) == []
    assert page.evaluate(NARROW_BARS) == 0
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_progress_is_visible_in_forced_colours(page: Page, address: str) -> None:
    page.emulate_media(forced_colors="active")
    show(page, address, "uploading", "en")
    bars = page.locator("progress")
    expect(bars).to_have_count(2)

    for bar in bars.all():
        assert len(set(colours(page, bar))) > 1


def colours(page: Page, part: Locator) -> list[str]:
    """Return the colours of a part of the page, along the line in its middle, without its ends."""
    picture = b64encode(part.screenshot()).decode()
    found: list[str] = page.evaluate(COLOURS, picture)
    return found


def test_names_start_where_the_line_starts(page: Page, address: str) -> None:
    show(page, address, "uploading", "ar")
    for width in (760, 320):
        set_view(page, (width, 568), "light")
        # A check mark, which is no text, stands before the state of a stored file.
        assert max(page.evaluate(INDENTS)) < 20


def test_a_stored_file_has_its_check_mark_and_a_thumbnail(page: Page, address: str) -> None:
    show(page, address, "files", "en")

    assert page.evaluate(CHECK_MARKS) == [1, 1, 1]
    page.locator("canvas:not([hidden])").wait_for()
    assert page.get_by_text("3 of 5 files").is_visible()


def test_server_rendered_components_pass_the_policy(page: Page, address: str) -> None:
    rendered = subprocess.run(
        ["node", str(GALLERY / "dist/ssr/server.js")], capture_output=True, text=True, check=True
    ).stdout
    index = (GALLERY / "dist/index.html").read_text()
    assert "<!--server-->" in index
    for part in ("attach", "data", "drop", "status", "upload", "where"):
        assert f'class="maria-{part}"' in rendered, part
    assert "style=" not in rendered
    said: list[str] = []
    page.on("console", lambda line: said.append(line.text) if line.type == "error" else None)
    Path(GALLERY / "dist/rendered.html").write_text(index.replace("<!--server-->", rendered))

    page.goto(f"{address}rendered.html?state=confirm")
    page.locator("html[data-ready]").wait_for()

    assert said == []
    assert page.locator("[style]").count() == 0


def test_the_custom_element_works_without_react(page: Page, address: str) -> None:
    page.goto(f"{address}element.html")
    field = page.get_by_label("Choose files")
    expect(field).to_have_attribute("accept", ".pdf")

    files: list[FilePayload] = [
        {"name": "lease.pdf", "mimeType": "application/pdf", "buffer": b"%PDF"},
        {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"notes"},
    ]
    field.set_input_files(files)

    expect(page.get_by_role("listitem").first).to_contain_text("Stored, 1 kB")
    expect(page.get_by_role("listitem").last).to_contain_text("Only PDF can be uploaded.")
    expect(page.locator("output")).to_contain_text("maria-stored")
    expect(page.locator("output")).to_contain_text("maria-error")
    radius = "getComputedStyle(document.querySelector('maria-uploads').shadowRoot.querySelector('.maria-files')).borderTopLeftRadius"
    assert page.evaluate(radius) == "12px"
    assert violations(page) == []
    page.get_by_role("button", name="Remove").first.click()
    expect(page.get_by_role("listitem")).to_have_count(1)
    page.evaluate("document.querySelector('maria-uploads').setAttribute('disabled', '')")
    expect(field).to_be_disabled()


def test_the_custom_element_takes_what_was_set_before_its_script(page: Page, address: str) -> None:
    page.goto(f"{address}element.html?early")
    expect(page.get_by_label("Belege auswählen oder hier ablegen")).to_be_visible()
    expect(page.get_by_label("Belege")).to_have_attribute("accept", ".pdf")

    page.evaluate("document.querySelector('maria-uploads').messages = {choose: 'Rechnungen'}")

    expect(page.get_by_label("Rechnungen oder hier ablegen")).to_be_visible()


def test_the_custom_element_is_a_block_with_a_gap_after_its_status(
    page: Page, address: str
) -> None:
    for query, gap in (("", 0), ("?offline", 12)):
        page.goto(f"{address}element.html{query}")
        status = page.locator(".maria-status")
        expect(status).to_have_attribute("data-status", "offline" if query else "ready")
        assert page.evaluate(GAP) == gap

    element = page.locator("maria-uploads")
    element.evaluate("element => { element.style.maxWidth = '20rem' }")
    box = element.bounding_box()
    assert box
    assert box["width"] == 320
    element.evaluate("element => { element.hidden = true }")
    expect(element).to_be_hidden()
