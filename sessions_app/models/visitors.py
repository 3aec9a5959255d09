"""Consent, and the codes that are sent or given to a visitor."""

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from sessions_app.models.sessions import UserSession


class Consent(models.Model):
    """A visitor's answer to one purpose, and the version of the wording they saw."""

    # The unique key begins with the session.
    session = models.ForeignKey(
        UserSession, on_delete=models.CASCADE, related_name="consents", db_index=False
    )
    purpose = models.CharField(max_length=40)
    granted = models.BooleanField()
    version = models.CharField("version of the wording", max_length=40)
    changed_at = models.DateTimeField("changed", default=timezone.now)

    class Meta:
        ordering = ["purpose"]
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["session", "purpose"], name="consent_once_per_purpose")
        ]

    def __str__(self) -> str:
        return f"{self.purpose} {'granted' if self.granted else 'withdrawn'}"


class EmailCode(models.Model):
    """The hash of the code that was last sent to a session's e-mail address."""

    session = models.OneToOneField(UserSession, on_delete=models.CASCADE, primary_key=True)
    email = models.EmailField()
    code_hash = models.CharField(max_length=64)
    sent_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    tries = models.PositiveSmallIntegerField(default=0)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"e-mail code of {self.session_id}"


class RecoveryCodeQuerySet(models.QuerySet["RecoveryCode"]):
    """Recovery codes, by the database's clock."""

    def good(self) -> "RecoveryCodeQuerySet":
        return self.filter(expires_at__gt=Now())

    def redeemed(self) -> "RecoveryCodeQuerySet":
        return self.filter(retry_key__isnull=False)


class RecoveryCode(models.Model):
    """The hash of a one-time code that brings a session to another device.

    With a `retry_key` it has been redeemed. Together they can be repeated until
    `expires_at`, or until the first use of the token that was issued.
    """

    session = models.OneToOneField(UserSession, on_delete=models.CASCADE, primary_key=True)
    code_hash = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField()
    retry_key = models.CharField(
        max_length=64,
        null=True,
        help_text="The SHA-256 of the Idempotency-Key of the recovery that redeemed it.",
    )

    objects = RecoveryCodeQuerySet.as_manager()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"recovery code of {self.session_id}"
