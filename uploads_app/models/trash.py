"""Objects in the trash of the cleanup."""

import uuid
from datetime import timedelta

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now
from django.utils import timezone

from uploads_app.models.statuses import IN_QUOTA
from uploads_app.models.store import StoreState
from uploads_app.models.upload import UploadedFile
from uploads_app.storage.keys import PREFIX

# The reason of an object that must not wait for its retention.
SESSION_ERASED = "session_erased"


class TrashStatus(models.TextChoices):
    """The state of an object in the trash; after a crash the next run finishes those in -ing."""

    QUARANTINING = "quarantining", "moving to the trash"
    QUARANTINED = "quarantined", "in the trash"
    RESTORING = "restoring"
    RESTORED = "restored"
    PURGING = "purging"
    PURGED = "purged"


UNFINISHED = (TrashStatus.QUARANTINING, TrashStatus.RESTORING, TrashStatus.PURGING)


class TrashQuerySet(models.QuerySet["QuarantinedObject"]):
    def cut_off(self) -> "TrashQuerySet":
        """Return objects whose move or deletion began and has not finished."""
        return self.filter(status__in=UNFINISHED)

    def in_trash(self) -> "TrashQuerySet":
        return self.filter(status=TrashStatus.QUARANTINED)

    def past_retention(self, retention: timedelta) -> "TrashQuerySet":
        """Return the objects to purge: never one whose key the row of a file claims.

        After a restore every retention starts again: the entries of a backup may
        be older than the moves of their objects.
        """
        over = Q(reason=SESSION_ERASED)
        if not StoreState.was_adopted_within(retention):
            over |= Q(quarantined_at__lt=Now() - retention)
        claims = UploadedFile.objects.filter(key=OuterRef("key"), status__in=IN_QUOTA)
        return self.in_trash().filter(over, ~Exists(claims))

    def kept(self) -> "TrashQuerySet":
        """Return the objects whose bytes may be in the trash."""
        return self.exclude(status__in=[TrashStatus.RESTORED, TrashStatus.PURGED])

    def of_session(self, session_uuid: uuid.UUID) -> "TrashQuerySet":
        return self.filter(key__startswith=f"{PREFIX}/{session_uuid}/")


class QuarantinedObject(models.Model):
    """An object that no file claims, in the trash.

    It can be restored until its retention is over and it is purged.
    """

    key = models.CharField("object key", max_length=120, unique=True)
    size = models.PositiveBigIntegerField()
    modified_at = models.DateTimeField("last written")
    status = models.CharField(
        max_length=12, choices=TrashStatus.choices, default=TrashStatus.QUARANTINING
    )
    in_trash = models.BooleanField(
        "in the trash",
        db_column="put_aside",
        default=True,
        help_text="Its bytes are, or were, in the trash.",
    )
    reason = models.CharField(max_length=20, blank=True)
    actor = models.CharField(
        "changed by",
        max_length=150,
        blank=True,
        default="",
        db_default="",
        help_text="Who began the last change. Its event has this actor, even if another process finishes it.",
    )
    quarantined_at = models.DateTimeField("moved to the trash", default=timezone.now)
    changed_at = models.DateTimeField("last change", default=timezone.now)

    objects = TrashQuerySet.as_manager()

    class Meta:
        verbose_name = "object in the trash"
        verbose_name_plural = "trash"
        ordering = ["-quarantined_at", "-id"]
        default_permissions = ("view",)
        permissions = [("restore_quarantinedobject", "Can restore objects from the trash")]
        indexes = [
            models.Index(fields=["status", "quarantined_at"], name="quarantine_status"),
            models.Index(fields=["quarantined_at", "id"], name="quarantine_latest"),
            models.Index(fields=["reason", "quarantined_at", "id"], name="quarantine_reason"),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def is_unfinished(self) -> bool:
        return self.status in UNFINISHED

    @property
    def is_leaving(self) -> bool:
        """Whether the object at the key is being moved to the trash or purged."""
        return self.status in (TrashStatus.QUARANTINING, TrashStatus.PURGING)

    def is_given_back(self, upload: UploadedFile | None) -> bool:
        """Whether a person restored the object at the key, by the product or by a manual copy."""
        is_here = not self.is_leaving and self.status != TrashStatus.PURGED
        return is_here and not self.has_ended(upload)

    def has_ended(self, upload: UploadedFile | None) -> bool:
        """Whether the object was restored before its session was erased, or its file deleted."""
        deleted_at = upload.deleted_at if upload else None
        is_deleted = deleted_at is not None and deleted_at > self.changed_at
        return self.status == TrashStatus.RESTORED and (self.reason == SESSION_ERASED or is_deleted)
