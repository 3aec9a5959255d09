"""The kinds of findings, the ages that decide on them, and the rows and trash entries that are due."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.conf import settings
from django.db.models import QuerySet

from uploads_app.models import QuarantinedObject, UploadedFile, UploadQuerySet


class FindingKind(StrEnum):
    """What a finding is. Reports, stored runs and metrics contain the values."""

    ARRIVED = "uploads that arrived"
    LAPSED = "lapsed uploads"
    UNFINISHED = "unfinished deletions"
    PAST_RETENTION = "files past retention"
    CUT_OFF = "unfinished moves"
    PAST_TRASH_RETENTION = "objects past quarantine"
    LATE = "objects of closed files"
    TEMPORARY = "temporary files"
    ORPHAN = "objects without a row"
    MISPLACED = "files in the trash"
    UNRECORDED = "unrecorded objects in the trash"
    MISSING = "rows without an object"
    FOUND = "objects that came back"
    RESTORED = "restored objects left alone"
    YOUNG = "young objects left alone"
    UNKNOWN = "unknown keys left alone"


# Found by rows of uploads, in the order in which a run applies them.
BY_ROW = (
    FindingKind.ARRIVED,
    FindingKind.LAPSED,
    FindingKind.UNFINISHED,
    FindingKind.PAST_RETENTION,
)
# Found by entries of the trash, in the same way.
IN_TRASH = (FindingKind.CUT_OFF, FindingKind.PAST_TRASH_RETENTION)
# A run deletes these for good.
REMOVED = frozenset(
    {
        FindingKind.LAPSED,
        FindingKind.UNFINISHED,
        FindingKind.PAST_RETENTION,
        FindingKind.PAST_TRASH_RETENTION,
        FindingKind.TEMPORARY,
    }
)
# A run moves these to the trash.
TRASHED = frozenset({FindingKind.ORPHAN, FindingKind.LATE})
# A run applies at most `limit` of these.
LIMITED = REMOVED | TRASHED | {FindingKind.ARRIVED, FindingKind.CUT_OFF}
# A run only reports these.
REPORTED = frozenset({FindingKind.RESTORED, FindingKind.YOUNG, FindingKind.UNKNOWN})
# Many of these mean that the store or the database is the wrong one.
UNEXPECTED = frozenset({FindingKind.MISSING, FindingKind.ORPHAN})


@dataclass(frozen=True)
class Ages:
    """The times before which objects count as old, and the retentions."""

    before: datetime
    temporary_before: datetime
    retention: timedelta
    completed_retention: timedelta
    trash_retention: timedelta

    @classmethod
    def at(
        cls,
        now: datetime,
        *,
        grace: timedelta,
        retention: timedelta | None = None,
        completed_retention: timedelta | None = None,
        trash_retention: timedelta | None = None,
    ) -> "Ages":
        """Return the ages at a time. A retention that is not given comes from the settings.

        Temporary files are kept at least for UPLOAD_LEASE, because an upload
        in progress writes to one.
        """
        return cls(
            now - grace,
            now - max(grace, settings.UPLOAD_LEASE),
            settings.UPLOAD_RETENTION if retention is None else retention,
            settings.COMPLETED_RETENTION if completed_retention is None else completed_retention,
            settings.TRASH_RETENTION if trash_retention is None else trash_retention,
        )


def removable_rows(kind: FindingKind, ages: Ages) -> UploadQuerySet:
    """Return the uploads to remove for one of the reasons BY_ROW, in the order of their keys."""
    files = UploadedFile.objects.order_by("session_id", "id")
    match kind:
        case FindingKind.ARRIVED | FindingKind.LAPSED:
            return files.lapsed()
        case FindingKind.UNFINISHED:
            return files.deleting()
        case FindingKind.PAST_RETENTION:
            return files.past_retention(ages.retention, ages.completed_retention)
    raise ValueError(kind)


def due_trash(kind: FindingKind, ages: Ages) -> QuerySet[QuarantinedObject]:
    """Return the trash entries with an unfinished move, or those past their retention."""
    trash_items = QuarantinedObject.objects.order_by("id")
    if kind == FindingKind.CUT_OFF:
        return trash_items.cut_off()
    return trash_items.past_retention(ages.trash_retention)
