"""Alerts about the seal: one mail when something is wrong, and one when it is resolved."""

import logging
from collections.abc import Iterator
from datetime import timedelta

from audit_app.models import SealHead, SealState
from audit_app.seal import anchors
from audit_app.seal.problems import WHAT_TO_DO, Known
from common.clock import DATABASE_CLOCK
from common.mailed_alerts import AlertState, MailedAlert, mail_administrators

logger = logging.getLogger(__name__)

NO_HEAD_FOR = timedelta(hours=2)
NOT_VERIFIED_FOR = timedelta(hours=49)
NOTHING = Known("", "")
_MAILS = MailedAlert(SealState, "the seal of the audit log")


def current_problem() -> Known:
    """Return what is wrong with the seal now, the worst first."""
    return next(_problems(), NOTHING)


def watch() -> str:
    """Mail the administrators if something is wrong, or was resolved; safe to repeat."""
    found = current_problem()
    return _MAILS.settle(found.code, lambda known: _send(found, known))


def _problems() -> Iterator[Known]:
    state = SealState.objects.first()
    if state is None:
        return
    for text in (state.verify_problem, state.seal_problem):
        if text:
            yield Known.of(text)
    yield from anchors.problems()
    last = SealHead.objects.order_by("-number").values_list("sealed_at", flat=True).first()
    first = SealHead.objects.order_by("number").values_list("sealed_at", flat=True).first()
    now = DATABASE_CLOCK.now()
    if last and now - last > NO_HEAD_FOR:
        yield Known("seal_overdue", f"The last head is from {last:%Y-%m-%d %H:%M} UTC.")
    verified = state.verified_at or first
    if verified and now - verified > NOT_VERIFIED_FOR:
        yield Known("verification_overdue", f"Last verified {verified:%Y-%m-%d %H:%M} UTC.")


def _send(found: Known, known: AlertState) -> None:
    if not found.code:
        logger.warning("the seal of the audit log is in order again")
        mail_administrators(
            "audit log problem resolved", "The seal of the audit log is in order.\n"
        )
        return
    logger.error("the seal of the audit log: %s", found.sentence, extra={"code": found.code})
    text = f"{found.sentence}\n\nWhat to do: {WHAT_TO_DO[found.code].replace('`', '')}\n"
    mail_administrators(f"audit log ({found.code})", text)
