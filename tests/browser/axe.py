"""axe-core in a page: what it finds that keeps somebody out."""

from functools import cache

from playwright.sync_api import Page

from tests.node import FRONTEND

PHONE, BACK_OFFICE, SMALLEST = (390, 844), (1280, 800), (320, 568)
# What still moves has no colours yet that could be judged.
_AT_REST = "document.getAnimations().forEach((animation) => animation.finish())"
_VIOLATIONS = """async () => {
  const { violations } = await axe.run({ resultTypes: ["violations"] });
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => [id, html, failureSummary].join("\\n")));
}"""


def set_view(page: Page, size: tuple[int, int], colours: str) -> None:
    """See the page in a window of this size and in these colours, once nothing moves."""
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.emulate_media(color_scheme="dark" if colours == "dark" else "light")
    page.evaluate(_AT_REST)


def violations(page: Page) -> list[str]:
    """Return what axe finds in the page as it is: rule, markup and what to do, of each place."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(_source())  # by the debugger: the page's policy does not let scripts in
    found: list[str] = page.evaluate(_VIOLATIONS)
    return found


@cache
def _source() -> str:
    return (FRONTEND / "node_modules" / "axe-core" / "axe.min.js").read_text()
