"""A visitor's session, what is known of the visitor, and the services that may ask."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Lower, Now
from django.utils import timezone

from common.folding import Folded, LastWord
from sessions_app.uuid_helpers import generate_support_code, generate_uuid

if TYPE_CHECKING:
    from sessions_app.credentials import Credential

TOUCH_INTERVAL = timedelta(minutes=1)


class SessionStatus(models.TextChoices):
    """Where a session is in its life. Nothing leads back to active."""

    ACTIVE = "active"
    EXPIRED = "expired"
    RESET = "reset"
    ENDED = "ended"
    REVOKED = "revoked"
    ERASED = "erased"


class Identity(models.TextChoices):
    """How much is known of who a session belongs to."""

    ANONYMOUS = "anonymous"
    IDENTIFIED = "identified"
    COMPLETED = "completed"


class SessionQuerySet(models.QuerySet["UserSession"]):
    """Which sessions there are, by the database's clock."""

    def live(self) -> "SessionQuerySet":
        """Active, and their time has not run out."""
        return self.filter(status=SessionStatus.ACTIVE, expires_at__gt=Now())

    def due(self) -> "SessionQuerySet":
        """Recorded as active although their time has run out."""
        return self.filter(status=SessionStatus.ACTIVE, expires_at__lte=Now())

    def past_retention(self) -> "SessionQuerySet":
        """Return sessions that ended so long ago that what they held is to go."""
        return self.filter(past_retention())

    def with_contact_data(self) -> "SessionQuerySet":
        """Return sessions that know a name or an e-mail address."""
        return self.filter(Q(name__gt="") | Q(email__gt=""))

    def of_email(self, email: str) -> "SessionQuerySet":
        """Return sessions that say this is their visitor's e-mail address, proven or not.

        In whatever case; none for an empty one.
        """
        address = Value(email)
        # In small letters too: ı and ſ have the capitals of i and s, and belong to other addresses.
        return (
            self.filter(email__gt="")
            .alias(folded=Folded(F("email")), small=Lower("email"))
            .filter(folded=Folded(address), small=Lower(address))
        )

    def proven_by(self, email: str) -> "SessionQuerySet":
        """Return sessions whose visitor has proven this e-mail address."""
        return self.of_email(email).filter(email_proven=True)

    def being_erased(self) -> "SessionQuerySet":
        """Return sessions whose erasure has begun and has not been finished."""
        return self.filter(status=SessionStatus.ERASED, erased_at=None)


def past_retention(
    prefix: str = "", retention: timedelta | None = None, completed: timedelta | None = None
) -> Q:
    """Return the condition under which a session's retention is over; `prefix` is the way to it.

    `completed` is the retention of completed sessions; what is not given is the setting's.
    """
    retention = settings.UPLOAD_RETENTION if retention is None else retention
    completed = settings.COMPLETED_RETENTION if completed is None else completed
    ended, has_none = f"{prefix}ended_at__lt", f"{prefix}completed_at__isnull"
    return Q(**{ended: Now() - retention, has_none: True}) | Q(
        **{ended: Now() - completed, has_none: False}
    )


def kept_until(session: "UserSession") -> datetime:
    """Return when the retention of a session that is over is over too."""
    is_completed = session.completed_at is not None
    retention = settings.COMPLETED_RETENTION if is_completed else settings.UPLOAD_RETENTION
    return (session.ended_at or session.expires_at) + retention


class UserSession(models.Model):
    """One visitor's conversation. The UUID names it and grants nothing; the token proves it.

    `expires_at` is the earlier of the idle and the absolute limit, kept up to
    date by every touch, so that one column decides and one index finds.
    `token_used_at` is empty from the moment a token replaces another until
    somebody proves the session by it; `proven_at` only until anybody has ever
    proven a session that follows another.
    """

    uuid = models.UUIDField("session UUID", primary_key=True, default=generate_uuid, editable=False)
    support_code = models.CharField(max_length=15, unique=True, default=generate_support_code)
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    token_used_at = models.DateTimeField(null=True, editable=False, default=timezone.now)
    proven_at = models.DateTimeField(null=True, editable=False, default=timezone.now)
    status = models.CharField(
        max_length=8, choices=SessionStatus.choices, default=SessionStatus.ACTIVE
    )
    name = models.CharField(max_length=200, blank=True)
    email = models.EmailField("e-mail", blank=True)
    email_proven = models.BooleanField("e-mail proven", default=False)
    completed_at = models.DateTimeField(
        "completed",
        null=True,
        help_text="When the visitor last proved an e-mail address by a code.",
    )
    created_at = models.DateTimeField("began", default=timezone.now)
    last_seen_at = models.DateTimeField("last seen", default=timezone.now)
    used_at = models.DateTimeField(
        "first used",
        null=True,
        help_text="When it first held a file or contact data; until then it expires sooner.",
    )
    expires_at = models.DateTimeField("expires")
    extended_until = models.DateTimeField(
        "extended until", null=True, help_text="Staff let it live at least until then."
    )
    ended_at = models.DateTimeField("ended", null=True, db_index=True)
    end_reason = models.CharField("why it ended", max_length=200, blank=True)
    erased_at = models.DateTimeField(
        "erased", null=True, help_text="When nothing personal and no file was left of it."
    )
    predecessor = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, related_name="successor"
    )

    # How the request that reads the session has proven it; empty anywhere else.
    proof: "Credential | None" = None

    objects = SessionQuerySet.as_manager()

    class Meta:
        verbose_name = "session"
        ordering = ["-created_at"]
        default_permissions = ("view",)
        permissions = [
            ("revoke_usersession", "Can revoke session"),
            ("recover_usersession", "Can issue a recovery code"),
            ("extend_usersession", "Can extend session"),
            ("export_usersession", "Can export what is held about a visitor"),
            ("erase_usersession", "Can erase a visitor"),
        ]
        indexes = [
            models.Index(fields=["status", "expires_at"], name="session_expiry"),
            models.Index(fields=["-created_at"], name="session_created"),
            models.Index(fields=["status", "-created_at", "-uuid"], name="session_status"),
            models.Index(
                fields=["ended_at"],
                name="session_contact",
                condition=Q(name__gt="") | Q(email__gt=""),
            ),
            models.Index(fields=["erased_at"], name="session_erased", condition=Q(status="erased")),
            # By which staff find a visitor. Most sessions have neither name nor address.
            models.Index(Folded("name"), name="session_name", condition=Q(name__gt="")),
            models.Index(
                Folded(LastWord("name")), name="session_last_word", condition=Q(name__gt="")
            ),
            models.Index(
                Folded("email"),
                F("created_at").desc(),
                name="session_email_newest",
                condition=Q(email__gt=""),
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(status="active", ended_at__isnull=True)
                | (~Q(status="active") & Q(ended_at__isnull=False)),
                name="session_ended_unless_active",
            ),
            models.CheckConstraint(
                condition=~Q(status="erased") | Q(name="", email=""),
                name="session_erased_is_nobody",
            ),
        ]

    def __str__(self) -> str:
        return self.support_code

    @property
    def identity(self) -> Identity:
        """How much is known of the visitor: nothing, a claim, or a proven e-mail address."""
        if self.email_proven:
            return Identity.COMPLETED
        return Identity.IDENTIFIED if self.name or self.email else Identity.ANONYMOUS

    @property
    def last_moment(self) -> datetime:
        """When the session ends however often it is used."""
        if self.completed_at:
            return self.completed_at + settings.SESSION_COMPLETED_LIMIT
        return self.created_at + settings.SESSION_ABSOLUTE_LIMIT

    def expiry(self, now: datetime) -> datetime:
        """Return when the session expires if it was last seen `now`."""
        idle = settings.SESSION_IDLE_LIMIT if self.used_at else settings.SESSION_UNUSED_LIMIT
        ordinary = self.last_moment if self.completed_at else min(now + idle, self.last_moment)
        return max(ordinary, self.extended_until or ordinary)

    def expiry_reason(self) -> str:
        """Say which limit `expires_at` stands for: `extended`, `absolute`, `unused` or `idle`."""
        if self.expires_at == self.extended_until:
            return "extended"
        if self.expires_at >= self.last_moment:
            return "absolute"
        return "idle" if self.used_at else "unused"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self._state.adding and not self.expires_at:
            self.expires_at = self.expiry(self.created_at)
        super().save(*args, **kwargs)


class RetiredToken(models.Model):
    """A token that another has replaced, still good until 30 s after the other's first use.

    So neither a lost answer nor a request under way loses its session.
    `good_until` is empty until that first use. Rows are numbered in the order
    in which the tokens were replaced.
    """

    token_hash = models.CharField(max_length=64, unique=True)
    session = models.ForeignKey(
        UserSession, on_delete=models.CASCADE, related_name="retired_tokens"
    )
    good_until = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"retired token of {self.session_id}"


class Consent(models.Model):
    """What a visitor has agreed to, or no longer does, under which wording."""

    session = models.ForeignKey(UserSession, on_delete=models.CASCADE, related_name="consents")
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
    """The six digits that were last sent to a session's e-mail address; only their hash."""

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


class RecoveryCode(models.Model):
    """A code by which a visitor takes a session to another device, once; only its hash."""

    session = models.OneToOneField(UserSession, on_delete=models.CASCADE, primary_key=True)
    code_hash = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"recovery code of {self.session_id}"


class Scope(models.TextChoices):
    """What a service key may be good for."""

    SESSIONS = "sessions", "Trust a session by its assertion"
    UPLOADS = "uploads", "List and read a live session's files"
    EVENTS = "events", "Follow what happens to sessions and files"


class ServiceKeyQuerySet(models.QuerySet["ServiceKey"]):
    """Which keys open anything."""

    def good(self) -> "ServiceKeyQuerySet":
        """Return keys that are neither revoked nor past their date."""
        return self.filter(revoked_at=None, expires_at__gt=Now())


class ServiceKey(models.Model):
    """A key by which a service of ours, like Maria's own back end, may ask; only its hash."""

    name = models.SlugField(
        max_length=60, unique=True, help_text="Who holds it; the audit log calls it service:name."
    )
    key_hash = models.CharField(max_length=64, unique=True, editable=False)
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField("made", default=timezone.now)
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
