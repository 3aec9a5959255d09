"""Objects in the trash of the cleanup."""

from datetime import timedelta

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone


class TrashStatus(models.TextChoices):
    """Where an object in quarantine is; those in -ing are finished by the next run after a crash."""

    QUARANTINING = "quarantining"
    QUARANTINED = "quarantined"
    RESTORING = "restoring"
    RESTORED = "restored"
    PURGING = "purging"
    PURGED = "purged"


class TrashQuerySet(models.QuerySet["QuarantinedObject"]):
    """Which objects in quarantine there are, by the database's clock."""

    def cut_off(self) -> "TrashQuerySet":
        """Return those whose move or removal began and has not been finished."""
        unfinished = ("quarantining", "restoring", "purging")
        return self.filter(status__in=unfinished)

    def past_retention(self, retention: timedelta) -> "TrashQuerySet":
        """Return those that have been kept for long enough."""
        return self.filter(status=TrashStatus.QUARANTINED, quarantined_at__lt=Now() - retention)

    def kept_in_trash(self) -> "TrashQuerySet":
        """Return those whose bytes may lie in quarantine."""
        finished = [TrashStatus.RESTORED, TrashStatus.PURGED]
        return self.filter(in_trash=True).exclude(status__in=finished)


class QuarantinedObject(models.Model):
    """An object that no live row explains: put aside, restorable, and purged when its time is over.

    What arrived under the key of a closed file is purged at once; its row here
    says so, because no other remembers that there was an object.
    """

    key = models.CharField("object key", max_length=120, unique=True)
    size = models.PositiveBigIntegerField()
    modified_at = models.DateTimeField("last written")
    status = models.CharField(
        max_length=12, choices=TrashStatus.choices, default=TrashStatus.QUARANTINING
    )
    in_trash = models.BooleanField(
        "in quarantine",
        db_column="put_aside",
        default=True,
        help_text="Its bytes lie, or lay, in quarantine.",
    )
    reason = models.CharField(max_length=20, blank=True)
    quarantined_at = models.DateTimeField("put aside", default=timezone.now)
    changed_at = models.DateTimeField("last change", default=timezone.now)

    objects = TrashQuerySet.as_manager()

    class Meta:
        verbose_name = "object in quarantine"
        verbose_name_plural = "quarantine"
        ordering = ["-quarantined_at", "-id"]
        default_permissions = ("view",)
        permissions = [("restore_quarantinedobject", "Can restore objects from quarantine")]
        indexes = [
            models.Index(fields=["status", "quarantined_at"], name="quarantine_status"),
            models.Index(fields=["-quarantined_at", "-id"], name="quarantine_latest"),
            models.Index(fields=["reason", "-quarantined_at", "-id"], name="quarantine_reason"),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def is_leaving(self) -> bool:
        """Whether what lies at the key is being put aside or removed."""
        return self.status in (TrashStatus.QUARANTINING, TrashStatus.PURGING)

    @property
    def is_given_back(self) -> bool:
        """Whether what lies at the key was brought back by a person, if only by a copy by hand."""
        return not self.is_leaving and self.status != TrashStatus.PURGED
