"""A visitor's session: one conversation with Maria in one browser."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from sessions_app.uuid_helpers import generate_support_code, generate_uuid

TOUCH_INTERVAL = timedelta(minutes=1)


class Status(models.TextChoices):
    """Where a session is in its life. Nothing leads back to active."""

    ACTIVE = "active"
    EXPIRED = "expired"
    RESET = "reset"
    ENDED = "ended"
    REVOKED = "revoked"


class SessionQuerySet(models.QuerySet["UserSession"]):
    """Which sessions there are, by the database's clock."""

    def live(self) -> "SessionQuerySet":
        """Active, and their time has not run out."""
        return self.filter(status=Status.ACTIVE, expires_at__gt=Now())

    def due(self) -> "SessionQuerySet":
        """Recorded as active although their time has run out."""
        return self.filter(status=Status.ACTIVE, expires_at__lte=Now())


class UserSession(models.Model):
    """One visitor's conversation. The UUID names it and grants nothing; the token proves it.

    `expires_at` is the earlier of the idle and the absolute limit, kept up to
    date by every touch, so that one column decides and one index finds.
    """

    uuid = models.UUIDField("session UUID", primary_key=True, default=generate_uuid, editable=False)
    support_code = models.CharField(max_length=15, unique=True, default=generate_support_code)
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.ACTIVE)
    created_at = models.DateTimeField("began", default=timezone.now)
    last_seen_at = models.DateTimeField("last seen", default=timezone.now)
    used_at = models.DateTimeField(
        "first used",
        null=True,
        help_text="When it first held a file; until then it expires sooner.",
    )
    expires_at = models.DateTimeField("expires")
    ended_at = models.DateTimeField("ended", null=True, db_index=True)
    end_reason = models.CharField("why it ended", max_length=200, blank=True)
    predecessor = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, related_name="successor"
    )

    objects = SessionQuerySet.as_manager()

    class Meta:
        verbose_name = "session"
        ordering = ["-created_at"]
        default_permissions = ("view",)
        permissions = [("revoke_usersession", "Can revoke session")]
        indexes = [
            models.Index(fields=["status", "expires_at"], name="session_expiry"),
            models.Index(fields=["-created_at"], name="session_created"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(status="active", ended_at__isnull=True)
                | (~Q(status="active") & Q(ended_at__isnull=False)),
                name="session_ended_unless_active",
            )
        ]

    def __str__(self) -> str:
        return self.support_code

    def expiry(self, now: datetime) -> datetime:
        """Return when the session expires if it was last seen `now`."""
        idle = settings.SESSION_IDLE_LIMIT if self.used_at else settings.SESSION_UNUSED_LIMIT
        return min(now + idle, self.created_at + settings.SESSION_ABSOLUTE_LIMIT)

    def expiry_reason(self) -> str:
        """Say which limit `expires_at` stands for: `absolute`, `unused` or `idle`."""
        if self.expires_at >= self.created_at + settings.SESSION_ABSOLUTE_LIMIT:
            return "absolute"
        return "idle" if self.used_at else "unused"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self._state.adding and not self.expires_at:
            self.expires_at = self.expiry(self.created_at)
        super().save(*args, **kwargs)
