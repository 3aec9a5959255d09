"""The states of an upload and the verdicts of its inspection."""

from django.db import models


class UploadStatus(models.TextChoices):
    """The life of an upload; docs/plan.md has the transitions."""

    PENDING = "pending"
    STORED = "stored"
    MISSING = "missing"
    DELETING = "deleting"
    DELETED = "deleted"
    LAPSED = "lapsed"
    REJECTED = "rejected"
    QUARANTINED = "quarantined"


class Inspection(models.TextChoices):
    """The verdict of the inspection; see uploads_app/inspection/sandbox.py."""

    WAITING = "waiting"
    CLEAN = "clean"
    SUSPECT = "suspect"
    UNREADABLE = "unreadable"
    UNSUPPORTED = "unsupported", "not inspected"


class Suspicion(models.TextChoices):
    """Why a file is suspect or unreadable; the labels follow the words “the file”."""

    JAVASCRIPT = "javascript", "runs a script"
    OPENS_FILES = "opens_files", "starts a program or opens another file"
    OPENS_ADDRESS = "opens_address", "opens a web page without a click"
    SENDS_DATA = "sends_data", "is a form that sends its data, or imports data from a file"
    EMBEDDED_FILE = "embedded_file", "contains other files"
    MULTIMEDIA = "multimedia", "plays sound, film or 3D"
    DYNAMIC_FORM = "dynamic_form", "contains a dynamic form (XFA)"
    ODD_LINK = "odd_link", "has a link that is neither a web nor an e-mail address"
    ENCRYPTED = "encrypted", "is encrypted and cannot be inspected"
    MALFORMED = "malformed", "is not a valid PDF"
    TOO_EXPENSIVE = "too_expensive", "takes too much time or memory to read"


# Uploads in these states count against the quota, and claim the object at their key.
IN_QUOTA = (
    UploadStatus.PENDING,
    UploadStatus.STORED,
    UploadStatus.MISSING,
    UploadStatus.QUARANTINED,
)


# Uploads in these states may have an object; in the others they must not.
WITH_OBJECT = (*IN_QUOTA, UploadStatus.DELETING)


# Uploads in these states are visible to their visitor, who can delete them.
VISIBLE = (UploadStatus.STORED, UploadStatus.MISSING, UploadStatus.QUARANTINED)
