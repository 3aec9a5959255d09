"""Takes pictures of the package's components in every state: `make component-pictures`.

The components are in a page that adds no style of its own, over the package's fake server. Build it
first with `npm run gallery` in frontend/.
"""

import argparse
import re
import sys
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.browser.chromium import how_to_launch  # noqa: E402
from tests.static_server import serving  # noqa: E402

GALLERY = ROOT / "frontend/gallery"
STATES = re.findall(r"^  (\w+): \{", (GALLERY / "states.ts").read_text(), re.MULTILINE)
SIZES = {"desktop": (760, 620), "phone": (390, 780)}
# Size, colour scheme and language.
VIEWS = (
    ("desktop", "light", "en"),
    ("desktop", "dark", "en"),
    ("phone", "light", "en"),
    ("phone", "dark", "ar"),
    ("desktop", "light", "ar"),
    ("desktop", "light", "de"),
)


def take(browser: Browser, address: str, state: str, folder: Path) -> None:
    """Take the pictures of one state."""
    for size, scheme, lang in VIEWS:
        width, height = SIZES[size]
        page = browser.new_page(
            viewport={"width": width, "height": height},
            color_scheme="dark" if scheme == "dark" else "light",
            reduced_motion="reduce",
            has_touch=size == "phone",
            is_mobile=size == "phone",
            device_scale_factor=2,
        )
        page.goto(f"{address}?state={state}&lang={lang}")
        page.locator("html[data-ready]").wait_for(timeout=60_000)
        page.screenshot(path=folder / f"{state}-{size}-{scheme}-{lang}.png")
        page.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("states", nargs="*", help="only these states: " + " ".join(STATES))
    parser.add_argument("--folder", type=Path, default=ROOT / "var/component-pictures")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    with serving(GALLERY / "dist") as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(**how_to_launch(whole=False))
        for state in options.states or STATES:
            take(browser, address, state, options.folder)
        browser.close()
    print(f"The pictures are in {options.folder}.")


if __name__ == "__main__":
    main()
