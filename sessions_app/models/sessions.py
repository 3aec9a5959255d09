"""A visitor's session and its retired tokens."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Now
from django.utils import timezone

from common.folding import AsciiLower, Folded, FoldedName, LastWord, ascii_lower
from sessions_app.signals import describe
from sessions_app.uuid_helpers import generate_support_code, generate_uuid

TOUCH_INTERVAL = timedelta(minutes=1)
LONGEST_RETIREMENT = timedelta(hours=24)
# What a visitor is shown of a consent.
_ANSWER = ("purpose", "granted", "version")


class SessionStatus(models.TextChoices):
    """The states of a session. No transition leads back to active."""

    ACTIVE = "active"
    EXPIRED = "expired"
    RESET = "reset"
    ENDED = "ended"
    REVOKED = "revoked"
    ERASED = "erased"


class Identity(models.TextChoices):
    """What is known about a session's visitor."""

    ANONYMOUS = "anonymous"
    IDENTIFIED = "identified"
    COMPLETED = "completed"


class SessionQuerySet(models.QuerySet["UserSession"]):
    """Sessions in different phases of their life, by the database's clock."""

    def live(self) -> "SessionQuerySet":
        """Return active sessions that have not expired."""
        return self.filter(status=SessionStatus.ACTIVE, expires_at__gt=Now())

    def due(self) -> "SessionQuerySet":
        """Return expired sessions that are still stored as active."""
        return self.filter(status=SessionStatus.ACTIVE, expires_at__lte=Now())

    def past_retention(self) -> "SessionQuerySet":
        return self.filter(past_retention())

    def with_contact_data(self) -> "SessionQuerySet":
        return self.filter(Q(name__gt="") | Q(email__gt=""))

    def of_email(self, email: str) -> "SessionQuerySet":
        """Return sessions with this e-mail address, proven or not.

        `is_same_address` decides in the same way: only A to Z have two cases.

        An empty address matches no session.
        """
        address = Value(email)
        # `Folded` has the index; it also folds ı, ſ and Ä, which belong to other addresses.
        return (
            self.filter(email__gt="")
            .alias(folded=Folded(F("email")), small=AsciiLower(F("email")))
            .filter(folded=Folded(address), small=AsciiLower(address))
        )

    def proven_by(self, email: str) -> "SessionQuerySet":
        return self.of_email(email).filter(email_proven=True)

    def described(self) -> "SessionQuerySet":
        """Also read what an answer says of other tables: one row for each consent; see `join_answers`."""
        answers = {f"consent_{name}": F(f"consents__{name}") for name in _ANSWER}
        related = describe(None, "related")
        return self.select_related(*related).annotate(**answers).order_by("consents__purpose")

    def being_erased(self) -> "SessionQuerySet":
        """Return sessions whose erasure is not finished."""
        return self.filter(status=SessionStatus.ERASED, erased_at=None)


def join_answers(rows: Sequence["UserSession"]) -> list["UserSession"]:
    """Return the session of `described`, with its `answers` from all rows."""
    for session in rows[:1]:
        answers = [tuple(getattr(row, f"consent_{name}") for name in _ANSWER) for row in rows]
        session.answers = [answer for answer in answers if answer[0] is not None]
    return list(rows[:1])


def is_same_address(one: str, other: str) -> bool:
    """Say whether two e-mail addresses are the same one."""
    return bool(one) and ascii_lower(one) == ascii_lower(other)


def past_retention(
    prefix: str = "", retention: timedelta | None = None, completed: timedelta | None = None
) -> Q:
    """Return the condition that a session's retention is over.

    `prefix` is the lookup path to the session, like `session__`. `completed` is
    the retention of completed sessions. The defaults are the settings.
    """
    retention = settings.UPLOAD_RETENTION if retention is None else retention
    completed = settings.COMPLETED_RETENTION if completed is None else completed
    ended, has_none = f"{prefix}ended_at__lt", f"{prefix}completed_at__isnull"
    return Q(**{ended: Now() - retention, has_none: True}) | Q(
        **{ended: Now() - completed, has_none: False}
    )


def kept_until(session: "UserSession") -> datetime:
    """Return when an ended session's retention is over."""
    is_completed = session.completed_at is not None
    retention = settings.COMPLETED_RETENTION if is_completed else settings.UPLOAD_RETENTION
    return (session.ended_at or session.expires_at) + retention


class UserSession(models.Model):
    """One visitor's session. The UUID names it and grants nothing; the token proves it.

    `expires_at` is the earlier of the idle and the absolute limit. Every touch
    updates it, so that one column and one index decide. `token_used_at` is
    empty from a token's rotation until its first use; `proven_at` is empty
    until a successor is first proven. With its `retry_key` the reset that
    created it can be repeated until then.
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
    created_at = models.DateTimeField("created", default=timezone.now)
    last_seen_at = models.DateTimeField("last seen", default=timezone.now)
    used_at = models.DateTimeField(
        "first used",
        null=True,
        help_text="When it got its first file or contact data. Until then it expires earlier.",
    )
    expires_at = models.DateTimeField("expires")
    extended_until = models.DateTimeField(
        "extended until", null=True, help_text="Staff extended the session to at least this time."
    )
    ended_at = models.DateTimeField("ended", null=True, db_index=True)
    end_reason = models.CharField("end reason", max_length=200, blank=True)
    erased_at = models.DateTimeField(
        "erased", null=True, help_text="When its personal data and its files had been removed."
    )
    retry_key = models.CharField(
        max_length=64,
        null=True,
        editable=False,
        help_text="The SHA-256 of the Idempotency-Key of the reset that created it.",
    )
    predecessor = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, related_name="successor"
    )

    objects = SessionQuerySet.as_manager()

    class Meta:
        verbose_name = "session"
        ordering = ["-created_at"]
        default_permissions = ("view",)
        permissions = [
            ("revoke_usersession", "Can revoke session"),
            ("recover_usersession", "Can issue a recovery code"),
            ("extend_usersession", "Can extend session"),
            ("export_usersession", "Can export a visitor's data"),
            ("erase_usersession", "Can erase a visitor"),
        ]
        indexes = [
            models.Index(fields=["status", "expires_at"], name="session_expiry"),
            models.Index(fields=["created_at"], name="session_created"),
            models.Index(fields=["status", "created_at", "uuid"], name="session_status"),
            models.Index(fields=["status", "last_seen_at", "uuid"], name="session_last_seen"),
            models.Index(
                fields=["ended_at"],
                name="session_contact",
                condition=Q(name__gt="") | Q(email__gt=""),
            ),
            models.Index(fields=["erased_at"], name="session_erased", condition=Q(status="erased")),
            # For the staff search. Most sessions have neither name nor address.
            models.Index(FoldedName("name"), name="session_name", condition=Q(name__gt="")),
            models.Index(
                FoldedName(LastWord("name")), name="session_last_word", condition=Q(name__gt="")
            ),
            models.Index(
                Folded("email"),
                "created_at",
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
        if self.email_proven:
            return Identity.COMPLETED
        return Identity.IDENTIFIED if self.name or self.email else Identity.ANONYMOUS

    @cached_property
    def answers(self) -> list[tuple[str, bool, str]]:
        """The visitor's consents: purpose, whether it is granted, version of the wording."""
        return list(self.consents.values_list(*_ANSWER))

    @property
    def last_moment(self) -> datetime:
        """The absolute limit: when the session expires even if it is used."""
        if self.completed_at:
            return self.completed_at + settings.SESSION_COMPLETED_LIMIT
        return self.created_at + settings.SESSION_ABSOLUTE_LIMIT

    def expiry(self, now: datetime) -> datetime:
        """Return when the session expires if it was last used `now`."""
        idle = settings.SESSION_IDLE_LIMIT if self.used_at else settings.SESSION_UNUSED_LIMIT
        ordinary = self.last_moment if self.completed_at else min(now + idle, self.last_moment)
        return max(ordinary, self.extended_until or ordinary)

    def expiry_reason(self) -> str:
        """Return the limit behind `expires_at`: `extended`, `absolute`, `unused` or `idle`."""
        if self.expires_at == self.extended_until:
            return "extended"
        if self.expires_at >= self.last_moment:
            return "absolute"
        return "idle" if self.used_at else "unused"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self._state.adding and not self.expires_at:
            self.expires_at = self.expiry(self.created_at)
        super().save(*args, **kwargs)


class RetiredTokenQuerySet(models.QuerySet["RetiredToken"]):
    """Replaced tokens, by the database's clock."""

    def good(self) -> "RetiredTokenQuerySet":
        """Return the tokens that have not ended."""
        recent = Q(good_until=None, replaced_at__gt=Now() - LONGEST_RETIREMENT)
        return self.filter(Q(good_until__gt=Now()) | recent)


class RetiredToken(models.Model):
    """A replaced token. Until it ends it may read and change, but never get a new token.

    It ends 30 s after the new token's first use or after a recovery: that is
    `good_until`, empty until then. At the latest it ends 24 h after its replacement.
    """

    token_hash = models.CharField(max_length=64, unique=True)
    session = models.ForeignKey(
        UserSession, on_delete=models.CASCADE, related_name="retired_tokens"
    )
    good_until = models.DateTimeField(null=True)
    replaced_at = models.DateTimeField(db_default=Now())

    objects = RetiredTokenQuerySet.as_manager()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"retired token of {self.session_id}"
