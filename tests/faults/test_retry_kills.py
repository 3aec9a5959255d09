"""A writer is killed at each step of its upload, and the retry with its key finishes what it began.

Not before the lease has stood for 30 s: until then the writer may be alive.
"""

import hashlib
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db.models import F

from tests.helpers import SOAK, Visitor, code, events, pdf, started, store_root
from tests.processes import STEPS, fork, need_strace, wait_for_other_backends
from uploads_app.models import TAKEOVER_AFTER, Status, UploadedFile, UploadQuota

pytestmark = pytest.mark.slow

KILLS = 200 if SOAK else 8
BODY = pdf("killed and retried")
KEY = {"Idempotency-Key": "5ca1ab1e"}


def send(visitor: Visitor) -> Any:
    """Upload with the one key."""
    cache.clear()
    return visitor.upload(BODY, headers={**visitor.named["headers"], **KEY})


def killed(visitor: Visitor, call: str, number: int) -> bool:
    """Upload in a process that is killed before that call; False if it does not come to it."""
    child = fork(lambda say: say(str(send(visitor).status_code)))
    child.kill_before(call, number)
    child.go()
    exit_code, lines = child.end()
    assert exit_code in (0, -9), lines
    assert exit_code == -9 or lines == ["201"]
    wait_for_other_backends()
    return exit_code == -9


def left(visitor: Visitor) -> str:
    """Say what a killed writer has left."""
    row = UploadedFile.objects.filter(session__uuid=visitor.uuid).first()
    if row is None:
        return "nothing"
    return f"{row.status}, object {'whole' if (store_root() / row.key).exists() else 'absent'}"


def retried(visitor: Visitor) -> None:
    """Check that the retry waits for the lease, and then finishes the same upload."""
    row = UploadedFile.objects.filter(session__uuid=visitor.uuid).first()
    if row is not None and row.status == Status.PENDING:
        early = send(visitor)
        assert (early.status_code, code(early)) == (409, "upload_in_progress")
        assert events(visitor.uuid) == ["session.created"]
        UploadedFile.objects.filter(pk=row.pk).update(
            lease_expires_at=F("lease_expires_at") - TAKEOVER_AFTER - timedelta(seconds=1)
        )
    answers = [send(visitor), send(visitor)]
    stored = UploadedFile.objects.get(session__uuid=visitor.uuid)
    assert [answer.status_code for answer in answers] == [201, 201]
    assert {answer.json()["id"] for answer in answers} == {str(stored.pk)}
    assert row is None or row.pk == stored.pk
    assert stored.status == Status.STORED
    digest = hashlib.sha256((store_root() / stored.key).read_bytes()).hexdigest()
    assert digest == stored.sha256 == hashlib.sha256(BODY).hexdigest()
    quota = UploadQuota.objects.values_list("files", "bytes").get(session__uuid=visitor.uuid)
    assert quota == (1, len(BODY))
    assert events(visitor.uuid) == ["session.created", "upload.stored"]


@pytest.mark.timeout(1800 if SOAK else 300)
def test_t39_a_retry_finishes_what_a_writer_killed_at_each_step_began(committed: None) -> None:
    need_strace()
    started().upload(BODY)  # claims the store, so that the steps are those of an upload
    kills, states = 0, Counter[str]()
    while True:
        before = kills
        for call in STEPS:
            # What goes to PostgreSQL is mostly reads: every fifth will do for each run of ./test.
            for number in range(1, 500, 5 if call == "sendto" and not SOAK else 1):
                cache.clear()
                visitor = started()
                if not killed(visitor, call, number):
                    break
                kills += 1
                states[left(visitor)] += 1
                retried(visitor)
        assert kills > before
        if kills >= KILLS:
            break

    assert {"pending, object absent", "pending, object whole"} <= {*states}, states
