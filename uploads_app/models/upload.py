"""Uploads, the quota that they count against, and erased sessions."""

import uuid
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from common.folding import Folded
from common.masking import mask_file_name
from sessions_app.models import UserSession, past_retention
from uploads_app.models.statuses import VISIBLE, WITH_OBJECT, Inspection, UploadStatus
from uploads_app.models.store import StoreState
from uploads_app.storage.keys import incoming_key

# A writer renews its lease far more often than this; a retry takes over from one that does not.
TAKEOVER_AFTER = timedelta(seconds=30)


class UploadQuerySet(models.QuerySet["UploadedFile"]):
    """Which files there are, by the database's clock."""

    def visible_to(self, session: UserSession) -> "UploadQuerySet":
        """Return the files that a session's visitor may see."""
        return self.filter(session=session, status__in=VISIBLE)

    def known_to(self, session: UserSession) -> "UploadQuerySet":
        """Return the files that a session's visitor has, had, or was told the id of.

        Not uploads to us that never finished; the id of a direct one is told when it begins.
        """
        unfinished = Q(status__in=[UploadStatus.PENDING, UploadStatus.LAPSED], direct=False)
        return self.filter(session=session).exclude(unfinished)

    def completable_by(self, session: UserSession) -> "UploadQuerySet":
        """Return the direct uploads of a session that wait to be completed, or have been."""
        return self.filter(
            session=session, direct=True, status__in=[UploadStatus.PENDING, *VISIBLE]
        )

    def pending(self) -> "UploadQuerySet":
        return self.filter(status=UploadStatus.PENDING)

    def lapsed(self) -> "UploadQuerySet":
        """Return uploads whose lease ran out before they finished."""
        return self.pending().filter(lease_expires_at__lt=Now())

    def unerased(self) -> "UploadQuerySet":
        """Return files that are closed, but not known to have no bytes left."""
        return self.filter(
            Q(status=UploadStatus.DELETING)
            | Q(status__in=[UploadStatus.LAPSED, UploadStatus.REJECTED], deleted_at__isnull=True)
        )

    def deleting(self) -> "UploadQuerySet":
        """Return files whose deletion began and has not been finished."""
        return self.filter(status=UploadStatus.DELETING)

    def past_retention(
        self, retention: timedelta | None = None, completed: timedelta | None = None
    ) -> "UploadQuerySet":
        """Return files of sessions that ended longer than their retention ago.

        None for as long after a restore as the retention is: until then the
        database may not know who has come back since its backup.
        """
        limit = settings.UPLOAD_RETENTION if retention is None else retention
        if StoreState.objects.filter(adopted_at__gt=Now() - limit).exists():
            return self.none()
        return self.filter(past_retention("session__", limit, completed), status__in=VISIBLE)

    def abandoned(self) -> "UploadQuerySet":
        """Return uploads whose writer has not renewed the lease for so long that it must be gone."""
        return self.filter(
            status=UploadStatus.PENDING,
            lease_expires_at__lt=Now() + settings.UPLOAD_LEASE - TAKEOVER_AFTER,
        )

    def uninspected(self) -> "UploadQuerySet":
        """Return stored files that nobody has looked into."""
        return self.filter(status=UploadStatus.STORED, inspection=Inspection.WAITING)

    def with_object(self) -> "UploadQuerySet":
        """Return files that may have an object."""
        return self.filter(status__in=WITH_OBJECT)

    def after(self, session_uuid: uuid.UUID, upload_id: uuid.UUID) -> "UploadQuerySet":
        """Return files whose keys follow that of the one given, in the order of keys."""
        return (
            self.filter(session_id__gte=session_uuid)
            .exclude(session_id=session_uuid, id__lte=upload_id)
            .order_by("session_id", "id")
        )


class UploadedFile(models.Model):
    """One file: the row stays as the record when the bytes are gone."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    session = models.ForeignKey(
        UserSession, on_delete=models.PROTECT, related_name="uploads", db_index=False
    )
    key = models.CharField("object key", max_length=120, unique=True, editable=False)
    name = models.CharField(
        max_length=255,
        blank=True,
        help_text="The visitor's own name for it; never part of the key. Empty once erased.",
    )
    retry_key = models.CharField(
        max_length=64,
        null=True,
        editable=False,
        help_text="The SHA-256 of the Idempotency-Key it was sent with.",
    )
    status = models.CharField(
        max_length=11, choices=UploadStatus.choices, default=UploadStatus.PENDING
    )
    size = models.PositiveBigIntegerField(help_text="Bytes that arrived.")
    content_type = models.CharField(max_length=100, help_text="As detected, not as claimed.")
    sha256 = models.CharField("SHA-256", max_length=64, blank=True)
    created_at = models.DateTimeField("began", default=timezone.now)
    lease_expires_at = models.DateTimeField(
        help_text="An upload that has not finished by then is given up."
    )
    stored_at = models.DateTimeField("stored", null=True)
    deleted_at = models.DateTimeField("deleted", null=True)
    delete_reason = models.CharField(max_length=20, blank=True)
    direct = models.BooleanField(
        "sent to storage directly",
        default=False,
        help_text="The browser sent the bytes to the store itself, and then said so.",
    )
    inspection = models.CharField(
        max_length=11,
        choices=Inspection.choices,
        default=Inspection.WAITING,
        help_text="What a look inside the file has found.",
    )
    inspected_at = models.DateTimeField("inspected", null=True)
    suspicions = models.JSONField(
        default=list, blank=True, help_text="What makes the file suspect or unreadable."
    )

    restored_from = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        editable=False,
        related_name="copies",
        db_index=False,
        help_text="The file of an earlier session whose bytes staff gave to this one.",
    )

    objects = UploadQuerySet.as_manager()

    class Meta:
        verbose_name = "file"
        ordering = ["-created_at"]
        default_permissions = ("view",)
        permissions = [
            ("quarantine_uploadedfile", "Can put files out of reach and give them back"),
            ("download_uploadedfile", "Can download files"),
            ("restore_uploadedfile", "Can give a file to the session that its visitor has now"),
        ]
        indexes = [
            models.Index(fields=["session", "id"], name="upload_session"),
            models.Index(fields=["-created_at"], name="upload_created"),
            # Staff's lists: each filter, and both, in the order of the list.
            models.Index(fields=["status", "-created_at", "-id"], name="upload_status"),
            models.Index(fields=["inspection", "-created_at", "-id"], name="upload_inspection"),
            models.Index(
                fields=["status", "inspection", "-created_at", "-id"], name="upload_verdict"
            ),
            models.Index(fields=["content_type", "-created_at", "-id"], name="upload_type"),
            models.Index(
                fields=["lease_expires_at"], name="upload_pending", condition=Q(status="pending")
            ),
            models.Index(fields=["id"], name="upload_deleting", condition=Q(status="deleting")),
            models.Index(
                fields=["stored_at"],
                name="upload_uninspected",
                condition=Q(inspection="waiting", status="stored"),
            ),
            models.Index(Folded("name"), name="upload_name", condition=Q(name__gt="")),
            models.Index(
                fields=["sha256", "-created_at"], name="upload_sha256", condition=Q(sha256__gt="")
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
    """Return every key under which bytes of a file may lie."""
    return [upload.key, incoming_key(upload.key)] if upload.direct else [upload.key]


class UploadQuota(models.Model):
    """How much a session holds. Changed by conditional updates only, so no race passes a limit."""

    session = models.OneToOneField(UserSession, on_delete=models.PROTECT, primary_key=True)
    files = models.PositiveIntegerField(default=0)
    bytes = models.PositiveBigIntegerField(default=0)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.files} files, {self.bytes} bytes"


class ErasureNote(models.Model):
    """An erased session whose UUID has yet to be noted in the store, for after a restore."""

    session_uuid = models.UUIDField(primary_key=True)
    recorded_at = models.DateTimeField(db_column="noted_at", null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.session_uuid)
