"""Figures and states of a deployment, which pages of the admin show."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone


class FigureName(models.TextChoices):
    """The figures; dashboard/counting.py counts them."""

    STARTED = "started", "sessions started"
    EXPIRED = "expired", "sessions expired"
    UPLOADS = "uploads", "files uploaded"
    UPLOADED_BYTES = "uploaded_bytes", "bytes uploaded"
    REFUSED = "refused", "requests refused"
    LIMITED = "limited", "requests over a limit"
    ACTIVE = "active", "sessions active"
    STORED_FILES = "stored_files", "files stored"
    STORED_BYTES = "stored_bytes", "bytes stored"
    QUARANTINED_FILES = "held_files", "files in quarantine"
    QUARANTINED_BYTES = "held_bytes", "bytes in quarantine"
    TRASHED_OBJECTS = "aside_objects", "objects in the trash"
    TRASHED_BYTES = "aside_bytes", "bytes in the trash"


class HourlyFigure(models.Model):
    """One figure of one hour.

    `value` is always counted from the rows and never incremented, so counting
    twice or concurrently writes the same value.
    """

    name = models.CharField(max_length=20, choices=FigureName.choices)
    hour = models.DateTimeField(help_text="Start of the hour.")
    value = models.PositiveBigIntegerField()
    counted_at = models.DateTimeField(help_text="Time when counting started.")
    took = models.DurationField(help_text="Duration of the count.")

    class Meta:
        # The model belonged to another app when the table was created.
        db_table = "maria_project_hourlyfigure"
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["hour", "name"], name="figure_once_an_hour")]

    def __str__(self) -> str:
        return f"{self.value} {self.get_name_display()} in the hour from {self.hour}"


class ProcessKind(models.TextChoices):
    WEB = "web"
    WORKER = "worker"


class ProcessReport(models.Model):
    """What one running process last reported about itself (hosts/roll_call.py)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    host = models.CharField(max_length=255)
    kind = models.CharField(max_length=10, choices=ProcessKind.choices)
    version = models.CharField(max_length=40)
    # App -> its newest migration that the process knows.
    migrations = models.JSONField()
    # Fingerprints of SECRET_KEY and then of its fallbacks.
    keys = models.JSONField()
    # Name of a setting -> fingerprint of its value.
    settings = models.JSONField()
    clock_offset = models.DurationField(help_text="How far its clock is ahead of the database's.")
    seen_at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.host} ({self.kind})"


class HostsState(models.Model):
    """Whether the processes differ and since when, and what was mailed about it. One row."""

    singleton = models.PositiveSmallIntegerField(primary_key=True, default=1)
    differs = models.BooleanField(default=False)
    since = models.DateTimeField(default=timezone.now)
    alert_since = models.DateTimeField(null=True)
    alert_code = models.CharField(max_length=40, blank=True)

    class Meta:
        default_permissions = ()
        constraints = [models.CheckConstraint(condition=Q(singleton=1), name="hosts_state_single")]

    def __str__(self) -> str:
        return f"{'differ' if self.differs else 'agree'} since {self.since}"
