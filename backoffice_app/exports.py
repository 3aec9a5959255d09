"""What is held about sessions, taken out by staff: the visitor's own JSON, or a ZIP with the files.

Sessions and files are of two apps, which here, above them, are joined.
"""

import hashlib
import re
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from io import RawIOBase
from typing import IO, Any

from django import forms
from django.core.files import File
from django.db import transaction
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework.exceptions import APIException

from audit_app.adminkit.actions import Action, ActionRequest, NotDone
from audit_app.adminkit.reasons import ReasonForm
from common.json_stream import stream_json
from sessions_app.models import SessionStatus, UserSession
from sessions_app.services import privacy
from uploads_app import services
from uploads_app.exceptions import StorageUnavailable
from uploads_app.models import UploadedFile

EXPORT_PRESETS = ("The visitor asked for it", "A guardian or lawyer asked for it")
_NAME_LENGTH = 80

Parts = Iterator[tuple[str, Any]]


class NotAsStored(Exception):
    """A file's bytes in storage are not those that were stored."""


@dataclass(frozen=True)
class Member:
    """A file to be in an archive: under which name, and its bytes."""

    name: str
    chunks: Iterable[bytes]


class SessionExportForm(ReasonForm):
    """As what, and why."""

    file_format = forms.ChoiceField(
        label="As",
        choices=[
            ("zip", "a ZIP: the JSON document, the files, and an index in plain text"),
            ("json", "the JSON document alone, as the visitor can have it"),
        ],
        widget=forms.RadioSelect,
        initial="zip",
    )


def export_session(session: UserSession, action_request: ActionRequest) -> HttpResponseBase:
    """Hand out one session as the form asks; raises NotDone if nothing is left of it."""
    if session.status == SessionStatus.ERASED:
        raise NotDone("This session is erased: there is nothing to export.")
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
    explanation="Everything held about this session, in clear, as a file for its visitor. That it "
    "was handed out, and why, stands in the audit log and in the visitor's own history. Send it only "
    "to whom it belongs, by a way that you trust, and delete your copy.",
    button="Download the export",
    fits=lambda session: session.status != SessionStatus.ERASED,
    act=export_session,
    presets=EXPORT_PRESETS,
    state=lambda _: "",
    form=SessionExportForm,
)


def zipped(sessions: Sequence[UserSession], *, name: str, reason: str) -> HttpResponseBase:
    """Record that each session is exported, and return a ZIP of them all that is made as it is read."""
    # Recorded at once: when the answer streams, the request's context has ended.
    with transaction.atomic():
        exports = [
            (session, privacy.export_session(session=session, file_format="zip", reason=reason))
            for session in sessions
        ]
    return _attachment(_archive(_members(exports)), "application/zip", f"maria-{name}.zip")


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
    """What an archive holds and what not, line by line; and whether the store still answers."""

    lines: list[str]
    store_answers: bool = True


def _members(exports: Sequence[tuple[UserSession, Parts]]) -> Iterator[Member]:
    """Yield each session's document and files in a folder of its own, and last what is in it all."""
    index = _Index([f"Taken out of Maria at {timezone.now():%Y-%m-%d %H:%M} UTC."])
    for session, parts in exports:
        folder = session.support_code
        index.lines += ["", f"{folder}/", "  session.json: everything held about this session"]
        yield Member(f"{folder}/session.json", map(str.encode, stream_json(parts)))
        yield from _files(session, folder, index)
    yield Member("index.txt", ["\n".join([*index.lines, ""]).encode()])


def _files(session: UserSession, folder: str, index: _Index) -> Iterator[Member]:
    """Yield a session's files; whatever cannot be had is named in the index instead, with why."""
    files = UploadedFile.objects.visible_to(session).order_by("created_at", "id")
    for number, upload in enumerate(files, 1):
        name = f"files/{number:03}-{safe_name(upload.name)}"
        try:
            content = _open_whole(upload, index)
        except (APIException, NotAsStored) as error:
            index.lines.append(f"  NOT HERE: {name}: {error} (file {upload.pk}, {upload.status})")
        else:
            index.lines.append(f"  {name}: {upload.size} bytes, SHA-256 {upload.sha256}")
            with content:
                yield Member(f"{folder}/{name}", File(content).chunks())


def _open_whole(upload: UploadedFile, index: _Index) -> IO[bytes]:
    """Open a file that has been read once, to its end, and is what was stored.

    So an archive holds a file whole, or not at all. Raises what opening raises. A
    store that has failed once is not asked again: each wait may be a long one.
    """
    try:
        if not index.store_answers:
            raise StorageUnavailable
        content = services.open_upload(upload=upload)
        with ExitStack() as on_error:
            on_error.callback(content.close)
            _compare(content, upload)
            on_error.pop_all()
    except StorageUnavailable:
        index.store_answers = False
        raise
    return content


def _compare(content: IO[bytes], upload: UploadedFile) -> None:
    try:
        digest = hashlib.file_digest(content, "sha256")  # type: ignore[arg-type]
        content.seek(0)
    except OSError as error:
        raise StorageUnavailable from error
    if digest.hexdigest() != upload.sha256:
        raise NotAsStored("Its bytes in storage are not those that were stored.")


def safe_name(name: str) -> str:
    """Return a visitor's file name as it may be unpacked anywhere.

    Letters, digits and a few signs: no folder, no drive, no control character.
    What stands before it makes it unique, and no device's name.
    """
    plain = re.sub(r"[^\w .()+,-]", "_", unicodedata.normalize("NFC", name))
    stem, dot, extension = plain.rpartition(".")
    return f"{stem[:_NAME_LENGTH]}{dot}{extension[:_NAME_LENGTH]}".rstrip(". ") or "file"


class _Pipe(RawIOBase):
    """What an archive is written to and read from at once: it holds what was not taken yet."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        self._waiting += content
        return len(content)

    def take(self) -> Iterator[bytes]:
        """Yield what was written since the last time, if anything was."""
        if self._waiting:
            yield bytes(self._waiting)
            self._waiting.clear()


def _archive(members: Iterator[Member]) -> Iterator[bytes]:
    """Write a ZIP piece by piece; no more is held of it than the piece and the names."""
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for member in members:
            entry = zipfile.ZipInfo(member.name, timezone.now().timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(entry, "w") as target:
                for chunk in member.chunks:
                    target.write(chunk)
                    yield from pipe.take()
    yield from pipe.take()
