"""Each guard matches the code, and the tool tells a failed assertion from another failure."""

from collections import Counter
from pathlib import Path

import pytest

from tests.guards.guard import AREAS, Guard, OutOfDate, Suite, read_guards
from tests.guards.workplace import Colour, judge
from tests.maria_project.server import ROOT

GUARDS = read_guards()
LEAST, LEAST_IN_AN_AREA, MOST_IN_A_TEST_FILE = 60, 8, 5
# One property with several invariants: each has a guard.
MORE_IN = {
    "frontend/tests/acts/acts.test.ts": 8,
    "frontend/tests/store/storage.test.ts": 6,
    "tests/faults/test_web_server.py": 6,
    "tests/maria_project/test_web_processes.py": 6,
}
# What is outside the apps has fewer rules.
LEAST_ELSEWHERE = 2
# The folders of each area; the admin is in several apps.
FOLDERS = {
    "common_audit_app": ("common/", "audit_app/"),
    "admin": ("common/", "audit_app/", "sessions_app/", "uploads_app/", "backoffice_app/"),
    "frontend": ("frontend/src/", "frontend/package.json"),
    "maria_project": ("maria_project/", "benchmarks/", "deploy/", "docs/", "scripts/"),
}
# At least one guard must use each of these.
IN_SOME = (
    "tests/maria_project/test_main_job.py",
    "tests/maria_project/test_contract.py",
    "tests/uploads_app/cleanup/test_cleanup_machine.py",
    "tests/backoffice_app/test_permission_matrix.py",
    "tests/browser/",
)


def test_each_guard_matches_the_code() -> None:
    problems = []
    for guard in GUARDS:
        try:
            guard.find(ROOT)
        except OutOfDate as error:
            problems.append(f"{guard.area}/{guard.name}: {error}")
    assert problems == []


def test_each_guard_changes_the_code_and_has_a_reason() -> None:
    assert [guard.name for guard in GUARDS if guard.text == guard.replacement] == []
    assert [guard.name for guard in GUARDS if len(guard.reason) < 20 or "\n" in guard.reason] == []
    assert [name for name, count in Counter(one.name for one in GUARDS).items() if count > 1] == []


def test_each_guard_is_in_the_folder_of_its_area() -> None:
    assert {guard.area for guard in GUARDS} == set(AREAS)
    for guard in GUARDS:
        assert guard.path.startswith(FOLDERS.get(guard.area, f"{guard.area}/")), guard.name


def test_the_test_files_of_each_guard_exist() -> None:
    named = {test.partition("::")[0] for guard in GUARDS for test in guard.suite.tests}
    assert [test for test in sorted(named) if not (ROOT / test).is_file()] == []


def test_each_area_has_enough_guards() -> None:
    assert len(GUARDS) >= LEAST
    counts = Counter(guard.area for guard in GUARDS)
    least = dict.fromkeys(AREAS, LEAST_IN_AN_AREA) | {"maria_project": LEAST_ELSEWHERE}
    assert [area for area in AREAS if counts[area] < least[area]] == []


def test_guards_are_spread_over_test_files() -> None:
    counts = Counter(
        file for guard in GUARDS for file in {test.partition("::")[0] for test in guard.suite.tests}
    )
    assert {
        file: count
        for file, count in counts.items()
        if count > MORE_IN.get(file, MOST_IN_A_TEST_FILE)
    } == {}
    for start in IN_SOME:
        assert any(file.startswith(start) for file in counts), start


def _guard(path: str) -> Guard:
    return Guard("one", "common", "It is needed.", path, "if x:", "if True:", Suite(("a.py",)))


def test_a_text_must_occur_once_in_all_files_of_the_path(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("if x:\n")
    (tmp_path / "folder").mkdir()
    assert _guard("**/*.py").find(tmp_path) == tmp_path / "one.py"
    (tmp_path / "folder" / "two.py").write_text("if x:\n")
    assert _guard("*.py").find(tmp_path) == tmp_path / "one.py"
    for path in ("**/*.py", "*.css"):
        with pytest.raises(OutOfDate):
            _guard(path).find(tmp_path)


@pytest.mark.parametrize(
    ("code", "content", "colour"),
    [
        (0, "<testcase/>", Colour.GREEN),
        (1, '<testcase><failure message="assert 1 == 2"/></testcase>', Colour.RED),
        (1, '<testcase><failure message="Failed: DID NOT RAISE X"/></testcase>', Colour.RED),
        (1, '<testcase><failure message="Failed: 1 case:">1 case:&#10;AssertionError</failure></testcase>', Colour.RED),
        (1, '<testcase><failure type="AssertionError" message="expected 1"/></testcase>', Colour.RED),
        (1, '<testcase><failure message="Failed: Timeout (&gt;300.0s)"/></testcase>', Colour.BROKEN),
        (1, '<testcase><failure message="NameError: x"/></testcase>', Colour.BROKEN),
        (1, '<testcase><error message="assert 1 == 2"/></testcase>', Colour.BROKEN),
        (2, '<testcase><error message="collection failure"/></testcase>', Colour.BROKEN),
        (None, "<testcase/>", Colour.BROKEN),
    ],
)  # fmt: skip
def test_only_a_failed_assertion_is_red(
    tmp_path: Path, code: int | None, content: str, colour: Colour
) -> None:
    report = tmp_path / "report.xml"
    report.write_text(f"<testsuites><testsuite>{content}</testsuite></testsuites>")
    assert judge(code, report)[0] == colour
