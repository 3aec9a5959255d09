"""The audit log: append-only rows, and a separate table of personal values that can be erased."""

import json
import uuid
from typing import Any, NoReturn

from django.db import models
from django.db.models import Q
from django.utils.timezone import localtime

from common.masking import MASKS


class AuditOutcome(models.TextChoices):
    SUCCESS = "success"
    DENIED = "denied"
    ERROR = "error"


class RetentionClass(models.TextChoices):
    """How long events are kept, as their type says. Settings change the periods, never the classes."""

    SECURITY = "security"
    ERASURE = "erasure"
    REFUSAL = "refusal"
    ORDINARY = "ordinary"


class AppendOnly(Exception):
    """An attempt to change or delete audit rows. The log is append-only."""


class AuditQuerySet(models.QuerySet["AuditLog"]):
    """Reads of the log; refuses every bulk write except inserts."""

    def about_session(self, session_uuid: uuid.UUID) -> "AuditQuerySet":
        """Return the events of one session, newest first."""
        return self.filter(session_uuid=session_uuid).order_by("-occurred_at", "-id")

    def update(self, **kwargs: Any) -> NoReturn:
        raise AppendOnly("audit rows cannot be updated")

    def delete(self) -> NoReturn:
        raise AppendOnly("audit rows cannot be deleted")

    def bulk_update(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AppendOnly("audit rows cannot be updated")

    async def aupdate(self, **kwargs: Any) -> NoReturn:
        raise AppendOnly("audit rows cannot be updated")

    async def adelete(self) -> NoReturn:
        raise AppendOnly("audit rows cannot be deleted")


class AuditLog(models.Model):
    """One event that matters for security or support.

    `text` is the event's canonical form and alone contains its details. The
    columns repeat the searchable values. Sessions and targets are plain values, not
    foreign keys, so that an event outlives them.
    """

    event_id = models.UUIDField("event id", default=uuid.uuid4, unique=True, editable=False)
    occurred_at = models.DateTimeField("time")
    event_type = models.CharField("event", max_length=64)
    outcome = models.CharField(max_length=8, choices=AuditOutcome.choices)
    session_uuid = models.UUIDField("session", null=True)
    target = models.CharField(max_length=255, blank=True)
    actor = models.CharField(max_length=150)
    request_id = models.CharField("request id", max_length=64, blank=True)
    network = models.CharField(max_length=64, blank=True)
    text = models.TextField("canonical text")
    # Empty in rows that are older than the column: their class is that of their type.
    retention = models.CharField("class", max_length=8, null=True, choices=RetentionClass.choices)

    objects = AuditQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name = "audit event"
        verbose_name_plural = "audit events"
        default_permissions = ("view",)
        permissions = [("export_auditlog", "Can export audit events")]
        indexes = [
            models.Index(fields=["session_uuid", "occurred_at"], name="audit_session"),
            # With the id, so that the index alone finds a page of the list.
            models.Index(fields=["event_type", "occurred_at", "id"], name="audit_event_type"),
            models.Index(fields=["actor", "occurred_at", "id"], name="audit_actor"),
            models.Index(
                fields=["actor", "event_type", "occurred_at", "id"], name="audit_actor_type"
            ),
            models.Index(fields=["request_id"], name="audit_request"),
            models.Index(fields=["occurred_at"], name="audit_occurred_at"),
            # Partial, because few events are unsuccessful.
            models.Index(
                fields=["outcome", "occurred_at", "id"],
                name="audit_unsuccessful",
                condition=~Q(outcome="success"),
            ),
            models.Index(
                fields=["actor", "outcome", "occurred_at", "id"],
                name="audit_actor_unsuccessful",
                condition=~Q(outcome="success"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event_type} at {localtime(self.occurred_at):%Y-%m-%d %H:%M:%S}"

    @property
    def details(self) -> dict[str, Any]:
        details: dict[str, Any] = json.loads(self.text)["details"]
        return details

    @property
    def trace_id(self) -> str:
        return str(json.loads(self.text).get("trace_id", ""))

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AppendOnly("audit rows cannot be updated")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AppendOnly("audit rows cannot be deleted")


class FeedEntry(models.Model):
    """An event's place in the feed for services.

    It is written with its event, without a position. Committed entries get
    their positions later, one after the other (see feed.py).
    """

    log = models.OneToOneField(
        AuditLog, on_delete=models.PROTECT, primary_key=True, related_name="feed_entry"
    )
    position = models.PositiveBigIntegerField(null=True, unique=True)

    class Meta:
        default_permissions = ()
        indexes = [
            models.Index(fields=["log"], name="feed_waiting", condition=Q(position__isnull=True))
        ]

    def __str__(self) -> str:
        return f"feed entry {self.position or 'without a position'}"


class FeedState(models.Model):
    """The last position of the feed. The table's one row is the lock for assigning more."""

    SINGLETON = 1

    singleton = models.PositiveSmallIntegerField(primary_key=True, default=SINGLETON)
    last_position = models.PositiveBigIntegerField(default=0)

    class Meta:
        default_permissions = ()
        constraints = [models.CheckConstraint(condition=Q(singleton=1), name="feed_state_single")]

    def __str__(self) -> str:
        return f"feed up to {self.last_position}"


class AuditPersonal(models.Model):
    """The personal values of an audit event. Erasure deletes from this table only.

    The event's text contains only their salted commitment, so the log can still
    be verified after an erasure.
    """

    log = models.OneToOneField(
        AuditLog, on_delete=models.PROTECT, primary_key=True, related_name="personal"
    )
    salt = models.CharField(max_length=64)
    address = models.CharField(max_length=45, blank=True)
    user_agent = models.CharField(max_length=512, blank=True)
    file_name = models.CharField(max_length=255, blank=True)
    email = models.CharField(max_length=254, blank=True)

    class Meta:
        verbose_name = "personal part"
        default_permissions = ("view",)
        indexes = [
            models.Index(
                fields=["address", "log"], name="audit_address", condition=Q(address__gt="")
            )
        ]

    def __str__(self) -> str:
        return f"personal part of event {self.log_id}"

    def values(self) -> dict[str, str]:
        """Return the non-empty values, which the event's commitment covers."""
        return {
            name: value
            for name in ("address", "user_agent", "file_name", "email")
            if (value := getattr(self, name))
        }

    def masked_values(self) -> dict[str, str]:
        return {name: MASKS[name](value) for name, value in self.values().items()}


class SealHead(models.Model):
    """A signed statement about the batches of one run of the seal, and about the head before.

    `text` is what was signed; the columns repeat the values that are searched.
    """

    number = models.PositiveBigIntegerField(primary_key=True)
    text = models.TextField("signed text")
    signature = models.CharField(max_length=128)
    # Each head has one successor, so two sealers cannot make two chains.
    previous = models.CharField(max_length=64, unique=True)
    sealed_at = models.DateTimeField(db_index=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"head {self.number}"


class SealBatch(models.Model):
    """The rows of one class that a run sealed; `ids` are their ids, like `5-9,12`."""

    number = models.PositiveBigIntegerField(primary_key=True)
    head = models.ForeignKey(SealHead, on_delete=models.PROTECT, related_name="batches")
    retention = models.CharField("class", max_length=8, choices=RetentionClass.choices)
    count = models.PositiveIntegerField()
    root = models.CharField(max_length=64)
    first_id = models.BigIntegerField()
    last_id = models.BigIntegerField(db_index=True)
    ids = models.TextField("row ids")

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"batch {self.number}"


class SealState(models.Model):
    """How far the log is sealed and verified, and what administrators know. It has one row.

    Nothing here is trusted by a verification.
    """

    SINGLETON = 1

    singleton = models.PositiveSmallIntegerField(primary_key=True, default=SINGLETON)
    head = models.PositiveBigIntegerField(default=0)
    # Rows up to this id are sealed, but for the gaps: missing ids that may still be committed.
    low_water = models.BigIntegerField(default=0)
    gaps = models.TextField(default="[]")
    # The problem of the last run of each part; empty if the run was good.
    seal_problem = models.TextField(blank=True)
    verify_problem = models.TextField(blank=True)
    # The pass of the verification that is in progress, and the last one that was completed.
    verify_next = models.PositiveBigIntegerField(default=0)
    verify_began_at = models.DateTimeField(null=True)
    verified_head = models.PositiveBigIntegerField(default=0)
    verified_at = models.DateTimeField(null=True)
    alert_since = models.DateTimeField(null=True)
    alert_code = models.CharField(max_length=32, blank=True)

    class Meta:
        default_permissions = ()
        constraints = [models.CheckConstraint(condition=Q(singleton=1), name="seal_state_single")]

    def __str__(self) -> str:
        return f"sealed up to head {self.head}"


class SealAnchor(models.Model):
    """A place outside the database, and the last head that it has."""

    name = models.CharField(max_length=32, primary_key=True)
    head = models.PositiveBigIntegerField(default=0)
    anchored_at = models.DateTimeField(null=True)
    problem = models.TextField(blank=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.name} up to head {self.head}"
