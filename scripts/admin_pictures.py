"""Takes the pictures of docs/support.md: the admin with invented sessions, as a Support user sees it.

python scripts/admin_pictures.py            writes docs/images/admin-*.png
python scripts/admin_pictures.py --folder F  writes the same pages to F: wide and narrow, light and dark
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
django.setup()

from playwright.sync_api import Browser, Page, ViewportSize  # noqa: E402

from tests.browser.back_office import BackOffice  # noqa: E402
from tests.browser.chromium import launched  # noqa: E402
from tests.browser.site import Site, serving  # noqa: E402

SESSIONS = 400
_CHOSEN = """
from uploads_app.models import UploadedFile
from sessions_app.models import UserSession
from django.utils import timezone
from django_q.models import Success
from backoffice_app.dashboard.counting import count_figures
from common.worker import HEARTBEAT_FUNC
now = timezone.now()
Success.objects.create(
    id="0" * 32, name="beat", func=HEARTBEAT_FUNC, success=True, started=now, stopped=now)
count_figures()
proven = UserSession.objects.filter(
    email_proven=True, status="active", uploads__status="stored", name__startswith="A")
over = UploadedFile.objects.filter(status="stored", session__status="reset")
answer = {
    "session": proven.first().pk,
    "file": (over.first() or UploadedFile.objects.filter(status="stored").first()).pk,
}
"""
WIDE = ViewportSize(width=1200, height=860)
NARROW = ViewportSize(width=390, height=844)


@dataclass(frozen=True)
class Camera:
    """The folder, window size and color scheme of pictures."""

    folder: Path
    name: str = "admin-{page}.png"
    is_narrow: bool = False
    scheme: Any = "light"

    def take(self, page: Page, name: str) -> None:
        """Save a picture; of the full page in a narrow window."""
        page.wait_for_load_state("networkidle")
        path = self.folder / self.name.format(page=name)
        # The history is at the end of the session page.
        page.screenshot(path=path, full_page=self.is_narrow or name == "session")


def main(folder: Path | None) -> None:
    """Serve an invented history and take the pictures."""
    cameras = [Camera(ROOT / "docs" / "images")]
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        cameras = [
            Camera(folder, f"{{page}}-{'narrow' if is_narrow else 'wide'}-{scheme}.png", is_narrow, scheme)
            for is_narrow in (False, True)
            for scheme in ("light", "dark")
        ]  # fmt: skip
    with tempfile.TemporaryDirectory() as data, serving(Path(data) / "site") as site:
        site.manage("seed_demo", f"--sessions={SESSIONS}")
        chosen: dict[str, str] = site.run(_CHOSEN)
        with launched() as browser:
            for camera in cameras:
                _take(browser, site, chosen, camera)


def _take(browser: Browser, site: Site, chosen: dict[str, str], camera: Camera) -> None:
    window = NARROW if camera.is_narrow else WIDE
    context = browser.new_context(viewport=window, color_scheme=camera.scheme)
    back_office = BackOffice(context.new_page(), site).sign_in("Support")
    for name, show in _pages(back_office, chosen).items():
        show()
        camera.take(back_office.page, name)
    context.close()


def _pages(back_office: BackOffice, chosen: dict[str, str]) -> dict[str, Callable[[], object]]:
    session = f"sessions_app/usersession/{chosen['session']}"
    return {
        "overview": lambda: back_office.open(""),
        "find": lambda: back_office.find("anna"),
        "session": lambda: back_office.open(f"{session}/change/"),
        "person": lambda: back_office.open(f"{session}/person/"),
        "erase": lambda: back_office.open(f"{session}/erase/"),
        "give": lambda: back_office.open(f"uploads_app/uploadedfile/{chosen['file']}/give/"),
        "audit": lambda: back_office.open("audit_app/auditlog/?type=session.revoked"),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--folder", type=Path)
    main(parser.parse_args().folder)
