"""Takes pictures of the admin with invented sessions.

python scripts/admin_pictures.py             writes docs/images/admin-*.png, as a Support user sees them
python scripts/admin_pictures.py --folder F  writes every page to F, as a superuser sees it: on a desktop
                                             and a phone, light and dark. It fails if a page is wider than
                                             its window, has an error, or breaks the content policy.
"""

import argparse
import importlib
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import django

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "maria_project.settings")
importlib.import_module("tests.environment")  # sets its own data folder
os.environ["LOG_LEVEL"] = "WARNING"
django.setup()

from playwright.sync_api import Browser, Page, ViewportSize  # noqa: E402

from scripts.console_pages import PAGES, ROWS  # noqa: E402
from scripts.console_states import states  # noqa: E402
from tests.browser.back_office import BackOffice  # noqa: E402
from tests.browser.chromium import launched  # noqa: E402
from tests.browser.site import Site, serving  # noqa: E402

SESSIONS = 400
WIDE = ViewportSize(width=1280, height=800)
NARROW = ViewportSize(width=390, height=844)
_SUPERUSER = """
from django.contrib.auth.models import User
answer = User.objects.filter(username="support").update(is_superuser=True)
"""
_TOO_WIDE = "document.documentElement.scrollWidth - innerWidth"


@dataclass(frozen=True)
class Camera:
    """The folder, window size and color scheme of pictures."""

    folder: Path
    name: str = "admin-{page}.png"
    is_narrow: bool = False
    scheme: Any = "light"

    def take(self, page: Page, name: str, *, is_whole: bool = False) -> None:
        """Save a picture of the window, or of the whole page."""
        page.screenshot(path=self.folder / self.name.format(page=name), full_page=is_whole)


def main(folder: Path | None) -> bool:
    """Serve an invented history and take the pictures; return whether every page is fine."""
    with tempfile.TemporaryDirectory() as data, serving(Path(data) / "site") as site:
        site.manage("seed_demo", f"--sessions={SESSIONS}")
        rows: dict[str, str] = site.run(ROWS)
        with launched() as browser:
            if folder is None:
                _take_for_docs(browser, site, rows)
                return True
            folder.mkdir(parents=True, exist_ok=True)
            problems = [
                problem
                for camera in _cameras(folder)
                for problem in _take_all(browser, site, rows, camera)
            ]
    print(*problems, sep="\n")
    return not problems


def _cameras(folder: Path) -> list[Camera]:
    return [
        Camera(folder, f"{{page}}-{'phone' if is_narrow else 'desktop'}-{scheme}.png", is_narrow, scheme)
        for is_narrow in (False, True)
        for scheme in ("light", "dark")
    ]  # fmt: skip


def _take_for_docs(browser: Browser, site: Site, rows: dict[str, str]) -> None:
    camera = Camera(ROOT / "docs" / "images")
    back_office = _sign_in(browser, site, camera)
    for name, show in _pages_of_docs(back_office, rows).items():
        show()
        camera.take(back_office.page, name)
    back_office.page.context.close()


def _take_all(browser: Browser, site: Site, rows: dict[str, str], camera: Camera) -> list[str]:
    """Take a picture of every page with one camera; return what is wrong with the pages."""
    back_office = _sign_in(browser, site, camera)
    site.run(_SUPERUSER)
    page, problems = back_office.page, list[str]()
    page.on("pageerror", lambda error: problems.append(f"{page.url} {error}"))
    page.on(
        "console",
        lambda line: problems.append(f"{page.url} {line.text}") if "Policy" in line.text else None,
    )
    for name, path in PAGES.items():
        back_office.open(path.format(**rows))
        camera.take(page, name, is_whole=True)
        if (excess := page.evaluate(_TOO_WIDE)) > 0:
            problems.append(
                f"{camera.name.format(page=name)}: wider than the window by {excess} px"
            )
    shown = {**_states(back_office, camera), **states(back_office, rows)}
    for name, show in shown.items():
        show()
        camera.take(page, name)
    page.context.close()
    return problems


def _states(back_office: BackOffice, camera: Camera) -> dict[str, Callable[[], object]]:
    """Return pages that are reached by an act."""
    page = back_office.page
    navigation = page.get_by_role("navigation", name="Main")

    def open_menu() -> None:
        back_office.open("sessions_app/usersession/")
        if camera.is_narrow:
            page.get_by_role("button", name="Menu").click()
        navigation.get_by_text("support", exact=True).click()

    def search() -> None:
        back_office.open("")
        back_office.find("anna")

    def sign_out() -> None:
        open_menu()
        back_office.follow(navigation.get_by_role("button", name="Sign out"))

    return {
        "search-results": search,
        "menu": open_menu,
        "signed-out": sign_out,
        "sign-in": lambda: back_office.open("login/"),
    }


def _sign_in(browser: Browser, site: Site, camera: Camera) -> BackOffice:
    window = NARROW if camera.is_narrow else WIDE
    context = browser.new_context(color_scheme=camera.scheme, reduced_motion="reduce")
    back_office = BackOffice(context.new_page(), site).sign_in("Support")
    back_office.page.set_viewport_size(window)
    return back_office


def _pages_of_docs(
    back_office: BackOffice, rows: dict[str, str]
) -> dict[str, Callable[[], object]]:
    session = f"sessions_app/usersession/{rows['session']}"
    return {
        "overview": lambda: back_office.open(""),
        "find": lambda: back_office.find("anna"),
        "session": lambda: back_office.open(f"{session}/change/"),
        "person": lambda: back_office.open(f"{session}/person/"),
        "erase": lambda: back_office.open(f"{session}/erase/"),
        "give": lambda: back_office.open(f"uploads_app/uploadedfile/{rows['file']}/give/"),
        "audit": lambda: back_office.open("audit_app/auditlog/?type=session.revoked"),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--folder", type=Path)
    sys.exit(not main(parser.parse_args().folder))
