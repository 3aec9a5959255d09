"""What the visitor of an invented session does: contact data, consent, refused requests."""

from datetime import datetime

from django.conf import settings

from audit_app import events as audit_events
from audit_app.services import Personal
from common import context
from common.context import RequestContext
from demo_app import people
from demo_app.history.collector import DAY, HOUR
from demo_app.history.files import FILES
from demo_app.history.story import SessionStory
from sessions_app import events
from sessions_app.models import Consent
from uploads_app import events as upload_events


def create(story: SessionStory) -> None:
    """Add the session's creation."""
    session, book = story.session, story.book
    request_context = book.request(story.visitor)
    credential = "bearer" if book.chance(0.05) else "cookie"
    story.add(
        session.created_at,
        events.CREATED,
        request_context,
        credential=credential,
        support_code=session.support_code,
    )


def identify(story: SessionStory) -> None:
    """Store contact data; a third of the visitors also prove the e-mail address."""
    session, book = story.session, story.book
    at = book.between(session.created_at, story.busy_until)
    request_context = book.request(story.visitor)
    session.name, session.email, session.used_at = story.visitor.name, story.visitor.email, at
    personal = Personal(email=session.email)
    story.add(at, events.IDENTIFIED, request_context, personal=personal, fields="email,name")
    for purpose in settings.CONSENT_PURPOSES:
        _consent(story, purpose, at, request_context)
    session.token_used_at = at
    story.add(at, events.TOKEN_ROTATED, request_context, reason="contact_data")
    if book.chance(0.35):
        at, request_context = book.between(at, story.busy_until), book.request(story.visitor)
        session.email_proven, session.completed_at, session.token_used_at = True, at, at
        story.add(at, events.COMPLETED, request_context, personal=personal)
        story.add(at, events.TOKEN_ROTATED, request_context, reason="completed")


def _consent(
    story: SessionStory, purpose: str, at: datetime, request_context: RequestContext
) -> None:
    granted, version = story.book.chance(0.8), "2026-01"
    story.consents.append(
        Consent(
            session=story.session, purpose=purpose, granted=granted, version=version, changed_at=at
        )
    )
    event = events.CONSENT_GRANTED if granted else events.CONSENT_WITHDRAWN
    story.add(at, event, request_context, purpose=purpose, version=version)


def stay(story: SessionStory) -> None:
    """Choose the time of the visitor's last request, and so when the session expires."""
    session, book = story.session, story.book
    last_action = max(
        event.at for event in story.events if event.request_context.actor == context.VISITOR
    )
    if book.chance(0.15):
        session.last_seen_at = book.between(last_action, min(story.now, session.last_moment))
    else:
        idle = DAY * story.random.expovariate(2)
        # An unused session expires within a day, and nothing happens in it after that.
        session.last_seen_at = min(last_action + min(idle, 20 * HOUR), story.now)
    session.expires_at = session.expiry(session.last_seen_at)


def meet_refusals(story: SessionStory) -> None:
    """Refuse a few requests, count a few limits as exceeded, and export data now and then."""
    session, book = story.session, story.book
    at = book.between(session.created_at, session.last_seen_at)
    if book.chance(0.02):
        code = story.random.choice(("session_mismatch", "session_header_required", "code_wrong"))
        request_context = book.request(story.visitor)
        story.add(at, events.REFUSED, request_context, code=code, reason=None, repeated=0)
    if book.chance(0.005):
        request_context = book.request(story.visitor)
        limit = story.random.choice(("session-60s", "upload-60s", "export-3600s"))
        repeated = story.random.randint(0, 40)
        exceeded = audit_events.RATE_LIMIT_EXCEEDED
        story.add(at, exceeded, request_context, limit=limit, repeated=repeated)
    if len(story.uploads) == len(FILES) - 1 and book.chance(0.03):
        _exceed_quota(story)
    if book.chance(0.005):
        story.add(at, events.EXPORTED, book.request(story.visitor))


def _exceed_quota(story: SessionStory) -> None:
    book = story.book
    story.add(
        book.between(story.busy_until, story.session.last_seen_at),
        upload_events.QUOTA_EXCEEDED,
        book.request(story.visitor),
        personal=Personal(file_name=people.file_name(story.random)),
        max_files=settings.UPLOAD_MAX_FILES,
        max_total_bytes=settings.UPLOAD_MAX_TOTAL_BYTES,
        repeated=0,
    )
