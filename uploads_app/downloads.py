"""The response with a stored file: always an attachment that browsers do not run."""

from django.http import FileResponse

from uploads_app.models import UploadedFile
from uploads_app.services.download import open_upload

DOWNLOAD_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, no-store",
}


def attachment(upload: UploadedFile) -> FileResponse:
    """Return a file as an attachment; raises DownloadBlocked, ObjectMissing or StorageUnavailable."""
    return FileResponse(
        open_upload(upload=upload),
        as_attachment=True,
        filename=upload.name,
        content_type=upload.content_type,
        headers=DOWNLOAD_HEADERS,
    )
