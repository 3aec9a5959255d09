"""Contact data, consent, and the code that proves an e-mail address."""

import hmac
import logging
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.core.mail import send_mail
from django.db import transaction
from django.db.models import Exists, F, OuterRef
from django.db.models.functions import Now
from django.template.loader import render_to_string
from django.utils import timezone

from audit_app.services import Personal, erase_emails, record
from common.keyed_hash import keyed_hashes
from sessions_app import events
from sessions_app.exceptions import (
    CodeExpired,
    CodeWrong,
    EmailMissing,
    MailUnavailable,
    RateLimited,
)
from sessions_app.models import Consent, EmailCode, UserSession
from sessions_app.proofs import Proof
from sessions_app.services.sessions import lock_live, mark_session_used
from sessions_app.services.tokens import rotate_token

logger = logging.getLogger(__name__)

CODE_LIFETIME = timedelta(minutes=10)
CODE_TRIES = 5
SEND_INTERVAL = timedelta(seconds=30)
SWEEP_BATCH = 500


@dataclass(frozen=True)
class IdentityChange:
    """A session after a change of its identity, and its new token if there is one."""

    session: UserSession
    token: str | None


def identify_session(
    *, proof: Proof, contact: Mapping[str, str], consent: Mapping[str, Mapping[str, Any]]
) -> IdentityChange:
    """Store a visitor's contact data and consent; equal values change nothing.

    `contact` may hold `name` and `email`, empty to remove them; `consent` maps
    a purpose to `granted` and the `version` of the wording. Adding contact data
    rotates the token. Raises SessionInvalid.
    """
    with transaction.atomic():
        session = lock_live(session=proof.session)
        changed = {
            name: value for name, value in contact.items() if getattr(session, name) != value
        }
        if changed:
            _change_contact(session, changed)
        for purpose, answer in consent.items():
            _store_consent(session, purpose, bool(answer["granted"]), str(answer["version"]))
        attached = any(changed.values())
        token = (
            rotate_token(session=session, proof=proof, reason="contact_data") if attached else None
        )
    return IdentityChange(session, token)


def send_code(*, session: UserSession) -> EmailCode:
    """Send a code of six digits to the session's e-mail address; it replaces the code before.

    Raises EmailMissing, RateLimited (the last was sent less than 30 s ago),
    SessionInvalid or MailUnavailable, after which a new one may be sent at once.
    """
    code = f"{secrets.randbelow(10**6):06}"
    with transaction.atomic():
        session = lock_live(session=session)
        if not session.email:
            raise EmailMissing
        _require_interval(session)
        waiting, _ = EmailCode.objects.update_or_create(
            session=session,
            defaults={
                "email": session.email,
                "code_hash": _hashes(session, code)[0],
                "sent_at": timezone.now(),
                "expires_at": timezone.now() + CODE_LIFETIME,
                "tries": 0,
            },
        )
    try:
        _mail(session.email, code)
    except OSError as error:  # includes the errors of smtplib
        # Log only the class, and raise `from None`: the server's message repeats the address.
        logger.warning("the mail server did not take a code: %s", type(error).__name__)
        waiting.delete()
        raise MailUnavailable from None
    return waiting


def verify_code(*, proof: Proof, code: str) -> IdentityChange:
    """Complete a session by the code that was sent; the same code again changes nothing.

    Raises CodeWrong, CodeExpired (no code was sent, it is older than 10 minutes
    or was tried 5 times) or SessionInvalid.
    """
    session = proof.session
    waiting = EmailCode.objects.filter(
        session=session, email=session.email, tries__lt=CODE_TRIES, expires_at__gt=Now()
    )
    # Counted first and outside the transaction, so that no race or rollback adds a try.
    if not waiting.update(tries=F("tries") + 1):
        raise CodeExpired
    sent = EmailCode.objects.filter(session=session).first()
    if sent is None:  # the address was changed in between
        raise CodeExpired
    if not any(hmac.compare_digest(sent.code_hash, one) for one in _hashes(session, code)):
        raise CodeWrong(session.uuid, CODE_TRIES - sent.tries)
    with transaction.atomic():
        session = lock_live(session=session)
        if session.email != sent.email:
            raise CodeExpired
        if session.email_proven:
            return IdentityChange(session, None)
        session.email_proven, session.completed_at = True, timezone.now()
        session.expires_at = session.expiry(session.completed_at)
        session.save(update_fields=["email_proven", "completed_at", "expires_at"])
        # The right code does not count as a try: if this answer is lost, it must work again.
        EmailCode.objects.filter(session=session, code_hash=sent.code_hash).update(tries=0)
        personal = Personal(email=session.email)
        record(events.COMPLETED, session_uuid=session.uuid, personal=personal)
        token = rotate_token(session=session, proof=proof, reason="completed")
        return IdentityChange(session, token)


def forget_identity(*, session: UserSession) -> bool:
    """Remove contact data, consent and codes; False if there were none.

    The row must be locked by the caller's transaction.
    """
    known = bool(session.name or session.email)
    session.name, session.email, session.email_proven = "", "", False
    session.save(update_fields=["name", "email", "email_proven"])
    answers, _ = session.consents.all().delete()
    EmailCode.objects.filter(session=session).delete()
    return known or bool(answers)


def forget_past_retention(*, limit: int) -> int:
    """Remove the contact data and consent of up to `limit` sessions whose retention is over."""
    over = UserSession.objects.past_retention()
    answered = Consent.objects.filter(Exists(over.filter(pk=OuterRef("session"))))
    # Two queries, each on its own index; a joined condition would read every session.
    contact = over.with_contact_data().order_by().values_list("uuid")
    due = contact.union(answered.order_by().values_list("session"))
    return sum(_forget_one(session_uuid) for (session_uuid,) in due[:limit])


def _forget_one(session_uuid: uuid.UUID) -> bool:
    with transaction.atomic():
        session = UserSession.objects.select_for_update().get(pk=session_uuid)
        forgotten = forget_identity(session=session)
        if forgotten:  # False if an erasure was first
            erase_emails(session_uuid=session.uuid)
            record(events.CONTACT_ERASED, session_uuid=session.uuid)
        return forgotten


def _change_contact(session: UserSession, changed: Mapping[str, str]) -> None:
    for name, value in changed.items():
        setattr(session, name, value)
    fields = list(changed)
    if "email" in changed:
        session.email_proven = False
        fields.append("email_proven")
        EmailCode.objects.filter(session=session).delete()
    session.save(update_fields=fields)
    if any(changed.values()):
        mark_session_used(session=session)
    record(
        events.IDENTIFIED,
        session_uuid=session.uuid,
        personal=Personal(email=changed.get("email", "")),
        fields=",".join(sorted(changed)),
    )


def _store_consent(session: UserSession, purpose: str, granted: bool, version: str) -> None:
    before = Consent.objects.filter(session=session, purpose=purpose).first()
    if before and (before.granted, before.version) == (granted, version):
        return
    Consent.objects.update_or_create(
        session=session,
        purpose=purpose,
        defaults={"granted": granted, "version": version, "changed_at": timezone.now()},
    )
    event = events.CONSENT_GRANTED if granted else events.CONSENT_WITHDRAWN
    record(event, session_uuid=session.uuid, purpose=purpose, version=version)


def _require_interval(session: UserSession) -> None:
    last = EmailCode.objects.filter(session=session).values_list("sent_at", flat=True).first()
    wait = last + SEND_INTERVAL - timezone.now() if last else timedelta(0)
    if wait > timedelta(0):
        raise RateLimited("email-30s", int(wait.total_seconds()) + 1, session.uuid)


def _mail(address: str, code: str) -> None:
    minutes = int(CODE_LIFETIME.total_seconds() // 60)
    text = render_to_string("sessions_app/email_code.txt", {"code": code, "minutes": minutes})
    send_mail(f"{code} is your code for Maria", text, None, [address])


def _hashes(session: UserSession, code: str) -> list[str]:
    # All six-digit codes are quickly tried, so the hash needs a secret outside the database.
    value = f"{session.uuid}\n{session.email}\n{code}"
    return keyed_hashes("sessions_app.EmailCode", value)
