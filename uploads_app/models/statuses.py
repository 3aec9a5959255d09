"""The states of an upload and the verdicts of its inspection."""

from django.db import models


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


# What a visitor is shown and may delete, whether or not it can be downloaded just now.
VISIBLE = (UploadStatus.STORED, UploadStatus.MISSING, UploadStatus.QUARANTINED)
