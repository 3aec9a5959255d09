"""Errors of files: status, code, and a sentence that says what to do.

They carry plain facts. maria_project/refusals.py decides which are recorded in the audit log.
"""

import uuid

from django.conf import settings
from django.template.defaultfilters import filesizeformat
from rest_framework import status
from rest_framework.exceptions import APIException, AuthenticationFailed

from sessions_app.exceptions import ProofRefused


class FileRejected:
    """Facts about a refused file, set where its session is known; only then is it recorded."""

    session_uuid: uuid.UUID | None = None
    file_name = ""


class FileMissing(APIException):
    status_code = status.HTTP_400_BAD_REQUEST
    default_code = "file_missing"
    default_detail = (
        "No file arrived: send one in the multipart field “file”, with a readable name."
    )


class FileEmpty(APIException):
    status_code = status.HTTP_400_BAD_REQUEST
    default_code = "file_empty"
    default_detail = "That file is empty. Was it still being written when you chose it?"


class LengthRequired(APIException):
    status_code = status.HTTP_411_LENGTH_REQUIRED
    default_code = "length_required"
    default_detail = "Send a Content-Length: chunked bodies are not supported."


class FileTooLarge(FileRejected, APIException):
    """More bytes than one file may have."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "file_too_large"

    def __init__(self) -> None:
        super().__init__(
            f"That file is too large: at most {filesizeformat(settings.UPLOAD_MAX_BYTES)} "
            "can be sent."
        )
        self.extensions = {"max_file_bytes": settings.UPLOAD_MAX_BYTES}


class TypeNotAllowed(FileRejected, APIException):
    """The file's bytes and name do not agree on an allowed type."""

    status_code = status.HTTP_415_UNSUPPORTED_MEDIA_TYPE
    default_code = "type_not_allowed"

    def __init__(self) -> None:
        names = [extension.upper() for extension in settings.UPLOAD_TYPES]
        agreed = f"both be {names[0]}" if len(names) == 1 else f"agree on one of {', '.join(names)}"
        super().__init__(f"That file cannot be taken: its content and its name must {agreed}.")
        self.extensions = {"types": settings.UPLOAD_TYPES}


class QuotaExceeded(APIException):
    """The session holds as many files or bytes as it may."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "quota_exceeded"

    def __init__(self, session_uuid: uuid.UUID, file_name: str) -> None:
        super().__init__(
            f"A session holds at most {settings.UPLOAD_MAX_FILES} files and "
            f"{filesizeformat(settings.UPLOAD_MAX_TOTAL_BYTES)}: delete a file first."
        )
        self.session_uuid, self.file_name = session_uuid, file_name


class RetryKeyMalformed(APIException):
    status_code = status.HTTP_400_BAD_REQUEST
    default_code = "idempotency_key_malformed"
    default_detail = (
        "An Idempotency-Key is 1 to 128 visible ASCII characters: a random UUID is a good one."
    )


class RetryKeyReused(APIException):
    """The key came before, with another file (draft-ietf-httpapi-idempotency-key-header)."""

    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    default_code = "idempotency_key_reused"
    default_detail = "This Idempotency-Key was sent with another file: use a new key for each file."


class UploadInProgress(APIException):
    """The first request with this key has not finished."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "upload_in_progress"
    default_detail = "This upload is still running: ask again as soon as Retry-After says."
    wait = 5


class DirectUploadUnavailable(APIException):
    """This deployment's store takes no files from browsers."""

    status_code = status.HTTP_501_NOT_IMPLEMENTED
    default_code = "direct_upload_unavailable"
    default_detail = "Files are not sent to storage directly here: use POST /api/v1/uploads/."


class UploadIncomplete(APIException):
    """The store has nothing yet of a direct upload."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "upload_incomplete"
    default_detail = "The file has not arrived in storage yet: send it there first, then ask again."
    wait = 2


class ContentMismatch(APIException):
    """What arrived is not as long as was said when the direct upload began."""

    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    default_code = "content_mismatch"
    default_detail = "What arrived in storage is not the file that was announced: send it again."


class LinkInvalid(ProofRefused, AuthenticationFailed):
    default_code = "link_invalid"
    default_detail = "This link is over or is for something else: ask for a new one."


class StorageUnavailable(APIException):
    """Storage did not take or give the bytes; nothing was changed."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_code = "storage_unavailable"
    default_detail = "Storage is not available just now, and nothing was changed: try again soon."
    wait = 30


class DownloadBlocked(APIException):
    """Nobody may have the file's bytes: not looked into yet, something found, or in quarantine."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "file_held_back"
    default_detail = "This file is held back for safety. Support can look into it."

    def __init__(self, waiting: bool = False) -> None:
        if not waiting:
            super().__init__()
            return
        super().__init__("This file is being looked into: try again in a minute.")
        self.wait = 60


class ObjectMissing(APIException):
    """The file's row is there but its bytes are gone."""

    status_code = status.HTTP_404_NOT_FOUND
    default_code = "object_missing"
    default_detail = "This file's content cannot be found. Support can look into it."
