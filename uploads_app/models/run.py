"""Cleanup runs."""

from django.db import models
from django.db.models import Q
from django.utils import timezone


class RunStatus(models.TextChoices):
    """How a cleanup run went."""

    RUNNING = "running"
    COMPLETED = "completed"
    STOPPED = "stopped"
    SKIPPED = "skipped"


class CleanupRun(models.Model):
    """One run of the cleanup: what it found, what it did, or why it stopped."""

    started_at = models.DateTimeField("started", default=timezone.now)
    finished_at = models.DateTimeField("finished", null=True)
    status = models.CharField(max_length=9, choices=RunStatus.choices, default=RunStatus.RUNNING)
    dry_run = models.BooleanField("dry run", default=False)
    actor = models.CharField("run by", max_length=150)
    grace = models.DurationField(help_text="Objects younger than this were left alone.")
    limit = models.PositiveIntegerField(help_text="At most this many removals.")
    generation = models.PositiveBigIntegerField(
        null=True, help_text="How many runs this store and this database had seen."
    )
    objects_seen = models.PositiveBigIntegerField(default=0)
    rows_seen = models.PositiveBigIntegerField(default=0)
    removed = models.PositiveBigIntegerField(default=0)
    bytes_removed = models.PositiveBigIntegerField(default=0)
    quarantined = models.PositiveBigIntegerField(
        default=0, help_text="Objects without a row that were put aside."
    )
    purged = models.PositiveBigIntegerField(
        default=0, help_text="Objects whose time in quarantine was over."
    )
    errors = models.PositiveBigIntegerField(default=0)
    allow_share = models.FloatField(
        "share allowed",
        null=True,
        help_text="What share of files a person let be on one side only, in this run.",
    )
    continued = models.BooleanField(
        default=False, help_text="It went on where the run before had to end, or the next one does."
    )
    findings = models.JSONField(default=dict, help_text="How many of each kind were found.")
    sample = models.JSONField(default=list, help_text="The first findings, one by one.")
    stop_code = models.CharField(max_length=40, blank=True)
    stop_sentence = models.TextField("why it stopped", blank=True)

    class Meta:
        verbose_name = "cleanup run"
        ordering = ["-id"]
        default_permissions = ("view",)
        permissions = [
            ("preview_cleanup", "Can run the cleanup dry"),
            ("run_cleanup", "Can run the cleanup"),
        ]
        indexes = [
            models.Index(fields=["status", "-finished_at"], name="cleanup_status"),
            models.Index(fields=["status", "-id"], name="cleanup_runs_by_status"),
            models.Index(fields=["-id"], name="cleanup_dry_runs", condition=Q(dry_run=True)),
        ]

    def __str__(self) -> str:
        began = timezone.localtime(self.started_at)
        return f"{'dry run' if self.dry_run else 'run'} of {began:%Y-%m-%d %H:%M:%S}"

    @property
    def seconds(self) -> float:
        """How long the run took, or has taken until now."""
        return ((self.finished_at or timezone.now()) - self.started_at).total_seconds()

    @property
    def rate(self) -> float:
        """How many objects and files a second were looked at."""
        return round((self.objects_seen + self.rows_seen) / max(self.seconds, 0.001), 1)

    @property
    def exit_code(self) -> int:
        """What the command exits with: 0 well or skipped, 1 some keys failed, 3 stopped."""
        if self.status == RunStatus.STOPPED:
            return 3
        return 1 if self.errors else 0
