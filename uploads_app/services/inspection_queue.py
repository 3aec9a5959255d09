"""The order in which files are inspected: fair between networks, and within them between sessions."""

import time
from collections import Counter
from datetime import timedelta
from typing import Any

from django.db.models import Min, Sum
from django.db.models.functions import Now
from django.utils import timezone

from uploads_app.models import Inspection, UploadedFile, UploadQuerySet, UploadStatus
from uploads_app.services.inspection import cpu_seconds

# For how long a network and a session are charged for what their files cost.
CHARGED_FOR = timedelta(hours=1)
# Longer than any inspection. A worker that dies leaves its file to the others after it.
CLAIM = timedelta(minutes=4)
# After this time a run reads the queue again, so that files stored meanwhile get their turn.
RELOAD_SECONDS = 5


def longest_wait() -> timedelta:
    """Return how long the oldest file has waited for its inspection; zero if none waits."""
    oldest = UploadedFile.objects.uninspected().aggregate(oldest=Min("stored_at"))["oldest"]
    return timezone.now() - oldest if oldest else timedelta()


class InspectionQueue:
    """Files that wait for their inspection.

    The next file is of the network that has used the least processor time, if
    its file uses all that it may, then of the session that has used the least.
    A file that may use much therefore waits until the others have had as much.
    Files of one session are taken oldest first. Any number of workers may have a
    queue: each file is claimed, and what the others inspect counts as spent.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._load()

    def _load(self) -> None:
        self._waiting = list(UploadedFile.objects.uninspected().in_turn()[: self._size])
        self._networks = _spent("network")
        self._sessions = _spent("session_id")
        self._loaded = time.monotonic()

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self) -> UploadedFile | None:
        """Claim and return the next file, None if no file waits that nobody else inspects."""
        if time.monotonic() - self._loaded > RELOAD_SECONDS:
            self._load()
        self._charge_others()
        while self._waiting:
            upload = min(self._waiting, key=self._turn)
            self._waiting.remove(upload)
            if _claim(upload):
                return upload
        return None

    def charge(self, upload: UploadedFile, cost: int) -> None:
        """Charge a file with milliseconds of processor time; it waits again if it has no verdict."""
        self._networks[upload.network] += cost
        self._sessions[upload.session_id] += cost
        if upload.status == UploadStatus.STORED and upload.inspection == Inspection.WAITING:
            self._waiting.append(upload)

    def _charge_others(self) -> None:
        self._others: Counter[Any] = Counter()
        for upload in UploadedFile.objects.in_inspection():
            self._others[upload.network] += _expected(upload)
            self._others[upload.session_id] += _expected(upload)

    def _turn(self, upload: UploadedFile) -> tuple[Any, ...]:
        network, session = upload.network, upload.session_id
        return (
            self._networks[network] + self._others[network] + _expected(upload),
            self._sessions[session] + self._others[session] + _expected(upload),
            upload.stored_at,
            upload.pk,
        )


def release(upload: UploadedFile) -> None:
    """Let another worker, or the next run, inspect a file."""
    UploadedFile.objects.filter(pk=upload.pk).update(inspection_claimed_until=None)


def _claim(upload: UploadedFile) -> bool:
    """Claim a file for this worker; False if another has it, or it needs no inspection any more."""
    free = UploadedFile.objects.uninspected().exclude(inspection_claimed_until__gt=Now())
    return bool(free.filter(pk=upload.pk).update(inspection_claimed_until=Now() + CLAIM))


def _expected(upload: UploadedFile) -> int:
    """Return the processor time that the next try of a file may use, in milliseconds."""
    return 1000 * cpu_seconds(upload)


def _spent(by: str) -> "Counter[Any]":
    """Return the milliseconds that files of each network or session have cost lately."""
    recent = UploadedFile.objects.filter(
        inspection_cost__gt=0, inspected_at__gt=Now() - CHARGED_FOR
    )
    tried = UploadedFile.objects.uninspected().filter(inspection_cost__gt=0)
    return sum((_costs(files, by) for files in (recent, tried)), Counter())


def _costs(files: UploadQuerySet, by: str) -> "Counter[Any]":
    costs = files.order_by().values_list(by).annotate(Sum("inspection_cost"))
    return Counter(dict(costs))
