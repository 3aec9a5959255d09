"""A full disk: uploads are refused, no partial file stays, and uploads work again after a deletion.

The test uses a real disk of 4 MB in memory that only its own process can see.
The database is elsewhere.
"""

import ctypes
import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import SOAK, code, events, pdf, started, store_root, stored_keys
from tests.processes import fork
from tests.uploads_app.cleanup.cleanup_support import quotas_fit, settled
from uploads_app.models import UploadedFile, UploadStatus

pytestmark = pytest.mark.slow

UPLOADS = 1000 if SOAK else 45
MEGABYTES = 4
BODY = pdf(size=100 * 1024)
_NEW_USERS, _NEW_MOUNTS = 0x10000000, 0x00020000


def own_small_disk(folder: Path) -> bool:
    """Mount a small disk under a folder for this process; return False if the machine forbids it."""
    libc, user, group = ctypes.CDLL(None), os.getuid(), os.getgid()
    if libc.unshare(_NEW_USERS | _NEW_MOUNTS):
        return False
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    size = f"size={MEGABYTES}m".encode()
    return not libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, size)


def fill_and_make_room(say: Callable[[str], None]) -> None:
    """Upload until long after the disk is full, delete two files, and upload again."""
    store_root().mkdir(exist_ok=True)
    if not own_small_disk(store_root()):
        say("null")
        return
    visitor = started()
    visitor.raise_request_exception = False
    stored, answers = [], Counter[str]()
    for _ in range(UPLOADS):
        answer = visitor.upload(BODY)
        answers[str(answer.status_code)] += 1
        if answer.status_code == 201:
            stored.append(answer.json()["id"])
        else:
            assert code(answer) == "storage_unavailable"
            assert int(answer["Retry-After"]) > 0
    rows = UploadedFile.objects.filter(session__uuid=visitor.uuid)
    kept = rows.filter(status=UploadStatus.STORED)
    assert {str(row.pk) for row in kept} == {*stored}
    assert stored_keys() == {row.key for row in kept}
    assert all((store_root() / row.key).read_bytes() == BODY for row in kept)
    assert not list(store_root().rglob("*.part"))
    assert rows.exclude(status=UploadStatus.STORED).count() == answers["503"]
    assert not rows.exclude(status__in=[UploadStatus.STORED, UploadStatus.LAPSED]).exists()
    assert Counter(events(visitor.uuid)) == {
        "session.created": 1,
        "upload.stored": answers["201"],
        "upload.lapsed": answers["503"],
    }
    assert quotas_fit()
    for upload_id in stored[:2]:
        assert visitor.delete_upload(upload_id).status_code == 204
    assert visitor.upload(BODY).status_code == 201
    settled()
    say(json.dumps(answers))


def test_t82_full_disk_stores_what_fits_and_recovers(committed: None, settings: Any) -> None:
    settings.RATE_LIMITS = {name: ["100000/m"] for name in settings.RATE_LIMITS}
    settings.UPLOAD_MAX_FILES = UPLOADS
    settings.UPLOAD_MAX_TOTAL_BYTES = UPLOADS * len(BODY)
    child = fork(fill_and_make_room)
    child.go()
    exit_code, lines = child.end()
    assert exit_code == 0, lines
    answers = json.loads(lines[-1])
    if answers is None:
        pytest.skip("this machine does not allow a process to mount its own disk")
    fits = MEGABYTES * 2**20 // len(BODY)
    assert fits - 2 <= answers["201"] <= fits
    assert answers["201"] + answers["503"] == UPLOADS
