"""Cleanup runs."""

from django.db import models
from django.db.models import Q
from django.utils import timezone


class RunStatus(models.TextChoices):
    RUNNING = "running"
    COMPLETED = "completed"
    STOPPED = "stopped"
    SKIPPED = "skipped"


class CleanupRun(models.Model):
    started_at = models.DateTimeField("started", default=timezone.now)
    finished_at = models.DateTimeField("finished", null=True)
    status = models.CharField(max_length=9, choices=RunStatus.choices, default=RunStatus.RUNNING)
    dry_run = models.BooleanField("dry run", default=False)
    actor = models.CharField("run by", max_length=150)
    grace = models.DurationField(help_text="Orphans younger than this were ignored.")
    limit = models.PositiveIntegerField(help_text="The maximum number of deletions.")
    generation = models.PositiveBigIntegerField(
        null=True, help_text="The number of cleanup runs of this store and database so far."
    )
    objects_seen = models.PositiveBigIntegerField(default=0)
    rows_seen = models.PositiveBigIntegerField(default=0)
    removed = models.PositiveBigIntegerField(default=0)
    bytes_removed = models.PositiveBigIntegerField(default=0)
    quarantined = models.PositiveBigIntegerField(
        default=0, help_text="Orphans that were moved to the trash."
    )
    purged = models.PositiveBigIntegerField(
        default=0,
        help_text="Objects that were deleted from the trash at the end of their retention.",
    )
    errors = models.PositiveBigIntegerField(default=0)
    allow_share = models.FloatField(
        "allowed share",
        null=True,
        help_text="The share of orphans and missing files that an operator allowed for this run.",
    )
    continued = models.BooleanField(
        default=False,
        help_text="This run continued an earlier scan, or the next run continues this one.",
    )
    findings = models.JSONField(default=dict, help_text="The number of findings of each kind.")
    sample = models.JSONField(default=list, help_text="The first findings in full.")
    stop_code = models.CharField(max_length=40, blank=True)
    stop_sentence = models.TextField("why it stopped", blank=True)

    class Meta:
        verbose_name = "cleanup run"
        ordering = ["-id"]
        default_permissions = ("view",)
        permissions = [
            ("preview_cleanup", "Can start a dry run of the cleanup"),
            ("run_cleanup", "Can start a cleanup run"),
        ]
        indexes = [
            models.Index(fields=["status", "finished_at"], name="cleanup_status"),
            models.Index(fields=["status", "id"], name="cleanup_runs_by_status"),
            models.Index(fields=["id"], name="cleanup_dry_runs", condition=Q(dry_run=True)),
        ]

    def __str__(self) -> str:
        began = timezone.localtime(self.started_at)
        return f"{'dry run' if self.dry_run else 'run'} of {began:%Y-%m-%d %H:%M:%S}"

    @property
    def seconds(self) -> float:
        return ((self.finished_at or timezone.now()) - self.started_at).total_seconds()

    @property
    def rate(self) -> float:
        """Objects and rows scanned per second."""
        return round((self.objects_seen + self.rows_seen) / max(self.seconds, 0.001), 1)

    @property
    def exit_code(self) -> int:
        """Exit code of the command: 0 completed or skipped, 1 some keys failed, 3 stopped."""
        if self.status == RunStatus.STOPPED:
            return 3
        return 1 if self.errors else 0
