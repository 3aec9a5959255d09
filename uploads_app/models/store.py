"""What the database knows of its store: the marker, the scan, and mismatches to act on."""

import uuid

from django.db import models
from django.db.models import Q

# How much of a key is kept of what is no file of ours.
KEY_LENGTH = 500


class StoreState(models.Model):
    """The database's half of the deployment marker, and the lease of the run that is under way.

    There is one row. `generation` counts cleanup runs; the store holds the
    same pair, one run behind at most.
    """

    SINGLETON = 1

    singleton = models.PositiveSmallIntegerField(primary_key=True, default=SINGLETON)
    marker_id = models.UUIDField(default=uuid.uuid4)
    generation = models.PositiveBigIntegerField(default=0)
    lease_holder = models.CharField(max_length=64, blank=True)
    lease_expires_at = models.DateTimeField(null=True)
    # Since when this database is a restored one; it may not know who has come back since its backup.
    adopted_at = models.DateTimeField(null=True)
    # A look through the store that no single run could finish: how far it came, and what it saw.
    scan_id = models.UUIDField(db_column="look_id", default=uuid.uuid4)
    scan_after = models.CharField(db_column="look_after", max_length=120, blank=True)
    scanned_objects = models.PositiveBigIntegerField(db_column="look_objects", default=0)
    scanned_rows = models.PositiveBigIntegerField(db_column="look_rows", default=0)
    # The alarm that administrators were told of: since when, and of what.
    alert_since = models.DateTimeField(db_column="alarm_since", null=True)
    alert_code = models.CharField(db_column="alarm_code", max_length=40, blank=True)

    class Meta:
        default_permissions = ()
        constraints = [models.CheckConstraint(condition=Q(singleton=1), name="store_state_single")]

    def __str__(self) -> str:
        return f"{self.marker_id} at generation {self.generation}"


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
        """The key, printable on one line whatever bytes a file name has."""
        return printable(self.key)

    def as_dict(self) -> dict[str, str | int]:
        """Return the finding as `--json` prints it and a run's sample stores it."""
        return {"kind": str(self.kind), "key": self.label, "size": self.size}


def printable(key: str) -> str:
    """Return a key as it can be printed and stored."""
    return key if key.isprintable() else key.encode("unicode_escape").decode()
