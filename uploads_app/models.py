"""A visitor's files, how many a session holds, and what the cleanup did."""

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
from uploads_app.storage.base import PREFIX, incoming_key


class UploadStatus(models.TextChoices):
    """Where a file is in its life; see docs/plan.md for who moves it."""

    PENDING = "pending"
    STORED = "stored"
    MISSING = "missing"
    DELETING = "deleting"
    DELETED = "deleted"
    LAPSED = "lapsed"
    REJECTED = "rejected"
    QUARANTINED = "quarantined"


class Inspection(models.TextChoices):
    """What a look inside a stored file has found; see uploads_app/inspection/sandbox.py."""

    WAITING = "waiting"
    CLEAN = "clean"
    SUSPECT = "suspect"
    UNREADABLE = "unreadable"
    UNSUPPORTED = "unsupported", "not looked into"


class Suspicion(models.TextChoices):
    """What makes a file suspect or unreadable, in words that follow “the file”."""

    JAVASCRIPT = "javascript", "runs a script"
    OPENS_FILES = "opens_files", "starts a program or opens another file"
    SENDS_DATA = "sends_data", "sends what is typed into it, or reads it from a file"
    EMBEDDED_FILE = "embedded_file", "carries other files"
    MULTIMEDIA = "multimedia", "plays sound, film or 3D"
    DYNAMIC_FORM = "dynamic_form", "is a form that builds itself (XFA)"
    ODD_LINK = "odd_link", "has a link that leads neither to the web nor to mail"
    ENCRYPTED = "encrypted", "is encrypted, so nobody has looked inside"
    MALFORMED = "malformed", "is not a sound PDF"
    TOO_EXPENSIVE = "too_expensive", "takes too much time or memory to read"


# A file in one of these takes part of its session's quota.
IN_QUOTA = (
    UploadStatus.PENDING,
    UploadStatus.STORED,
    UploadStatus.MISSING,
    UploadStatus.QUARANTINED,
)
# A file in one of these may have an object; in the others it must have none.
WITH_OBJECT = (*IN_QUOTA, UploadStatus.DELETING)
# A writer renews its lease far more often than this; a retry takes over from one that does not.
TAKEOVER_AFTER = timedelta(seconds=30)
# How much of a key is kept of what is no file of ours.
KEY_LENGTH = 500
# What a visitor is shown and may delete, whether or not it can be downloaded just now.
VISIBLE = (UploadStatus.STORED, UploadStatus.MISSING, UploadStatus.QUARANTINED)


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

    def lapsed(self) -> "UploadQuerySet":
        """Return uploads whose lease ran out before they finished."""
        return self.filter(status=UploadStatus.PENDING, lease_expires_at__lt=Now())

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


def object_key(session_uuid: uuid.UUID, upload_id: uuid.UUID, extension: str) -> str:
    """Return the final, never reused key of a file: `uploads/{session uuid}/{upload uuid}.{ext}`."""
    return f"{PREFIX}/{session_uuid}/{upload_id}.{extension}"


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


class RunStatus(models.TextChoices):
    """How a cleanup run went."""

    RUNNING = "running"
    COMPLETED = "completed"
    STOPPED = "stopped"
    SKIPPED = "skipped"


class CleanupRun(models.Model):
    """One run of the cleanup: what it found, what it did, or why it stopped."""

    started_at = models.DateTimeField("started", default=timezone.now)
    finished_at = models.DateTimeField("finished", null=True)
    status = models.CharField(max_length=9, choices=RunStatus.choices, default=RunStatus.RUNNING)
    dry_run = models.BooleanField("dry run", default=False)
    actor = models.CharField("run by", max_length=150)
    grace = models.DurationField(help_text="Objects younger than this were left alone.")
    limit = models.PositiveIntegerField(help_text="At most this many removals.")
    generation = models.PositiveBigIntegerField(
        null=True, help_text="How many runs this store and this database had seen."
    )
    objects_seen = models.PositiveBigIntegerField(default=0)
    rows_seen = models.PositiveBigIntegerField(default=0)
    removed = models.PositiveBigIntegerField(default=0)
    bytes_removed = models.PositiveBigIntegerField(default=0)
    quarantined = models.PositiveBigIntegerField(
        default=0, help_text="Objects without a row that were put aside."
    )
    purged = models.PositiveBigIntegerField(
        default=0, help_text="Objects whose time in quarantine was over."
    )
    errors = models.PositiveBigIntegerField(default=0)
    allow_share = models.FloatField(
        "share allowed",
        null=True,
        help_text="What share of files a person let be on one side only, in this run.",
    )
    continued = models.BooleanField(
        default=False, help_text="It went on where the run before had to end, or the next one does."
    )
    findings = models.JSONField(default=dict, help_text="How many of each kind were found.")
    sample = models.JSONField(default=list, help_text="The first findings, one by one.")
    stop_code = models.CharField(max_length=40, blank=True)
    stop_sentence = models.TextField("why it stopped", blank=True)

    class Meta:
        verbose_name = "cleanup run"
        ordering = ["-id"]
        default_permissions = ("view",)
        permissions = [
            ("preview_cleanup", "Can run the cleanup dry"),
            ("run_cleanup", "Can run the cleanup"),
        ]
        indexes = [
            models.Index(fields=["status", "-finished_at"], name="cleanup_status"),
            models.Index(fields=["status", "-id"], name="cleanup_runs_by_status"),
            models.Index(fields=["-id"], name="cleanup_dry_runs", condition=Q(dry_run=True)),
        ]

    def __str__(self) -> str:
        began = timezone.localtime(self.started_at)
        return f"{'dry run' if self.dry_run else 'run'} of {began:%Y-%m-%d %H:%M:%S}"

    @property
    def seconds(self) -> float:
        """How long the run took, or has taken until now."""
        return ((self.finished_at or timezone.now()) - self.started_at).total_seconds()

    @property
    def rate(self) -> float:
        """How many objects and files a second were looked at."""
        return round((self.objects_seen + self.rows_seen) / max(self.seconds, 0.001), 1)

    @property
    def exit_code(self) -> int:
        """What the command exits with: 0 well or skipped, 1 some keys failed, 3 stopped."""
        if self.status == RunStatus.STOPPED:
            return 3
        return 1 if self.errors else 0


class StoreState(models.Model):
    """The database's half of the deployment marker, and the lease of the run that is under way.

    There is one row. `generation` counts cleanup runs; the store holds the
    same pair, one run behind at most.
    """

    SINGLETON = 1

    singleton = models.PositiveSmallIntegerField(primary_key=True, default=SINGLETON)
    marker_id = models.UUIDField(default=uuid.uuid4)
    generation = models.PositiveBigIntegerField(default=0)
    lease_holder = models.CharField(max_length=64, blank=True)
    lease_expires_at = models.DateTimeField(null=True)
    # Since when this database is a restored one; it may not know who has come back since its backup.
    adopted_at = models.DateTimeField(null=True)
    # A look through the store that no single run could finish: how far it came, and what it saw.
    scan_id = models.UUIDField(db_column="look_id", default=uuid.uuid4)
    scan_after = models.CharField(db_column="look_after", max_length=120, blank=True)
    scanned_objects = models.PositiveBigIntegerField(db_column="look_objects", default=0)
    scanned_rows = models.PositiveBigIntegerField(db_column="look_rows", default=0)
    # The alarm that administrators were told of: since when, and of what.
    alert_since = models.DateTimeField(db_column="alarm_since", null=True)
    alert_code = models.CharField(db_column="alarm_code", max_length=40, blank=True)

    class Meta:
        default_permissions = ()
        constraints = [models.CheckConstraint(condition=Q(singleton=1), name="store_state_single")]

    def __str__(self) -> str:
        return f"{self.marker_id} at generation {self.generation}"


class Finding(models.Model):
    """One thing that the cleanup found. A scan stores its findings until a run applies them.

    The scan of a large store takes several runs, and a run may conclude nothing
    from part of a scan.
    """

    scan_id = models.UUIDField(db_column="look_id")
    kind = models.CharField(max_length=40)
    key = models.CharField(max_length=KEY_LENGTH)
    size = models.PositiveBigIntegerField(default=0)

    class Meta:
        db_table = "uploads_app_anomaly"
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["scan_id", "key"], name="anomaly_once_per_look")
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.label}"

    @property
    def label(self) -> str:
        """The key, printable on one line whatever bytes a file name has."""
        return printable(self.key)

    def as_dict(self) -> dict[str, str | int]:
        """Return the finding as `--json` prints it and a run's sample stores it."""
        return {"kind": str(self.kind), "key": self.label, "size": self.size}


def printable(key: str) -> str:
    """Return a key as it can be printed and stored."""
    return key if key.isprintable() else key.encode("unicode_escape").decode()


class TrashStatus(models.TextChoices):
    """Where an object in quarantine is; those in -ing are finished by the next run after a crash."""

    QUARANTINING = "quarantining"
    QUARANTINED = "quarantined"
    RESTORING = "restoring"
    RESTORED = "restored"
    PURGING = "purging"
    PURGED = "purged"


class TrashQuerySet(models.QuerySet["QuarantinedObject"]):
    """Which objects in quarantine there are, by the database's clock."""

    def cut_off(self) -> "TrashQuerySet":
        """Return those whose move or removal began and has not been finished."""
        unfinished = ("quarantining", "restoring", "purging")
        return self.filter(status__in=unfinished)

    def past_retention(self, retention: timedelta) -> "TrashQuerySet":
        """Return those that have been kept for long enough."""
        return self.filter(status=TrashStatus.QUARANTINED, quarantined_at__lt=Now() - retention)

    def kept_in_trash(self) -> "TrashQuerySet":
        """Return those whose bytes may lie in quarantine."""
        finished = [TrashStatus.RESTORED, TrashStatus.PURGED]
        return self.filter(in_trash=True).exclude(status__in=finished)


class QuarantinedObject(models.Model):
    """An object that no live row explains: put aside, restorable, and purged when its time is over.

    What arrived under the key of a closed file is purged at once; its row here
    says so, because no other remembers that there was an object.
    """

    key = models.CharField("object key", max_length=120, unique=True)
    size = models.PositiveBigIntegerField()
    modified_at = models.DateTimeField("last written")
    status = models.CharField(
        max_length=12, choices=TrashStatus.choices, default=TrashStatus.QUARANTINING
    )
    in_trash = models.BooleanField(
        "in quarantine",
        db_column="put_aside",
        default=True,
        help_text="Its bytes lie, or lay, in quarantine.",
    )
    reason = models.CharField(max_length=20, blank=True)
    quarantined_at = models.DateTimeField("put aside", default=timezone.now)
    changed_at = models.DateTimeField("last change", default=timezone.now)

    objects = TrashQuerySet.as_manager()

    class Meta:
        verbose_name = "object in quarantine"
        verbose_name_plural = "quarantine"
        ordering = ["-quarantined_at", "-id"]
        default_permissions = ("view",)
        permissions = [("restore_quarantinedobject", "Can restore objects from quarantine")]
        indexes = [
            models.Index(fields=["status", "quarantined_at"], name="quarantine_status"),
            models.Index(fields=["-quarantined_at", "-id"], name="quarantine_latest"),
            models.Index(fields=["reason", "-quarantined_at", "-id"], name="quarantine_reason"),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def is_leaving(self) -> bool:
        """Whether what lies at the key is being put aside or removed."""
        return self.status in (TrashStatus.QUARANTINING, TrashStatus.PURGING)

    @property
    def is_given_back(self) -> bool:
        """Whether what lies at the key was brought back by a person, if only by a copy by hand."""
        return not self.is_leaving and self.status != TrashStatus.PURGED


class ErasureNote(models.Model):
    """An erased session whose UUID has yet to be noted in the store, for after a restore."""

    session_uuid = models.UUIDField(primary_key=True)
    recorded_at = models.DateTimeField(db_column="noted_at", null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.session_uuid)
