"""Uploads, the quota that they count against, and erased sessions."""

import uuid
from collections.abc import Collection
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import F, Q, Window
from django.db.models.functions import Now, RowNumber
from django.utils import timezone

from common.folding import FoldedName
from common.masking import mask_file_name
from common.statements import Argument
from sessions_app.models import UserSession, past_retention
from uploads_app.models.statuses import IN_QUOTA, VISIBLE, WITH_OBJECT, Inspection, UploadStatus
from uploads_app.models.store import StoreState
from uploads_app.storage.keys import incoming_key

# A running upload renews its lease more often than this; a retry takes over an upload that does not.
TAKEOVER_AFTER = timedelta(seconds=30)


class UploadQuerySet(models.QuerySet["UploadedFile"]):
    """Compares times by the clock of the database."""

    def visible_to(self, session: "UserSession | Argument") -> "UploadQuerySet":
        return self.filter(session=session, status__in=VISIBLE)

    def known_to(self, session: UserSession) -> "UploadQuerySet":
        """Return the files whose id a session's visitor knows.

        The client gets the id of a direct upload at its start, and of another upload at its end.
        """
        unfinished = Q(status__in=[UploadStatus.PENDING, UploadStatus.LAPSED], direct=False)
        return self.filter(session=session).exclude(unfinished)

    def completable_by(self, session: UserSession) -> "UploadQuerySet":
        """Return the direct uploads of a session that can be completed, or have been."""
        return self.filter(
            session=session, direct=True, status__in=[UploadStatus.PENDING, *VISIBLE]
        )

    def claiming(self, keys: Collection[str]) -> "UploadQuerySet":
        """Return the files that claim one of the keys: its object must not be deleted."""
        return self.filter(key__in=keys, status__in=IN_QUOTA)

    def with_open_form(self) -> "UploadQuerySet":
        """Return closed direct uploads whose form may still write bytes, or has."""
        return self.filter(form_expires_at__isnull=False).exclude(status__in=IN_QUOTA)

    def pending(self) -> "UploadQuerySet":
        return self.filter(status=UploadStatus.PENDING)

    def lapsed(self) -> "UploadQuerySet":
        return self.pending().filter(lease_expires_at__lt=Now())

    def unerased(self) -> "UploadQuerySet":
        """Return closed uploads that may still have an object."""
        return self.filter(
            Q(status=UploadStatus.DELETING)
            | Q(status__in=[UploadStatus.LAPSED, UploadStatus.REJECTED], deleted_at__isnull=True)
        )

    def deleting(self) -> "UploadQuerySet":
        return self.filter(status=UploadStatus.DELETING)

    def past_retention(
        self, retention: timedelta | None = None, completed: timedelta | None = None
    ) -> "UploadQuerySet":
        """Return the files of sessions that ended longer than their retention ago.

        Returns none until UPLOAD_RETENTION (or `retention`, if longer) after a
        restore: the database may not know sessions that were used since its backup.
        """
        limit = settings.UPLOAD_RETENTION if retention is None else retention
        wait = max(limit, settings.UPLOAD_RETENTION)
        if StoreState.was_adopted_within(wait):
            return self.none()
        return self.filter(past_retention("session__", limit, completed), status__in=VISIBLE)

    def abandoned(self) -> "UploadQuerySet":
        """Return uploads that did not renew their lease for TAKEOVER_AFTER."""
        return self.filter(
            status=UploadStatus.PENDING,
            lease_expires_at__lt=Now() + settings.UPLOAD_LEASE - TAKEOVER_AFTER,
        )

    def uninspected(self) -> "UploadQuerySet":
        return self.filter(status=UploadStatus.STORED, inspection=Inspection.WAITING)

    def in_inspection(self) -> "UploadQuerySet":
        """Return the files that workers inspect now."""
        return self.uninspected().filter(inspection_claimed_until__gt=Now())

    def in_turn(self) -> "UploadQuerySet":
        """Order by turns: first the oldest file of each session, those of each network in turn."""
        oldest = [F("stored_at").asc(), F("id").asc()]
        return self.annotate(
            session_turn=Window(RowNumber(), partition_by="session_id", order_by=oldest),
            network_turn=Window(RowNumber(), partition_by="network", order_by=oldest),
        ).order_by("session_turn", "network_turn", "stored_at", "id")

    def with_object(self) -> "UploadQuerySet":
        return self.filter(status__in=WITH_OBJECT)

    def after(self, session_uuid: uuid.UUID, upload_id: uuid.UUID) -> "UploadQuerySet":
        """Return the files whose keys follow the key of this one, ordered by key."""
        return (
            self.filter(session_id__gte=session_uuid)
            .exclude(session_id=session_uuid, id__lte=upload_id)
            .order_by("session_id", "id")
        )


class UploadedFile(models.Model):
    """A file. The row stays when the object is deleted."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    session = models.ForeignKey(
        UserSession, on_delete=models.PROTECT, related_name="uploads", db_index=False
    )
    key = models.CharField("object key", max_length=120, unique=True, editable=False)
    name = models.CharField(
        max_length=255,
        blank=True,
        help_text="The name that the visitor gave. Never part of the key. Empty after an erasure.",
    )
    retry_key = models.CharField(
        max_length=64,
        null=True,
        editable=False,
        help_text="The SHA-256 of the Idempotency-Key of its request.",
    )
    status = models.CharField(
        max_length=11, choices=UploadStatus.choices, default=UploadStatus.PENDING
    )
    size = models.PositiveBigIntegerField(help_text="In bytes.")
    content_type = models.CharField(max_length=100, help_text="Detected from the content.")
    sha256 = models.CharField("SHA-256", max_length=64, blank=True)
    created_at = models.DateTimeField("started", default=timezone.now)
    lease_expires_at = models.DateTimeField(
        help_text="An upload that has not finished by then is given up."
    )
    stored_at = models.DateTimeField("stored", null=True)
    deleted_at = models.DateTimeField("deleted", null=True)
    delete_reason = models.CharField(max_length=20, blank=True)
    direct = models.BooleanField(
        "sent to the store directly",
        default=False,
        help_text="The browser sent the bytes to the store itself.",
    )
    form_expires_at = models.DateTimeField(
        null=True,
        editable=False,
        help_text="When the newest form of a direct upload expires. Empty when its bytes are removed.",
    )
    inspection = models.CharField(
        max_length=11,
        choices=Inspection.choices,
        default=Inspection.WAITING,
        help_text="The verdict of the inspection.",
    )
    inspected_at = models.DateTimeField("inspected", null=True)
    suspicions = models.JSONField(
        default=list, blank=True, help_text="Why the file is suspect or unreadable."
    )
    inspection_cost = models.PositiveIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text="The processor time that its inspection has used, in milliseconds.",
    )
    inspection_claimed_until = models.DateTimeField(
        null=True,
        editable=False,
        help_text="Until then one worker inspects it, and the others leave it alone.",
    )
    network = models.CharField(
        max_length=43,
        default="",
        db_default="",
        editable=False,
        help_text="Where it was sent from, for the order of inspections. Empty after an erasure.",
    )

    restored_from = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        editable=False,
        related_name="copies",
        db_index=False,
        help_text="The file of an earlier session that staff transferred to this session.",
    )

    objects = UploadQuerySet.as_manager()

    class Meta:
        verbose_name = "file"
        ordering = ["-created_at"]
        default_permissions = ("view",)
        permissions = [
            ("quarantine_uploadedfile", "Can quarantine files and release them"),
            ("download_uploadedfile", "Can download files"),
            ("restore_uploadedfile", "Can transfer a file to the visitor's current session"),
        ]
        indexes = [
            models.Index(fields=["session", "id"], name="upload_session"),
            models.Index(fields=["created_at"], name="upload_created"),
            # The lists of staff: each filter, and both together, in the order of the list.
            models.Index(fields=["status", "created_at", "id"], name="upload_status"),
            models.Index(fields=["inspection", "created_at", "id"], name="upload_inspection"),
            models.Index(
                fields=["status", "inspection", "created_at", "id"], name="upload_verdict"
            ),
            models.Index(fields=["content_type", "created_at", "id"], name="upload_type"),
            models.Index(
                fields=["lease_expires_at"], name="upload_pending", condition=Q(status="pending")
            ),
            models.Index(fields=["id"], name="upload_deleting", condition=Q(status="deleting")),
            models.Index(
                fields=["stored_at"],
                name="upload_uninspected",
                condition=Q(inspection="waiting", status="stored"),
            ),
            models.Index(
                fields=["inspection_claimed_until"],
                name="upload_claimed",
                condition=Q(inspection="waiting", inspection_claimed_until__isnull=False),
            ),
            models.Index(
                fields=["inspected_at"],
                name="upload_inspected",
                condition=Q(inspection_cost__gt=0),
            ),
            models.Index(FoldedName("name"), name="upload_name", condition=Q(name__gt="")),
            models.Index(
                fields=["sha256", "created_at"], name="upload_sha256", condition=Q(sha256__gt="")
            ),
            models.Index(fields=["status", "size"], name="upload_sizes"),
            models.Index(
                fields=["restored_from"],
                name="upload_copies",
                condition=Q(restored_from__isnull=False),
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=["pending", "lapsed", "rejected"]) | ~Q(sha256=""),
                name="upload_stored_has_hash",
            ),
            models.UniqueConstraint(fields=["session", "retry_key"], name="upload_once_per_key"),
            models.UniqueConstraint(
                fields=["restored_from"],
                condition=Q(
                    restored_from__isnull=False,
                    status__in=["pending", "stored", "missing", "quarantined"],
                ),
                name="upload_restored_once",
            ),
        ]

    def __str__(self) -> str:
        return mask_file_name(self.name) or "erased file"


def object_keys(upload: UploadedFile) -> list[str]:
    """Return every key under which an upload may have an object."""
    return [upload.key, incoming_key(upload.key)] if upload.direct else [upload.key]


class UploadQuota(models.Model):
    """How much of its quota a session uses. Conditional updates alone change it, so no race exceeds a limit."""

    session = models.OneToOneField(UserSession, on_delete=models.PROTECT, primary_key=True)
    files = models.PositiveIntegerField(default=0)
    bytes = models.PositiveBigIntegerField(default=0)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.files} files, {self.bytes} bytes"


class ErasureNote(models.Model):
    """An erased session. Its UUID is also written to the store, so that a restore repeats the erasure."""

    session_uuid = models.UUIDField(primary_key=True)
    recorded_at = models.DateTimeField(db_column="noted_at", null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.session_uuid)
