"""Recent activity of invented sessions that are still active, and staff work on any session."""

from django.conf import settings

from audit_app import events as audit_events
from demo_app import people
from demo_app.history import files
from demo_app.history.collector import DAY, MINUTE, PERIOD
from demo_app.history.story import SessionStory
from sessions_app import events
from uploads_app import events as upload_events
from uploads_app.models import UploadStatus


def continue_session(story: SessionStory) -> None:
    """Start an upload, extend the session, recover it on another device, or delete a file, rarely."""
    book = story.book
    if book.chance(0.01):
        _start_upload(story)
    elif book.chance(0.02):
        _extend(story)
    elif book.chance(0.02):
        _recover(story)
    elif book.chance(0.01):
        for upload in story.uploads[:1]:
            if upload.status == UploadStatus.STORED:  # the store has not deleted the object yet
                upload.status, upload.delete_reason = UploadStatus.DELETING, "visitor"


def _start_upload(story: SessionStory) -> None:
    session, began = story.session, story.now - 10 * MINUTE * story.random.random()
    if began > session.created_at and len(story.uploads) < settings.UPLOAD_MAX_FILES:
        files.start(story, began, story.book.request(story.visitor))
        session.last_seen_at = began
        session.expires_at = session.expiry(began)


def _extend(story: SessionStory) -> None:
    session, book = story.session, story.book
    at, reason = book.between(session.last_seen_at, story.now), "The visitor is away"
    until = min(at + 7 * DAY, session.last_moment + PERIOD)
    session.extended_until = session.expires_at = max(until, session.expires_at)
    until_text = session.extended_until.isoformat()
    story.add(at, events.EXTENDED, book.staff_request(), reason=reason, until=until_text)


def _recover(story: SessionStory) -> None:
    session, book = story.session, story.book
    at = book.between(session.last_seen_at, story.now - 15 * MINUTE)
    reason = "The visitor changed the device"
    story.add(at, events.RECOVERY_ISSUED, book.staff_request(), reason=reason)
    other, recovered = people.visitor(story.random, 0), at + 10 * MINUTE * story.random.random()
    request_context = book.request(other)
    if recovered < story.now:
        session.last_seen_at = session.token_used_at = max(recovered, session.last_seen_at)
        session.expires_at = session.expiry(session.last_seen_at)
        story.add(recovered, events.RECOVERED, request_context)
        story.add(recovered, events.TOKEN_ROTATED, request_context, reason="recovered")


def meet_staff(story: SessionStory) -> None:
    """Let staff view the session, reveal its personal values, and download or quarantine a file."""
    session, book = story.session, story.book
    if not book.chance(0.03):
        return
    request_context = book.staff_request()
    at = book.between(session.created_at, story.now)
    story.add(at, audit_events.STAFF_SESSION_VIEWED, request_context, page="usersession")
    if book.chance(0.4):
        page, reason = f"usersession:{session.uuid}", "The visitor asked for help"
        story.add(at, audit_events.STAFF_REVEALED, request_context, page=page, reason=reason)
    stored = [upload for upload in story.uploads if upload.status == UploadStatus.STORED]
    if not (stored and stored[0].created_at < at and book.chance(0.3)):
        return
    if book.chance(0.5):
        stored[0].status = UploadStatus.QUARANTINED
        reason = "It looks harmful"
        story.add_of(stored[0], at, upload_events.QUARANTINED, request_context, reason=reason)
    else:
        reason, size = "The visitor cannot open it", stored[0].size
        downloaded = upload_events.STAFF_DOWNLOADED
        story.add_of(stored[0], at, downloaded, request_context, reason=reason, size=size)
