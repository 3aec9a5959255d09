"""What the overview shows, counted beforehand."""

from django.db import models


class FigureName(models.TextChoices):
    """What is counted; see backoffice_app/counting.py for how."""

    STARTED = "started", "sessions started"
    EXPIRED = "expired", "sessions expired"
    UPLOADS = "uploads", "files uploaded"
    UPLOADED_BYTES = "uploaded_bytes", "bytes uploaded"
    REFUSED = "refused", "requests refused"
    LIMITED = "limited", "requests over a limit"
    ACTIVE = "active", "sessions active"
    STORED_FILES = "stored_files", "files stored"
    STORED_BYTES = "stored_bytes", "bytes stored"
    QUARANTINED_FILES = "held_files", "files that staff put in quarantine"
    QUARANTINED_BYTES = "held_bytes", "bytes that staff put in quarantine"
    TRASHED_OBJECTS = "aside_objects", "objects that the cleanup put aside"
    TRASHED_BYTES = "aside_bytes", "bytes that the cleanup put aside"


class HourlyFigure(models.Model):
    """One number of one hour: what happened in it, or what there was when it was last looked at.

    `value` is always counted anew and never added to. So whoever counts twice,
    or at the same time as another, writes the same.
    """

    name = models.CharField(max_length=20, choices=FigureName.choices)
    hour = models.DateTimeField(help_text="When it begins.")
    value = models.PositiveBigIntegerField()
    counted_at = models.DateTimeField(help_text="When counting began.")
    took = models.DurationField(help_text="How long counting took.")

    class Meta:
        # The table was made when the model belonged to another app.
        db_table = "maria_project_hourlyfigure"
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["hour", "name"], name="figure_once_an_hour")]

    def __str__(self) -> str:
        return f"{self.value} {self.get_name_display()} in the hour from {self.hour}"
