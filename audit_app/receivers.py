"""Records staff sign-ins and sign-outs, from Django's signals."""

from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db import transaction
from django.dispatch import receiver

from audit_app import events
from audit_app.services import Refusal, record, record_refusal
from common import context


@receiver(user_logged_in)
def staff_signed_in(user: Any, **_: Any) -> None:
    with transaction.atomic(), context.as_actor(f"staff:{user.pk}"):
        record(events.STAFF_SIGNED_IN)


@receiver(user_logged_out)
def staff_signed_out(user: Any, **_: Any) -> None:
    if user is not None:
        with transaction.atomic(), context.as_actor(f"staff:{user.pk}"):
            record(events.STAFF_SIGNED_OUT)


@receiver(user_login_failed)
def staff_sign_in_failed(**_: Any) -> None:
    record_refusal(Refusal(events.STAFF_SIGN_IN_FAILED))
