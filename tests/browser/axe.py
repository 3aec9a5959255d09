"""Runs axe-core in a page and returns accessibility violations."""

from collections.abc import Sequence
from functools import cache

from playwright.sync_api import Page

from tests.node import FRONTEND

PHONE, BACK_OFFICE, SMALLEST = (390, 844), (1280, 800), (320, 568)
# Elements in an animation have no final colours yet.
_AT_REST = "document.getAnimations().forEach((animation) => animation.finish())"
# What depends on the window's size and the colours.
OF_A_VIEW = ("color-contrast", "link-in-text-block", "scrollable-region-focusable", "target-size")
_VIOLATIONS = """async ([targets, only, exclude]) => {
  const rules = { "target-size": { enabled: targets } };
  const options = only.length ? { runOnly: { type: "rule", values: only } } : { rules };
  const { violations } = await axe.run({ exclude }, { resultTypes: ["violations"], ...options });
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => [id, html, failureSummary].join("\\n")));
}"""


def set_view(page: Page, size: tuple[int, int], colours: str) -> None:
    """Set window size and colour scheme, and wait for animations to end."""
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.emulate_media(color_scheme="dark" if colours == "dark" else "light")
    page.evaluate(_AT_REST)


def violations(
    page: Page, *, targets: bool = False, only: Sequence[str] = (), without: Sequence[str] = ()
) -> list[str]:
    """Return axe's violations in the current page: rule, markup and advice.

    With `targets`, a control of less than 24 pixels is one, too. `only` names rules: no others run.
    `without` are selectors of parts that are left out.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(source())  # by the debugger: the page's policy does not let scripts in
    found: list[str] = page.evaluate(
        _VIOLATIONS, [targets, list(only), [[part] for part in without]]
    )
    return found


@cache
def source() -> str:
    """Return the script of axe. A page that runs it at each start need not be sent it again."""
    return (FRONTEND / "node_modules" / "axe-core" / "axe.min.js").read_text()
