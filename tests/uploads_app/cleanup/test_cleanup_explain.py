"""`cleanup_orphans --explain KEY` explains any key: what was or would be done, the rule, the facts."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.helpers import plant, started, store_root, uploaded
from tests.uploads_app.cleanup.cleanup_support import (
    DAY,
    HOUR,
    change,
    cleanup,
    closed_with_object,
    deleting,
    new_key,
    of_session_ended,
    orphan,
    pending,
    remove_object,
    restore,
    settled,
    snapshot,
    stored,
    trashed_object,
    use_store,
)
from uploads_app.models import QuarantinedObject, TrashStatus, UploadedFile, UploadStatus
from uploads_app.services.deletion import delete_upload
from uploads_app.storage.keys import quarantine_key

MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def live(db: None) -> UploadedFile:
    return stored()


def explained(key: str) -> dict[str, Any]:
    """Return what `--json` prints for a key. Checks that the text is the same and nothing changes."""
    before = snapshot()
    result = cleanup("--explain", key, "--json")
    text = cleanup("--explain", key)
    assert snapshot() == before
    assert (result.exit_code, text.exit_code, result.err, text.err) == (0, 0, "", "")
    document: dict[str, Any] = json.loads(result.out)
    assert text.out.startswith(f"{document['key']}: {document['explanation']}\n  object: ")
    assert text.out.count("\n  event: ") == max(1, len(document["events"]))
    return document


def _missing() -> str:
    upload = stored()
    remove_object(upload)
    return upload.key


def _cut_off() -> str:
    key = trashed_object()
    QuarantinedObject.objects.filter(key=key).update(status=TrashStatus.PURGING)
    return key


def _given_back() -> str:
    key = trashed_object()
    assert restore(key).exit_code == 0
    return key


def _half_written(age: timedelta) -> str:
    plant(key := ".clock.0123456789abcdef.part", age=age)
    return key


def _unknown() -> str:
    plant(key := "uploads/readme.txt", age=DAY)
    return key


@pytest.mark.parametrize(
    ("arrange", "would", "words"),
    [
        (lambda: pending(-HOUR).key, "lapsed uploads", "did not finish within its lease"),
        (lambda: pending(-HOUR, True).key, "uploads that arrived", "its object is whole"),
        (lambda: deleting().key, "unfinished deletions", "was interrupted"),
        (lambda: of_session_ended(8 * DAY).key, "files past retention", "Its retention is over"),
        (lambda: trashed_object(8 * DAY), "objects past quarantine", "The cleanup purges it"),
        (_cut_off, "unfinished moves", "The next run finishes it"),
        (lambda: closed_with_object(HOUR).key, "objects of closed files", "after its file was"),
        (lambda: _half_written(HOUR), "temporary files", "left this temporary file"),
        (orphan, "objects without a row", "moves it to the trash"),
        (_missing, "rows without an object", "marks the file as missing"),
        (
            lambda: change(stored(), status=UploadStatus.MISSING).key,
            "objects that came back",
            "is in the store again",
        ),
        (_given_back, "restored objects left alone", "A person restored"),
        (lambda: orphan(MINUTE), "young objects left alone", "younger than the grace"),
        (_unknown, "unknown keys left alone", "not one of this product"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " in value else "",
)
def test_the_finding_of_the_next_run_is_explained(
    arrange: Callable[[], str], would: str, words: str
) -> None:
    key = arrange()
    document = explained(key)
    assert (document["key"], document["would"]) == (key, would)
    assert words in document["explanation"]
    assert settled("--dry-run", "--json").found == {would: {key}}


def _after_a_run(key: str) -> str:
    settled()
    return key


def _quarantined_by_staff() -> str:
    return change(stored(), status=UploadStatus.QUARANTINED).key


def _deleted() -> str:
    upload = stored()
    delete_upload(upload=upload)
    return upload.key


def _purged() -> str:
    return _after_a_run(trashed_object(8 * DAY))


def _rejected() -> str:
    return change(pending(-HOUR), status=UploadStatus.REJECTED).key


def _restored_and_removed() -> str:
    key = _given_back()
    (store_root() / key).unlink()
    return key


@pytest.mark.parametrize(
    ("arrange", "words", "last_event"),
    [
        (lambda: stored().key, "a file of its session", "upload.stored"),
        (lambda: pending(HOUR).key, "until its lease ends", "upload.stored"),
        (_quarantined_by_staff, "Staff quarantined", "upload.stored"),
        (lambda: _after_a_run(_missing()), "the file is marked so", "upload.missing"),
        (_deleted, "was deleted", "upload.deleted"),
        (lambda: _after_a_run(of_session_ended(8 * DAY).key), "was deleted", "upload.deleted"),
        (lambda: _after_a_run(pending(-HOUR).key), "never finished", "upload.lapsed"),
        (_rejected, "was refused", "upload.stored"),
        (trashed_object, "can be restored", "object.quarantined"),
        (_restored_and_removed, "no longer there", "object.restored"),
        (_purged, "was purged", "object.purged"),
        (lambda: _after_a_run(closed_with_object(HOUR).key), "was deleted", "object.quarantined"),
        (new_key, "This key is unknown", None),
        (lambda: "marker.json", "deployment marker", None),
        (lambda: _half_written(MINUTE), "is being written", None),
    ],
)
def test_a_key_without_a_finding_is_explained(
    arrange: Callable[[], str], words: str, last_event: str | None
) -> None:
    key = arrange()
    document = explained(key)
    assert (document["key"], document["would"]) == (key, None)
    assert words in document["explanation"]
    assert [event["event"] for event in document["events"][-1:]] == [last_event][: bool(last_event)]
    assert key not in str(settled("--dry-run", "--json").found)


def test_the_facts_are_printed(live: UploadedFile) -> None:
    document = explained(live.key)
    assert document["object"]["size"] == live.size
    assert document["in quarantine"] is None
    row = document["row"]
    assert (row["id"], row["status"], row["sha256"]) == (str(live.pk), "stored", live.sha256)
    assert (row["session"], row["session_status"]) == (str(live.session_id), "active")
    assert document["grace"] == "0:30:00"
    (event,) = document["events"]
    assert (event["event"], event["by"], event["sha256"]) == (
        "upload.stored", "visitor", live.sha256,
    )  # fmt: skip


def test_a_key_in_the_trash_is_explained_as_its_original_key() -> None:
    key = trashed_object()
    document = explained(quarantine_key(key))
    assert document["key"] == key
    assert document["in quarantine"]["size"] == document["quarantine"]["size"]
    assert document["quarantine"]["status"] == "quarantined"


def test_the_record_of_an_erasure_is_explained() -> None:
    visitor = started()
    upload = uploaded(visitor)
    assert visitor.erase().status_code == 204
    assert "was erased" in explained(f"erased/{visitor.uuid}")["explanation"]
    document = explained(upload.key)
    assert "was deleted" in document["explanation"]
    assert document["row"]["delete_reason"] == "erased"


@pytest.mark.parametrize(
    "key",
    ["", "/", "..", "../../etc/passwd", "/etc/passwd", "uploads/../marker.json", "uploads//x",
     "x" * 300, "ünï.pdf", "uploads/\x1b[2J.pdf", "\udcff", "quarantine/", "uploads", "'; --"],
)  # fmt: skip
def test_any_text_can_be_explained(key: str) -> None:
    result = cleanup("--explain", key)
    assert result.exit_code == 0
    result.out.encode()
    assert "\x1b" not in result.out


def test_a_store_that_does_not_answer_gives_one_sentence(live: UploadedFile, settings: Any) -> None:
    def fail(key: str) -> None:
        raise OSError(5, "Input/output error")

    use_store(settings, before_describe=fail)
    result = cleanup("--explain", live.key)
    assert (result.exit_code, result.out) == (3, "")
    assert result.err == "The store does not answer: [Errno 5] Input/output error.\n"
