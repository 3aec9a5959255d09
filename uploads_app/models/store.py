"""The store as the database knows it: the marker, the scan, and findings to apply."""

import uuid
from datetime import timedelta

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

# Keys of foreign objects are cut to this length.
KEY_LENGTH = 500


class StoreState(models.Model):
    """The marker as the database knows it, and the lease of the cleanup run in progress.

    There is one row. `generation` counts cleanup runs; the marker in the store
    is at most one run behind.
    """

    SINGLETON = 1

    singleton = models.PositiveSmallIntegerField(primary_key=True, default=SINGLETON)
    marker_id = models.UUIDField(default=uuid.uuid4)
    generation = models.PositiveBigIntegerField(default=0)
    # The lineage on which store and database agree, and newer ones that a killed run may have written.
    lineages = models.JSONField(default=list)
    lease_holder = models.CharField(max_length=64, blank=True)
    lease_expires_at = models.DateTimeField(null=True)
    # When a process last refused to use its store, because it is not this database's, and why.
    refused_at = models.DateTimeField(null=True)
    refused_code = models.CharField(max_length=40, blank=True)
    # When this database was restored. It may not know sessions that were used since its backup.
    adopted_at = models.DateTimeField(null=True)
    # The progress of a scan that takes several runs.
    scan_id = models.UUIDField(db_column="look_id", default=uuid.uuid4)
    scan_after = models.CharField(db_column="look_after", max_length=120, blank=True)
    scanned_objects = models.PositiveBigIntegerField(db_column="look_objects", default=0)
    scanned_rows = models.PositiveBigIntegerField(db_column="look_rows", default=0)
    # The alert that was mailed to administrators: since when, and its code.
    alert_since = models.DateTimeField(db_column="alarm_since", null=True)
    alert_code = models.CharField(db_column="alarm_code", max_length=40, blank=True)

    class Meta:
        default_permissions = ()
        constraints = [models.CheckConstraint(condition=Q(singleton=1), name="store_state_single")]

    def __str__(self) -> str:
        return f"{self.marker_id} at generation {self.generation}"

    @classmethod
    def was_adopted_within(cls, time: timedelta) -> bool:
        return cls.objects.filter(adopted_at__gt=Now() - time).exists()


class Finding(models.Model):
    """One thing that the cleanup found. A scan stores its findings until a run applies them.

    The scan of a large store takes several runs, and a run may conclude nothing
    from part of a scan.
    """

    scan_id = models.UUIDField(db_column="look_id")
    kind = models.CharField(max_length=40)
    key = models.CharField(max_length=KEY_LENGTH)
    size = models.PositiveBigIntegerField(default=0)

    class Meta:
        db_table = "uploads_app_anomaly"
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["scan_id", "key"], name="anomaly_once_per_look")
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.label}"

    @property
    def label(self) -> str:
        """The key, printable on one line for any bytes in a file name."""
        return printable(self.key)

    def as_dict(self) -> dict[str, str | int]:
        """Return the finding as `--json` prints it and a run's sample stores it."""
        return {"kind": str(self.kind), "key": self.label, "size": self.size}


def printable(key: str) -> str:
    """Return a key as it can be printed and stored."""
    return key if key.isprintable() else key.encode("unicode_escape").decode()
