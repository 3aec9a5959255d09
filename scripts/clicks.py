"""Counts the clicks and key presses that eight tasks of support take, in Chromium.

python scripts/clicks.py [TASK…]     prints a table; TASK is the start of a name

A click, a key and a choice count 1 each; typed or pasted text counts 0. Page Down counts
apart: staff press it until they see what they look for. Elements are located by role and name.
"""

import argparse
import importlib
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import django

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "maria_project.settings")
importlib.import_module("tests.environment")  # sets its own data folder
os.environ["LOG_LEVEL"] = "WARNING"
django.setup()

from playwright.sync_api import Browser, Locator, Page, ViewportSize, expect  # noqa: E402

from tests.browser.back_office import BackOffice  # noqa: E402
from tests.browser.chromium import launched  # noqa: E402
from tests.browser.site import Site, serving  # noqa: E402
from tests.browser.test_back_office import misheard  # noqa: E402

LAPTOP = ViewportSize(width=1280, height=800)
# Longer than any page.
MOST_SCREENS = 30
_IN_VIEW = """(element) => {
  const box = element.getBoundingClientRect();
  return box.height > 0 && box.top >= 0 && box.bottom <= innerHeight;
}"""
_CODE = re.compile("^MAR-")
# One visitor for each task that changes something. The clock of each session is real.
_VISITORS = """
from datetime import timedelta
from django.test.utils import setup_test_environment
from django.utils import timezone
from sessions_app.models import UserSession
from tests.helpers import pdf, started, uploaded
from uploads_app.models import CleanupRun, UploadedFile

setup_test_environment()

def known(name, *files):
    visitor = started()
    visitor.identify(name=name, email=name.lower().replace(" ", "@") + ".example")
    for file in files or ("Contract.pdf", "Letter.pdf", "Passport.pdf"):
        uploaded(visitor, pdf(f"{name} {file}"), file)
    return visitor

def code(visitor):
    return UserSession.objects.get(pk=visitor.uuid).support_code

answer = {}
for task in ("story", "who", "revoke"):
    visitor = known("Erika Muster")
    answer[task] = {"uuid": visitor.uuid, "code": code(visitor)}
moved = known("Ion Munteanu")
old = moved.uuid
assert moved.reset(reason="requested").status_code == 201
answer["restore"] = {"uuid": old, "new": moved.uuid, "code": code(moved)}
loser = known("Marta Kowalska", "Certificate of birth.pdf")
loser.delete_upload(str(UploadedFile.objects.get(session=loser.uuid).pk))
answer["file"] = {"uuid": loser.uuid, "code": code(loser)}
CleanupRun.objects.create(
    status="stopped", actor="system", grace=timedelta(hours=1), limit=100, dry_run=False,
    stop_code="storage_unavailable", stop_sentence="The store did not answer.",
    started_at=timezone.now(), finished_at=timezone.now(),
)
"""
_FILES = """
from uploads_app.models import UploadedFile
answer = UploadedFile.objects.filter(session={uuid!r}, status="stored").count()
"""


@dataclass
class Staff:
    """A member of staff in one tab, who counts what the hands do."""

    page: Page
    acts: int = 0
    screens: int = 0
    steps: list[str] = field(default_factory=list)

    def click(self, element: Locator) -> None:
        """Scroll to an element and click it."""
        self.see(element)
        self._count(element.inner_text() or element.get_attribute("value") or "a field")
        element.click()

    def choose(self, label: str | re.Pattern[str]) -> None:
        """Scroll to a choice and choose it."""
        choice = self.page.get_by_label(label).first
        self.see(choice)
        self._count(str(getattr(label, "pattern", label)))
        choice.click()

    def search(self, term: str) -> None:
        """Type a term into the search box that has the focus, or in the header, and press Enter."""
        if not self.page.evaluate("document.activeElement.matches('input[name=q]')"):
            self._count("the search box")
            self.page.get_by_role("search").locator("input[name=q]").first.click()
        self.page.keyboard.type(term)
        self.press("Enter")

    def press(self, key: str) -> None:
        """Press a key that leads to another page."""
        self._count(key)
        with self.page.expect_navigation():
            self.page.keyboard.press(key)

    def see(self, element: Locator) -> None:
        """Press Page Down until an element is in view, or scroll to it if none of the page's keys does."""
        expect(element).to_be_visible()
        for _ in range(MOST_SCREENS):
            if element.evaluate(_IN_VIEW):
                return
            before = self.page.evaluate("scrollY")
            self.page.evaluate("scrollBy({top: innerHeight - 40, behavior: 'instant'})")
            if self.page.evaluate("scrollY") == before:
                element.scroll_into_view_if_needed()
                return
            self.screens += 1

    def _count(self, step: str) -> None:
        self.acts += 1
        self.steps.append(step.strip())


@dataclass(frozen=True)
class Task:
    """What is done, its goal, where it begins, and the acts themselves."""

    name: str
    goal: int
    begin: Callable[["Scene"], None]
    work: Callable[["Scene"], None]


@dataclass(frozen=True)
class Scene:
    """The tab, the site and the visitors of one task."""

    back_office: BackOffice
    staff: Staff
    site: Site
    visitors: dict[str, dict[str, str]]

    @property
    def page(self) -> Page:
        return self.staff.page

    def dashboard(self) -> None:
        self.back_office.open("")

    def session(self, name: str) -> None:
        self.back_office.open_session(self.visitors[name]["uuid"])


def code_to_story(scene: Scene) -> None:
    scene.staff.search(scene.visitors["story"]["code"])
    scene.staff.see(_newest_event(scene.page))


def see_who_it_is(scene: Scene) -> None:
    scene.staff.click(scene.back_office.link(re.compile("^(Reveal|Show personal values)")))
    scene.staff.choose("The visitor asked me to check")
    scene.staff.see(scene.back_office.content.get_by_text("Erika Muster").first)


def restore_three_files(scene: Scene) -> None:
    scene.staff.click(scene.back_office.link("Transfer files…"))
    scene.staff.choose("The visitor started a new session by mistake")
    scene.staff.click(scene.page.get_by_role("button", name=re.compile("^Transfer")).last)
    expect(scene.back_office.said).to_be_visible()
    assert scene.site.run(_FILES.format(uuid=scene.visitors["restore"]["new"])) == 3


def revoke(scene: Scene) -> None:
    scene.staff.click(scene.back_office.link("Revoke…"))
    scene.staff.choose(re.compile("visitor asked", re.I))
    scene.staff.click(scene.page.get_by_role("button", name="Revoke this session"))
    expect(scene.back_office.said).to_contain_text("is revoked")


def results_opened(scene: Scene) -> None:
    scene.dashboard()
    scene.back_office.find("Erika Muster")
    _result(scene, 0).click()
    expect(scene.page).to_have_url(re.compile("/change/"))


def next_result(scene: Scene) -> None:
    first = scene.page.url
    scene.staff.click(scene.page.get_by_role("link", name="Next result"))
    expect(scene.page).to_have_url(re.compile("/change/"))
    assert scene.page.url != first


def wrong_symbol(scene: Scene) -> None:
    code = scene.visitors["story"]["code"]
    scene.staff.search(misheard(code))
    scene.staff.see(scene.page.get_by_role("heading", name=code).first)


def what_happened_to_a_file(scene: Scene) -> None:
    scene.staff.search("Certificate of birth")
    scene.staff.click(scene.back_office.link(re.compile("^C•••.pdf")))
    scene.staff.see(scene.page.get_by_text("Its visitor deleted it.").first)


def last_cleanup(scene: Scene) -> None:
    run = scene.page.get_by_text("Last scheduled run").first
    scene.staff.click(run.get_by_role("link"))
    scene.staff.see(scene.page.get_by_text("Check the store: disk, mount").first)


def _newest_event(page: Page) -> Locator:
    return page.get_by_role("region", name="Timeline").get_by_role("listitem").first


def _result(scene: Scene, place: int) -> Locator:
    return scene.back_office.content.get_by_role("link", name=_CODE).nth(place)


TASKS = (
    Task("code → story", 1, Scene.dashboard, code_to_story),
    Task("see who it is", 2, lambda scene: scene.session("who"), see_who_it_is),
    Task("restore three files", 4, lambda scene: scene.session("restore"), restore_three_files),
    Task("revoke", 3, lambda scene: scene.session("revoke"), revoke),
    Task("next result", 1, results_opened, next_result),
    Task("a code with a wrong symbol", 2, Scene.dashboard, wrong_symbol),
    Task("what happened to my file", 2, Scene.dashboard, what_happened_to_a_file),
    Task("last cleanup, why it stopped", 2, Scene.dashboard, last_cleanup),
)


def main(names: list[str], *, shows_steps: bool) -> None:
    """Do the tasks and print a Markdown table."""
    with tempfile.TemporaryDirectory() as data, serving(Path(data) / "site") as site:
        visitors: dict[str, dict[str, str]] = site.run(_VISITORS)
        print("| task | goal | clicks and keys | screens scrolled |\n|---|---|---|---|")
        with launched() as browser:
            for task in TASKS:
                if not names or any(task.name.startswith(name) for name in names):
                    staff = _done(browser, site, visitors, task)
                    print(f"| {task.name} | {task.goal} | {staff.acts} | {staff.screens} |")
                    if shows_steps:
                        print("    " + " · ".join(staff.steps))


def _done(browser: Browser, site: Site, visitors: dict[str, dict[str, str]], task: Task) -> Staff:
    with _tab(browser) as page:
        scene = Scene(BackOffice(page, site).sign_in("Support"), Staff(page), site, visitors)
        task.begin(scene)
        task.work(scene)
        return scene.staff


@contextmanager
def _tab(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport=LAPTOP)
    page = context.new_page()
    page.set_default_timeout(60_000)
    yield page
    context.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("tasks", nargs="*", metavar="TASK")
    parser.add_argument("--steps", action="store_true", help="print what was clicked and pressed")
    options = parser.parse_args()
    main(options.tasks, shows_steps=options.steps)
