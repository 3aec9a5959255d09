"""Exports of sessions for staff: the visitor's own JSON document, or a ZIP with the files."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, Any

from django import forms
from django.core.files import File
from django.db import transaction
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework.exceptions import APIException
from zipstream import ZIP_DEFLATED, ZipStream

from audit_app.adminkit.actions import Action, ActionRequest, NotDone
from audit_app.adminkit.reasons import ReasonForm
from common.json_stream import stream_json
from common.text import showable
from sessions_app.models import SessionStatus, UserSession
from sessions_app.services import privacy
from uploads_app.exceptions import StorageUnavailable
from uploads_app.models import UploadedFile
from uploads_app.services.download import open_upload

# Twice this, the number before it and the folder are less than a file system allows.
_NAME_BYTES = 100
# Windows turns some of these into a slash, a backslash or a quote, depending on its code page.
_LIKE_SEPARATORS = "\u00a5\u20a9\u2044\u2215\u2216\u29f5\u29f8\u29f9\ufe68\uff02\uff07\uff0f\uff3c"

Parts = Iterator[tuple[str, Any]]


class NotAsStored(Exception):
    """The object in the store does not match the stored SHA-256."""


@dataclass(frozen=True)
class Member:
    """One file of an archive. A known size (in bytes) saves small files the ZIP64 format."""

    name: str
    chunks: Iterable[bytes]
    size: int | None = None


class SessionExportForm(ReasonForm):
    file_format = forms.ChoiceField(
        label="Format",
        choices=[
            ("zip", "ZIP: the JSON document, the files and a plain-text index"),
            ("json", "JSON document only, the same as the visitor's own export"),
        ],
        widget=forms.RadioSelect,
        initial="zip",
    )


def export_session(session: UserSession, action_request: ActionRequest) -> HttpResponseBase:
    """Return one session in the chosen format; raises NotDone if it is erased."""
    if session.status == SessionStatus.ERASED:
        raise NotDone("This session is erased. There is nothing to export.")
    if action_request.values["file_format"] == "zip":
        return zipped([session], name=session.support_code, reason=action_request.reason)
    parts = privacy.export_session(session=session, reason=action_request.reason)
    return _attachment(
        (text.encode() for text in stream_json(parts)),
        "application/json",
        f"maria-{session.support_code}.json",
    )


EXPORT = Action(
    name="export",
    permission="sessions_app.export_usersession",
    title="Export",
    explanation="Everything stored about this session, unmasked, as a file for its visitor. The "
    "export and your reason are recorded in the audit log and in the visitor's own history. Send "
    "the file only to the visitor, by a channel that you trust, and delete your copy.",
    button="Download the export",
    fits=lambda session: session.status != SessionStatus.ERASED,
    act=export_session,
    state=lambda _: "",
    form=SessionExportForm,
)


def zipped(sessions: Sequence[UserSession], *, name: str, reason: str) -> HttpResponseBase:
    """Record the export of each session and return one streamed ZIP of them all."""
    # Record before streaming: by then the request context has ended.
    with transaction.atomic():
        exports = [
            (session, privacy.export_session(session=session, file_format="zip", reason=reason))
            for session in sessions
        ]
    return _attachment(_archive(_members(exports)), "application/zip", f"maria-{name}.zip")


def zipped_files(
    files: Iterable[UploadedFile], *, name: str, left_out: Sequence[str] = ()
) -> HttpResponseBase:
    """Return files as one streamed ZIP, by session. The caller has recorded the downloads."""
    index = _Index([_headline(), *(f"LEFT OUT: {one}" for one in left_out)])
    members = _with_index(_members_by_session(files, index), index)
    return _attachment(_archive(members), "application/zip", f"maria-{name}.zip")


def _attachment(
    content: Iterator[bytes], content_type: str, file_name: str
) -> StreamingHttpResponse:
    return StreamingHttpResponse(
        content,
        content_type=content_type,
        headers={"Content-Disposition": f'attachment; filename="{file_name}"'},
    )


@dataclass
class _Index:
    """The lines of `index.txt`, and whether the store has answered so far."""

    lines: list[str]
    store_answers: bool = True


def _members(exports: Sequence[tuple[UserSession, Parts]]) -> Iterator[Member]:
    """Yield each session's document and files in its own folder, then the index."""
    index = _Index([_headline()])
    return _with_index(_session_members(exports, index), index)


def _headline() -> str:
    return f"Exported from Maria at {timezone.now():%Y-%m-%d %H:%M} UTC."


def _with_index(members: Iterator[Member], index: _Index) -> Iterator[Member]:
    yield from members
    yield Member("index.txt", ["\n".join([*index.lines, ""]).encode()])


def _session_members(
    exports: Sequence[tuple[UserSession, Parts]], index: _Index
) -> Iterator[Member]:
    for session, parts in exports:
        folder = session.support_code
        index.lines += ["", f"{folder}/", "  session.json: everything stored about this session"]
        yield Member(f"{folder}/session.json", map(str.encode, stream_json(parts)))
        files = UploadedFile.objects.visible_to(session).order_by("created_at", "id")
        yield from _file_members(files, folder, index)


def _members_by_session(files: Iterable[UploadedFile], index: _Index) -> Iterator[Member]:
    """Yield files in the folders of their sessions."""
    folders: dict[str, list[UploadedFile]] = {}
    for upload in files:
        folders.setdefault(upload.session.support_code, []).append(upload)
    for folder, members in folders.items():
        index.lines += ["", f"{folder}/"]
        yield from _file_members(members, folder, index)


def _file_members(files: Iterable[UploadedFile], folder: str, index: _Index) -> Iterator[Member]:
    """Yield files. The index lists each file that cannot be added, and why."""
    for number, upload in enumerate(files, 1):
        name = f"files/{number:03}-{safe_name(upload.name)}"
        try:
            content = _open_whole(upload, index)
        except (APIException, NotAsStored) as error:
            index.lines.append(f"  MISSING: {name}: {error} (file {upload.pk}, {upload.status})")
        else:
            index.lines.append(f"  {name}: {upload.size} bytes, SHA-256 {upload.sha256}")
            with content:
                yield Member(f"{folder}/{name}", File(content).chunks(), upload.size)


def _open_whole(upload: UploadedFile, index: _Index) -> IO[bytes]:
    """Open a file after one full read has matched its SHA-256.

    So the archive contains a file completely or not at all. After the store has
    failed once, later files fail at once, because each wait may be long.
    """
    try:
        if not index.store_answers:
            raise StorageUnavailable
        content = open_upload(upload=upload)
        with ExitStack() as on_error:
            on_error.callback(content.close)
            _require_match(content, upload)
            on_error.pop_all()
    except StorageUnavailable:
        index.store_answers = False
        raise
    return content


def _require_match(content: IO[bytes], upload: UploadedFile) -> None:
    try:
        digest = hashlib.file_digest(content, "sha256")  # type: ignore[arg-type]
        content.seek(0)
    except OSError as error:
        raise StorageUnavailable from error
    if digest.hexdigest() != upload.sha256:
        raise NotAsStored("The content in the store does not match the stored SHA-256.")


def safe_name(name: str) -> str:
    """Return a visitor's file name that is safe to unpack on every file system.

    Of ASCII it has letters, digits and a few harmless characters. The number that
    callers put before it makes it unique and keeps it from being a device name.
    """
    plain = re.sub(rf"(?![\w .()+,-])[\0-\x7f{_LIKE_SEPARATORS}]", "_", showable(name))
    stem, dot, extension = plain.rpartition(".")
    return f"{_shorten(stem)}{dot}{_shorten(extension)}".rstrip(". ") or "file"


def _shorten(text: str) -> str:
    return text.encode()[:_NAME_BYTES].decode(errors="ignore")


def _archive(members: Iterator[Member]) -> Iterator[bytes]:
    """Compress the members one after another; memory holds one chunk and the names.

    Empty chunks are dropped: in chunked transfer encoding one would end the response.
    """
    archive = ZipStream(compress_type=ZIP_DEFLATED)
    for member in members:
        archive.add(member.chunks, member.name, size=member.size)
        yield from filter(None, archive.file())
    yield from archive.footer()
