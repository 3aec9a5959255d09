"""The errors of uploads: status, code, and a sentence that says what to do.

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

    default_code: str
    session_uuid: uuid.UUID | None = None
    file_name = ""


class FileMissing(APIException):
    status_code = status.HTTP_400_BAD_REQUEST
    default_code = "file_missing"
    default_detail = (
        "No file was received. Send one in the multipart field “file”, with a readable name."
    )


class FileEmpty(APIException):
    status_code = status.HTTP_400_BAD_REQUEST
    default_code = "file_empty"
    default_detail = "This file is empty. Choose another file."


class LengthRequired(APIException):
    status_code = status.HTTP_411_LENGTH_REQUIRED
    default_code = "length_required"
    default_detail = "Send a Content-Length header. Chunked request bodies are not supported."


class FileTooLarge(FileRejected, APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "file_too_large"

    def __init__(self) -> None:
        super().__init__(
            f"This file is too large. The limit is {filesizeformat(settings.UPLOAD_MAX_BYTES)}."
        )
        self.extensions = {"max_file_bytes": settings.UPLOAD_MAX_BYTES}


class TypeNotAllowed(FileRejected, APIException):
    """The content and the name of a file do not match the same allowed type."""

    status_code = status.HTTP_415_UNSUPPORTED_MEDIA_TYPE
    default_code = "type_not_allowed"

    def __init__(self) -> None:
        names = [extension.upper() for extension in settings.UPLOAD_TYPES]
        super().__init__(
            "This file is not allowed. Its name and content must both be of an allowed type: "
            f"{', '.join(names)}."
        )
        self.extensions = {"types": settings.UPLOAD_TYPES}


class NameNotAllowed(FileRejected, APIException):
    """The extension of the name is allowed, the rest of it is not."""

    status_code = status.HTTP_400_BAD_REQUEST
    default_code = "name_not_allowed"
    default_detail = (
        "This file name is not allowed: it is empty, or has another extension before a semicolon. "
        "Rename the file, then upload it again."
    )


class QuotaExceeded(APIException):
    status_code = status.HTTP_409_CONFLICT
    default_code = "quota_exceeded"

    def __init__(
        self, session_uuid: uuid.UUID, file_name: str, has_open_form: bool = False
    ) -> None:
        advice = (
            "A direct upload that was cancelled or deleted counts until its form expires. "
            "Try again in a few minutes."
            if has_open_form
            else "Delete a file first."
        )
        super().__init__(
            f"A session can have at most {settings.UPLOAD_MAX_FILES} files and "
            f"{filesizeformat(settings.UPLOAD_MAX_TOTAL_BYTES)}. {advice}"
        )
        self.session_uuid, self.file_name = session_uuid, file_name


class RetryKeyReused(APIException):
    """The key was sent before with another file (draft-ietf-httpapi-idempotency-key-header)."""

    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    default_code = "idempotency_key_reused"
    default_detail = "This Idempotency-Key was used for another file. Use a new key for each file."


class UploadDeleted(APIException):
    """The key stored a file that was deleted since. Storing it again would undo the deletion."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "upload_deleted"
    default_detail = (
        "The file of this Idempotency-Key was deleted. Use a new key to upload it again."
    )


class UploadInProgress(APIException):
    status_code = status.HTTP_409_CONFLICT
    default_code = "upload_in_progress"
    default_detail = "This upload is still running. Retry after the time in Retry-After."
    wait = 5


class DirectUploadUnavailable(APIException):
    status_code = status.HTTP_501_NOT_IMPLEMENTED
    default_code = "direct_upload_unavailable"
    default_detail = "Direct uploads are not available on this server. Use POST /api/v1/uploads/."


class UploadIncomplete(APIException):
    status_code = status.HTTP_409_CONFLICT
    default_code = "upload_incomplete"
    default_detail = (
        "The store has not received the file yet. Send it to the store first, then retry."
    )
    wait = 2


class ContentMismatch(APIException):
    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    default_code = "content_mismatch"
    default_detail = "The received file does not have the announced size. Upload it again."


class LinkInvalid(ProofRefused, AuthenticationFailed):
    default_code = "link_invalid"
    default_detail = "This link has expired or is not valid for this file. Request a new link."


class StorageUnavailable(APIException):
    """The store failed; nothing was changed."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_code = "storage_unavailable"
    default_detail = (
        "Files are not available at the moment, and nothing was changed. Try again soon."
    )
    wait = 30


class DownloadBlocked(APIException):
    """The download is blocked: not inspected yet, not clean, or in quarantine."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "file_held_back"
    default_detail = "This file is blocked for safety. Contact support."

    def __init__(self, waiting: bool = False) -> None:
        if not waiting:
            super().__init__()
            return
        super().__init__("This file is being inspected. Try again in a minute.")
        self.wait = 60


class ObjectMissing(APIException):
    """The upload has a row, but its object is absent."""

    status_code = status.HTTP_404_NOT_FOUND
    default_code = "object_missing"
    default_detail = "The content of this file cannot be found. Contact support."
