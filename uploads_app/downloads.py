"""How a stored file is answered to a browser: as an attachment, never to be run."""

from django.http import FileResponse

from uploads_app.models import UploadedFile
from uploads_app.services.download import open_upload

# A file is handed out as bytes to be kept, never as a page to be run.
DOWNLOAD_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, no-store",
}


def attachment(upload: UploadedFile) -> FileResponse:
    """Return a file's bytes, to be kept under its own name and never to be run.

    Raises FileHeldBack, ObjectMissing or StorageUnavailable.
    """
    return FileResponse(
        open_upload(upload=upload),
        as_attachment=True,
        filename=upload.name,
        content_type=upload.content_type,
        headers=DOWNLOAD_HEADERS,
    )
