"""Receive a file: count its bytes, because Django sets no limit, and delete it if it is incomplete."""

from collections.abc import Mapping
from contextlib import suppress
from typing import IO, Any

from django.conf import settings
from django.core.files.uploadhandler import FileUploadHandler
from django.http import UnreadablePostError
from rest_framework.parsers import DataAndFiles, MultiPartParser

from uploads_app.exceptions import FileTooLarge, StorageUnavailable

# What multipart adds to one file: boundaries, headers, a long name.
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


class UploadParser(MultiPartParser):
    """A multipart parser that deletes a file that it could not read to its end.

    Raises StorageUnavailable if the disk cannot store the body.
    """

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> "DataAndFiles[Any, Any]":
        try:
            return super().parse(stream, media_type, parser_context)
        except Exception as error:
            assert parser_context is not None
            _discard(parser_context["request"].upload_handlers)
            if isinstance(error, OSError) and not isinstance(error, UnreadablePostError):
                raise StorageUnavailable from error
            raise


def _discard(handlers: list[FileUploadHandler]) -> None:
    """Close partial files. Django would keep their temporary files until garbage collection."""
    for handler in handlers:
        if file := getattr(handler, "file", None):
            with suppress(OSError):  # a full disk also fails when closing
                file.close()
