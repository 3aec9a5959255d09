"""Counting upload handler: Django itself sets no upper limit to a file."""

from typing import Any

from django.conf import settings
from django.core.files.uploadhandler import FileUploadHandler

from uploads_app.exceptions import FileTooLarge

# What multipart adds around one file: boundaries, headers, a long name.
FRAMING_BYTES = 64 * 1024


class SizeLimitHandler(FileUploadHandler):
    """Refuse a body by its declared length before reading it, and a file while it arrives."""

    def handle_raw_input(self, input_data: Any, META: Any, content_length: int, *_: Any) -> None:  # noqa: N803
        if content_length > settings.UPLOAD_MAX_BYTES + FRAMING_BYTES:
            raise FileTooLarge

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        if start + len(raw_data) > settings.UPLOAD_MAX_BYTES:
            raise FileTooLarge
        return raw_data

    def file_complete(self, file_size: int) -> None:
        return None
