"""The invented history of a session's files."""

import hashlib
import io
from datetime import datetime
from functools import cache

from django.conf import settings
from pypdf import PdfWriter

from audit_app.canonical import Value
from common.context import RequestContext
from demo_app import people
from demo_app.history.collector import DAY, MINUTE, SYSTEM
from demo_app.history.story import SessionStory
from uploads_app import events
from uploads_app.models import Inspection, Suspicion, UploadedFile, UploadStatus
from uploads_app.storage.keys import object_key

SERVICE = "service:maria-agent"
# The number of files of a session: two on average.
FILES = (0, 1, 2, 3)
_FILES_WEIGHTS = (10, 20, 30, 40)
_VERDICTS = (Inspection.CLEAN, Inspection.SUSPECT, Inspection.UNREADABLE)
_VERDICT_WEIGHTS = (93, 4, 3)
_SUSPICIONS: dict[str, list[str]] = {
    Inspection.SUSPECT: [str(Suspicion.EMBEDDED_FILE)],
    Inspection.UNREADABLE: [str(Suspicion.MALFORMED)],
}


def upload_some(story: SessionStory) -> None:
    """Upload up to three files in the first hour."""
    for _ in range(story.random.choices(FILES, _FILES_WEIGHTS)[0]):
        _upload(story, story.book.between(story.session.created_at, story.busy_until))


def _upload(story: SessionStory, began: datetime) -> None:
    book, request_context = story.book, story.book.request(story.visitor)
    upload = start(story, began, request_context)
    if book.chance(0.02) and upload.lease_expires_at < story.now:
        upload.status = UploadStatus.LAPSED
        story.add_of(upload, upload.lease_expires_at, events.LAPSED, SYSTEM, reason="lease")
    elif upload.direct and book.chance(0.05):
        upload.status, upload.deleted_at = UploadStatus.REJECTED, began
        story.add_of(upload, began, events.REJECTED, request_context, code="type_not_allowed")
    else:
        _store(story, upload, request_context)
        _inspect(story, upload)
        _lose_or_download(story, upload)


def start(story: SessionStory, began: datetime, request_context: RequestContext) -> UploadedFile:
    """Add an upload that is not stored yet."""
    upload_id = story.book.uuid()
    upload = UploadedFile(
        id=upload_id,
        session=story.session,
        key=object_key(story.session.uuid, upload_id, "pdf"),
        name=people.file_name(story.random),
        content_type="application/pdf",
        size=int(story.random.lognormvariate(12, 1)) % settings.UPLOAD_MAX_BYTES + 1,
        created_at=began,
        lease_expires_at=began + settings.UPLOAD_LEASE,
        direct=story.book.chance(0.08),
    )
    story.uploads.append(upload)
    if upload.direct:
        story.add_of(upload, began, events.STARTED, request_context, size=upload.size)
    return upload


def _store(story: SessionStory, upload: UploadedFile, request_context: RequestContext) -> None:
    upload.status, upload.stored_at = UploadStatus.STORED, upload.created_at
    upload.inspection = story.random.choices(_VERDICTS, _VERDICT_WEIGHTS)[0]
    if story.book.demo_context.with_files:
        body = story.bodies[upload.key] = body_of(upload)
        upload.size, upload.sha256 = len(body), hashlib.sha256(body).hexdigest()
    else:
        upload.sha256 = f"{story.random.getrandbits(256):064x}"
    story.session.used_at = story.session.used_at or upload.stored_at
    details = {"content_type": upload.content_type, **_bytes_of(upload)}
    story.add_of(upload, upload.stored_at, events.STORED, request_context, **details)


def _inspect(story: SessionStory, upload: UploadedFile) -> None:
    assert upload.stored_at
    at = upload.stored_at + MINUTE * story.random.random()
    if at > story.now:
        upload.inspection = Inspection.WAITING
        return
    upload.inspected_at, upload.suspicions = at, _SUSPICIONS.get(upload.inspection, [])
    verdict, suspicions = str(upload.inspection), ", ".join(upload.suspicions)
    story.add_of(upload, at, events.INSPECTED, SYSTEM, verdict=verdict, suspicions=suspicions)


def _lose_or_download(story: SessionStory, upload: UploadedFile) -> None:
    book = story.book
    if book.chance(0.003):
        upload.status = UploadStatus.MISSING
        story.add_of(upload, _later(story, upload), events.MISSING, SYSTEM, **_bytes_of(upload))
    elif book.chance(0.05):
        request = book.request(people.AGENT, SERVICE)
        at = _later(story, upload)
        story.add_of(upload, at, events.DOWNLOADED, request, size=upload.size)


def delete_some(story: SessionStory) -> None:
    """Let the visitor delete a file now and then."""
    for upload in story.uploads:
        if upload.status == UploadStatus.STORED and story.book.chance(0.07):
            at = _later(story, upload, story.session.last_seen_at)
            delete(story, upload, at, "visitor", story.book.request(story.visitor))


def delete(
    story: SessionStory,
    upload: UploadedFile,
    at: datetime,
    reason: str,
    request_context: RequestContext,
) -> None:
    upload.status, upload.deleted_at, upload.delete_reason = UploadStatus.DELETED, at, reason
    details = {"reason": reason, **_bytes_of(upload)}
    story.add_of(upload, at, events.DELETED, request_context, **details)


def _later(story: SessionStory, upload: UploadedFile, until: datetime | None = None) -> datetime:
    start = upload.inspected_at or upload.stored_at or upload.created_at
    return story.book.between(start, until or min(story.now, start + DAY))


def body_of(upload: UploadedFile) -> bytes:
    """Return the bytes of an invented file: a small PDF for which the inspection gives its verdict."""
    return _template(upload.inspection) + f"% {upload.pk}\n".encode()


@cache
def _template(verdict: str) -> bytes:
    if verdict == Inspection.UNREADABLE:
        return b"%PDF-1.4\nThis PDF is broken.\n"
    writer, out = PdfWriter(), io.BytesIO()
    writer.add_blank_page(200, 200)
    if verdict == Inspection.SUSPECT:
        writer.add_attachment("attached.txt", b"invented")
    writer.write(out)
    return out.getvalue()


def _bytes_of(upload: UploadedFile) -> dict[str, Value]:
    return {"size": upload.size, "sha256": upload.sha256}
