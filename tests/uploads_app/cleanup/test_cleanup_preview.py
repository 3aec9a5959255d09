"""A dry run with any options reports, in the same order, what the same run then does."""

from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.utils import timezone

from sessions_app.models import UserSession
from tests.helpers import plant, store_root
from tests.uploads_app.cleanup.cleanup_support import (
    DAY,
    HOUR,
    CommandResult,
    change,
    cleanup,
    closed_with_object,
    deleting,
    last_run,
    of_session_ended,
    orphan,
    pending,
    remove_object,
    settled,
    snapshot,
    stored,
    trashed_object,
)
from tests.uploads_app.kept_scenes import scene_of
from uploads_app.management.commands.cleanup_orphans import Command
from uploads_app.models import QuarantinedObject, TrashStatus, UploadedFile, UploadStatus


@dataclass
class AgedObjects:
    """Keys of objects with several ages."""

    reset: dict[str, str]
    completed: str
    trashed: dict[str, str]
    orphans: dict[str, str]


@pytest.fixture
def ages(db: None) -> AgedObjects:
    """A deployment with objects of several ages, created once for all tests."""
    return scene_of(of_several_ages)


def of_several_ages() -> AgedObjects:
    stored()
    trashed = {"2d": trashed_object(2 * DAY), "8d": trashed_object(8 * DAY)}
    pending(-HOUR)
    deleting()
    remove_object(stored())
    change(stored(), status=UploadStatus.MISSING)
    closed_with_object(HOUR)
    # A finding must not be reported or applied for a second reason.
    lost, back = of_session_ended(9 * DAY), of_session_ended(9 * DAY)
    remove_object(lost)
    change(back, status=UploadStatus.MISSING)
    _cut_off(orphan(), TrashStatus.QUARANTINING, in_trash=True)
    _cut_off(closed_with_object(HOUR).key, TrashStatus.PURGING, in_trash=False)
    plant(f"uploads/{lost.session_id}/.ha\x1blf.pdf.0123456789abcdef.part", age=DAY)
    plant(".ha\x1blf.0123456789abcdef.part", age=DAY)
    return AgedObjects(
        reset={"4d": of_session_ended(4 * DAY).key, "8d": of_session_ended(8 * DAY).key},
        completed=_completed(of_session_ended(20 * DAY)).key,
        trashed=trashed,
        orphans={"1h": orphan(HOUR), "3h": orphan(3 * HOUR)},
    )


def _completed(upload: UploadedFile) -> UploadedFile:
    UserSession.objects.filter(pk=upload.session_id).update(completed_at=timezone.now() - 30 * DAY)
    return upload


def _cut_off(key: str, status: TrashStatus, *, in_trash: bool) -> None:
    """Set the state of a run that died between recording a step and doing it."""
    now = timezone.now()
    QuarantinedObject.objects.create(
        key=key, size=16, modified_at=now - HOUR, status=status, in_trash=in_trash
    )


def previewed(*options: str) -> CommandResult:
    """Do a dry run and a run with the same options; check that both report the same."""
    before = snapshot()
    dry = settled("--json", "--dry-run", *options)
    assert snapshot() == before
    done = settled("--json", *options)
    assert done.document["findings"] == dry.document["findings"]
    return done


def test_a_run_does_what_its_preview_reported(ages: AgedObjects) -> None:
    found = previewed().found
    assert ages.reset["8d"] in found["files past retention"]
    assert ages.reset["4d"] not in found["files past retention"]
    assert found["objects past quarantine"] == {ages.trashed["8d"]}
    assert found["objects without a row"] == set(ages.orphans.values())
    assert len(found["unfinished moves"]) == 2
    # A key with a control character cannot be stored, so it is left alone.
    assert len(found["unknown keys left alone"]) == 2
    assert set(previewed().found) == {"unknown keys left alone"}


@pytest.mark.parametrize(
    ("options", "deleted"),
    [
        (["--upload-retention", "3d"], {"4d", "8d"}),
        (["--upload-retention", "30d"], set()),
        (["--completed-retention", "10d"], {"8d", "completed"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_preview_uses_the_retentions_of_the_command(
    ages: AgedObjects, options: list[str], deleted: set[str]
) -> None:
    result = previewed(*options)
    known = {**ages.reset, "completed": ages.completed}
    past = result.found.get("files past retention", set())
    assert {name for name, key in known.items() if key in past} == deleted
    assert {name for name, key in known.items() if not (store_root() / key).exists()} == deleted


def test_a_preview_uses_the_trash_retention_of_the_command(ages: AgedObjects) -> None:
    result = previewed("--trash-retention", "1d")
    assert result.found["objects past quarantine"] == set(ages.trashed.values())


def test_the_old_name_of_the_trash_retention_still_works_with_a_warning(
    ages: AgedObjects, capsys: pytest.CaptureFixture[str]
) -> None:
    Command().run_from_argv(
        ["manage.py", "cleanup_orphans", "--dry-run", "--quarantine-retention", "1d"]
    )
    printed = capsys.readouterr()
    assert {key for key in ages.trashed.values() if f"past quarantine: {key}" in printed.out} == (
        set(ages.trashed.values())
    )
    (line,) = printed.err.splitlines()
    assert line.startswith("--quarantine-retention is the old name of --trash-retention;")


def test_a_preview_uses_the_grace_period_of_the_command(ages: AgedObjects) -> None:
    found = previewed("--older-than", "2h").found
    assert found["objects without a row"] == {ages.orphans["3h"]}
    assert ages.orphans["1h"] in found["young objects left alone"]


def test_a_preview_uses_the_limit_of_the_command(ages: AgedObjects) -> None:
    options = ("--limit", "4", "--upload-retention", "3d", "--trash-retention", "1d")
    for _ in range(10):
        document = previewed(*options).document
        assert document["removed"] + document["quarantined"] <= 4
        if {item["kind"] for item in document["findings"]} == {"unknown keys left alone"}:
            return
    pytest.fail("there is always more")


def test_a_dry_run_that_stops_reports_its_counts(db: None) -> None:
    stored()
    for _ in range(101):
        orphan(timedelta(hours=2))
    assert cleanup("--dry-run").exit_code == 3
    assert last_run().findings == {"objects without a row": 101}
    result = cleanup("--json")
    assert last_run().findings == {"objects without a row": 101}
    assert len(result.found["objects without a row"]) == 101
