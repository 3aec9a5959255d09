"""How invented sessions end, and what the cleanup deletes after them."""

from datetime import datetime, timedelta

from django.conf import settings

from common import context
from common.context import RequestContext
from demo_app.history import files, live
from demo_app.history.collector import DAY, MINUTE, SYSTEM
from demo_app.history.story import SessionStory
from sessions_app import events
from sessions_app.models import SessionStatus
from uploads_app.models import VISIBLE, ErasureNote, UploadStatus
from uploads_app.storage.keys import erased_key

_ENDINGS = (
    "",
    SessionStatus.RESET,
    SessionStatus.ENDED,
    SessionStatus.REVOKED,
    SessionStatus.ERASED,
)
_ENDING_WEIGHTS = (80, 8, 7, 2, 3)


def end(story: SessionStory) -> None:
    """End the session by its visitor, by staff or by time, or leave it active."""
    session, book = story.session, story.book
    at = min(session.last_seen_at + 10 * MINUTE * story.random.random(), story.now)
    ending = story.random.choices(_ENDINGS, _ENDING_WEIGHTS)[0]
    if ending == SessionStatus.RESET and book.remaining:
        _reset(story, at, story.random.choice(("requested", "not_me")))
    elif ending == SessionStatus.ENDED:
        story.close(SessionStatus.ENDED, at, "visitor")
        request_context = book.request(story.visitor)
        story.add(at, events.ENDED, request_context, lost_files=story.visible_files)
    elif ending == SessionStatus.REVOKED:
        _revoke(story, at)
    elif ending == SessionStatus.ERASED:
        _erase(story, book.between(at, min(story.now, at + 2 * DAY, session.expires_at)))
    elif session.expires_at + 5 * MINUTE < story.now:
        _expire(story)
    else:
        live.continue_session(story)


def _revoke(story: SessionStory, at: datetime) -> None:
    reason = story.random.choice(("The visitor asked for it", "Abuse"))
    story.close(SessionStatus.REVOKED, at, reason)
    staff_request, lost = story.book.staff_request(), story.visible_files
    story.add(at, events.REVOKED, staff_request, reason=reason, lost_files=lost)


def _expire(story: SessionStory) -> None:
    session, book = story.session, story.book
    reason = session.expiry_reason()
    story.close(SessionStatus.EXPIRED, session.expires_at, reason)
    noticed = session.expires_at + 5 * MINUTE * story.random.random()
    story.add(noticed, events.EXPIRED, SYSTEM, reason=reason)
    if book.remaining and book.chance(0.1):
        _reset(story, book.between(noticed, story.now), "expired")


def _reset(story: SessionStory, at: datetime, reason: str) -> None:
    """Let the visitor continue in a successor, which is generated here."""
    before = story.session.status
    if before == SessionStatus.ACTIVE:
        story.close(SessionStatus.RESET, at, reason)
    successor = story.book.generate_session(story.visitor, at, story.session)
    story.add(
        at,
        events.RESET,
        story.book.request(story.visitor),
        reason=reason,
        from_status=str(before),
        successor=str(successor.uuid),
        lost_files=story.visible_files,
    )


def _erase(story: SessionStory, at: datetime) -> None:
    """Erase as `erase_session` does; the event keeps no address of the visitor."""
    session, book = story.session, story.book
    request_context = RequestContext(book.request(story.visitor).request_id, actor=context.VISITOR)
    session.name = session.email = ""
    session.email_proven, session.completed_at = False, None
    story.consents.clear()
    story.close(SessionStatus.ERASED, at, "")
    session.erased_at = session.token_used_at = at
    story.add(at, events.ERASURE_REQUESTED, request_context, reason="visitor")
    for upload in story.uploads:
        upload.name = ""
        if upload.status in VISIBLE:
            files.delete(story, upload, at, "erased", request_context)
        elif upload.status in (UploadStatus.LAPSED, UploadStatus.REJECTED):
            upload.deleted_at = upload.deleted_at or at
    story.add(at, events.ERASED, request_context)
    book.rows.notes.append(ErasureNote(session_uuid=session.uuid, recorded_at=at))
    if book.demo_context.with_files:
        book.rows.objects[erased_key(session.uuid)] = b""


def apply_retention(story: SessionStory) -> None:
    """Delete files and contact data as the cleanup does when a session's retention is over."""
    session = story.session
    if session.ended_at is None or session.status == SessionStatus.ERASED:
        return
    over = session.ended_at + _retention(story) + 15 * MINUTE * story.random.random()
    if over > story.now:
        return
    for upload in story.uploads:
        if upload.status in VISIBLE:
            files.delete(story, upload, over, "retention", SYSTEM)
    if session.name or session.email or story.consents:
        session.name = session.email = ""
        session.email_proven = False
        story.consents.clear()
        story.add(over, events.CONTACT_ERASED, SYSTEM)


def _retention(story: SessionStory) -> timedelta:
    retention: timedelta = (
        settings.COMPLETED_RETENTION if story.session.completed_at else settings.UPLOAD_RETENTION
    )
    return retention
