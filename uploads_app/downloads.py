"""The response with a stored file: always an attachment that browsers do not run."""

from django.http import FileResponse, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header

from uploads_app.models import UploadedFile
from uploads_app.services.download import is_sent_by_proxy, open_upload

# The location of the proxy that reads the store. docs/operations.md has it.
_INTERNAL = "/stored-files/"
DOWNLOAD_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, no-store",
}


class StreamedFile(FileResponse):
    """A file in pieces as large as a web server takes well. Django's have 4 KiB."""

    block_size = 256 * 1024


def attachment(upload: UploadedFile) -> HttpResponseBase:
    """Return a file as an attachment, or the answer that lets the proxy send it.

    Raises DownloadBlocked, ObjectMissing or StorageUnavailable.
    """
    if is_sent_by_proxy(upload=upload):
        return _answer_to_proxy(upload)
    return StreamedFile(
        open_upload(upload=upload),
        as_attachment=True,
        filename=upload.name,
        content_type=upload.content_type,
        headers=DOWNLOAD_HEADERS,
    )


def _answer_to_proxy(upload: UploadedFile) -> HttpResponse:
    disposition = content_disposition_header(True, upload.name) or ""
    return HttpResponse(
        content_type=upload.content_type,
        headers={
            **DOWNLOAD_HEADERS,
            "Content-Disposition": disposition,
            "X-Accel-Redirect": f"{_INTERNAL}{upload.key}",
        },
    )
