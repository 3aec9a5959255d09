"""The dashboard's figures."""

from django.db import models


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
