"""Takes pictures of the examples with Vite and without a bundler: `make example-pictures`.

Each is on an origin of its own, over a running product. Two files are stored, one is on its way and
one is refused.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from scripts.demo_steps import NAMES, choose, files, slow_down, store  # noqa: E402
from scripts.screenshots import server  # noqa: E402
from tests.browser.chromium import how_to_launch  # noqa: E402
from tests.examples import Example, built_package, served  # noqa: E402

SIZES = {"desktop": (760, 620), "phone": (390, 780)}
# Size, colour scheme and language.
VIEWS = (
    ("desktop", "light", "en"),
    ("desktop", "dark", "en"),
    ("phone", "light", "en"),
    ("phone", "dark", "en"),
    ("desktop", "light", "ar"),
    ("phone", "dark", "ar"),
)
POSITION = "(element) => element.position"


@contextmanager
def examples(folder: Path) -> Iterator[list[Example]]:
    """The built examples, over a product that allows their origins."""
    with served("vite", folder / "vite") as vite, served("plain", folder / "plain") as plain:
        origins = f"{vite.origin},{plain.origin}"
        settings = {"ALLOWED_ORIGINS": origins, "UPLOAD_MAX_FILES": "5"}
        with server(folder, **settings) as address:
            package = built_package(folder)
            for example in (vite, plain):
                example.build(package, address.rstrip("/"))
            yield [vite, plain]


def take(browser: Browser, example: Example, folder: Path) -> None:
    """Take the pictures of one example."""
    for size, scheme, lang in VIEWS:
        width, height = SIZES[size]
        page = browser.new_page(
            viewport={"width": width, "height": height},
            color_scheme="dark" if scheme == "dark" else "light",
            reduced_motion="reduce",
            has_touch=size == "phone",
            is_mobile=size == "phone",
            device_scale_factor=2,
            locale=lang,
        )
        page.set_default_timeout(60_000)
        page.goto(example.origin)
        store(page, *NAMES)
        slow_down(page, upload=600_000)
        text: dict[str, object] = {
            "name": "notes.txt",
            "mimeType": "text/plain",
            "buffer": b"notes",
        }
        choose(page, [*files("Passport and visa.pdf", size=4_800_000), text])
        progress = page.locator("progress")
        while (progress.evaluate(POSITION) or 0) < 0.55:
            page.wait_for_timeout(100)
        page.screenshot(path=folder / f"{example.name}-{size}-{scheme}-{lang}.png")
        page.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--folder", type=Path, default=ROOT / "var/example-pictures")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as scratch,
        examples(Path(scratch)) as built,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(**how_to_launch(whole=False))
        for example in built:
            take(browser, example, options.folder)
        browser.close()
    print(f"The pictures are in {options.folder}.")


if __name__ == "__main__":
    main()
