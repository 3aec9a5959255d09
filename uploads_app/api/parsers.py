"""Receive a file: count its bytes, because Django sets no limit, and delete it if it is incomplete."""

from collections.abc import Mapping
from contextlib import suppress
from typing import IO, Any, cast

from django.conf import settings
from django.core.files.uploadhandler import FileUploadHandler, TemporaryFileUploadHandler
from django.http import UnreadablePostError
from django.http.multipartparser import MultiPartParser as FormParser
from django.http.multipartparser import MultiPartParserError
from rest_framework.exceptions import ParseError
from rest_framework.parsers import (  # type: ignore[attr-defined]
    DataAndFiles,
    MultiPartParser,
    get_encoding,
)

from common.text import form_file_name
from uploads_app.exceptions import FileTooLarge, StorageUnavailable
from uploads_app.inspection.file_types import clean_name
from uploads_app.storage.spool import SpooledFile

# What multipart adds to one file: boundaries, headers, a long name.
FRAMING_BYTES = 64 * 1024


class SpoolHandler(TemporaryFileUploadHandler):
    """Write a file of any size to the spool.

    A body is refused by its declared length before it is read, and a file while it arrives.
    """

    # A piece costs about 40 calls, whatever its size.
    chunk_size = 1024 * 1024
    file: SpooledFile

    def handle_raw_input(self, input_data: Any, META: Any, content_length: int, *_: Any) -> None:  # noqa: N803
        if content_length > settings.UPLOAD_MAX_BYTES + FRAMING_BYTES:
            raise FileTooLarge

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        FileUploadHandler.new_file(self, *args, **kwargs)  # Django's would open another file
        self.file = SpooledFile(self.file_name)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if start + len(raw_data) > settings.UPLOAD_MAX_BYTES:
            raise FileTooLarge
        self.file.add(raw_data)


class FileNameParser(FormParser):
    """A form parser that keeps file names. Django's removes joiners and new characters."""

    def sanitize_file_name(self, file_name: str) -> str | None:
        name = clean_name(form_file_name(file_name))
        return None if name in ("", ".", "..") else name


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
        assert parser_context is not None
        request = parser_context["request"]
        meta = {**request.META, "CONTENT_TYPE": media_type}
        encoding = get_encoding(parser_context)
        try:
            form = FileNameParser(meta, cast(Any, stream), request.upload_handlers, encoding)
            return DataAndFiles(*form.parse())
        except Exception as error:
            _discard(request.upload_handlers)
            if isinstance(error, MultiPartParserError):
                raise ParseError from error
            if isinstance(error, OSError) and not isinstance(error, UnreadablePostError):
                raise StorageUnavailable from error
            raise


def _discard(handlers: list[FileUploadHandler]) -> None:
    """Close partial files. Django would keep their temporary files until garbage collection."""
    for handler in handlers:
        if file := getattr(handler, "file", None):
            with suppress(OSError):  # a full disk also fails when closing
                file.close()
