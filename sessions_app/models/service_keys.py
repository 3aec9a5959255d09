"""Service keys: how our own services authenticate."""

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone


class Scope(models.TextChoices):
    """What a service key permits."""

    SESSIONS = "sessions", "Verify a visitor's session by its assertion"
    UPLOADS = "uploads", "List and read a live session's files"
    EVENTS = "events", "Read the feed of session and file events"


class ServiceKeyQuerySet(models.QuerySet["ServiceKey"]):
    def good(self) -> "ServiceKeyQuerySet":
        """Return keys that are neither revoked nor expired."""
        return self.filter(revoked_at=None, expires_at__gt=Now())


class ServiceKey(models.Model):
    """The key of one of our own services, like Maria's back end. Only its hash is stored."""

    name = models.SlugField(
        max_length=60,
        unique=True,
        help_text="The service that uses it. The audit log names it service:name.",
    )
    key_hash = models.CharField(max_length=64, unique=True, editable=False)
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField("created", default=timezone.now)
    expires_at = models.DateTimeField("expires")
    revoked_at = models.DateTimeField("revoked", null=True, editable=False)
    last_used_at = models.DateTimeField("last used", null=True, editable=False)

    objects = ServiceKeyQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        default_permissions = ("view", "add")
        permissions = [("revoke_servicekey", "Can revoke service key")]

    def __str__(self) -> str:
        return self.name
