"""Objects in the trash of the cleanup."""

from datetime import timedelta

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone


class TrashStatus(models.TextChoices):
    """The state of an object in the trash; after a crash the next run finishes those in -ing."""

    QUARANTINING = "quarantining", "moving to the trash"
    QUARANTINED = "quarantined", "in the trash"
    RESTORING = "restoring"
    RESTORED = "restored"
    PURGING = "purging"
    PURGED = "purged"


class TrashQuerySet(models.QuerySet["QuarantinedObject"]):
    def cut_off(self) -> "TrashQuerySet":
        """Return objects whose move or deletion began and has not finished."""
        unfinished = ("quarantining", "restoring", "purging")
        return self.filter(status__in=unfinished)

    def past_retention(self, retention: timedelta) -> "TrashQuerySet":
        return self.filter(status=TrashStatus.QUARANTINED, quarantined_at__lt=Now() - retention)

    def kept_in_trash(self) -> "TrashQuerySet":
        """Return objects whose bytes may be in the trash."""
        finished = [TrashStatus.RESTORED, TrashStatus.PURGED]
        return self.filter(in_trash=True).exclude(status__in=finished)


class QuarantinedObject(models.Model):
    """An orphan in the trash. It can be restored until its retention is over and it is purged.

    An object that arrived under the key of a closed upload is purged at once.
    Its row here is the only record of it.
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
            models.Index(fields=["-quarantined_at", "-id"], name="quarantine_latest"),
            models.Index(fields=["reason", "-quarantined_at", "-id"], name="quarantine_reason"),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def is_leaving(self) -> bool:
        """Whether the object at the key is being moved to the trash or purged."""
        return self.status in (TrashStatus.QUARANTINING, TrashStatus.PURGING)

    @property
    def is_given_back(self) -> bool:
        """Whether a person restored the object at the key, by the product or by a manual copy."""
        return not self.is_leaving and self.status != TrashStatus.PURGED
