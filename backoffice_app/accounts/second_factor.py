"""The second factor: TOTP codes of an app, and recovery codes (django-otp).

An account with a second factor cannot sign in without a code. A change of the
factor ends the other sessions of the account.
"""

import re

import django_otp
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.http import HttpRequest
from django_otp.models import Device
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken

from backoffice_app.accounts import changes, sessions
from backoffice_app.accounts.models import AppDevice, new_key
from common.keyed_hash import keyed_hashes

# The values of STAFF_SECOND_FACTOR.
OPTIONAL, REQUIRED = "optional", "required"
RECOVERY_CODES = 10
_BEGUN = "second_factor_begun"
SET_UP, REMOVED = "second_factor_set_up", "second_factor_removed"
RENEWED, CODE_USED = "recovery_codes_renewed", "recovery_code_used"


def is_set_up(user: User) -> bool:
    """Whether a staff member needs a code to sign in."""
    return bool(AppDevice.objects.filter(user=user, confirmed=True).exists())


def is_missing(request: HttpRequest) -> bool:
    """Whether this session started without a code although one is required."""
    return (
        settings.STAFF_SECOND_FACTOR == REQUIRED
        and SESSION_KEY in request.session
        and django_otp.DEVICE_ID_SESSION_KEY not in request.session
    )


def pending(request: HttpRequest) -> AppDevice | None:
    """Return the device that this session is setting up and has not confirmed by a code."""
    begun = AppDevice.objects.filter(pk=request.session.get(_BEGUN), user_id=request.user.pk)
    device: AppDevice | None = begun.filter(confirmed=False).first()
    return device


def codes_left(user: User) -> int:
    return int(StaticToken.objects.filter(device__user=user).count())


def begin(request: HttpRequest, *, user: User) -> None:
    """Create a new secret. It has no effect until this session confirms a code from it."""
    with transaction.atomic():
        AppDevice.objects.filter(user=user, confirmed=False).delete()
        device = AppDevice.objects.create(user=user, name="app", confirmed=False, key=new_key())
    request.session[_BEGUN] = device.pk


def confirm(request: HttpRequest, *, user: User, code: str) -> list[str] | None:
    """Activate the factor if the code is right; return the recovery codes, or None."""
    device = pending(request)
    if device is None or not _is_right(user, device, code):
        return None
    with transaction.atomic():
        AppDevice.objects.filter(user=user).exclude(pk=device.pk).delete()
        AppDevice.objects.filter(pk=device.pk).update(confirmed=True)
        codes = _new_codes(user)
        django_otp.login(request, device)
        sessions.end_sessions(user, but=request.session)
        changes.note(changes.name_of(user), SET_UP)
    return codes


def renew_codes(*, user: User, code: str) -> list[str] | None:
    """Replace the recovery codes if the code is right; return the new ones, or None."""
    if check(user, code) is None:
        return None
    with transaction.atomic():
        codes = _new_codes(user)
        changes.note(changes.name_of(user), RENEWED)
    return codes


def remove(request: HttpRequest, *, user: User, code: str) -> bool:
    """Remove the factor if the code is right; return whether it was."""
    if check(user, code) is None:
        return False
    request.session.pop(django_otp.DEVICE_ID_SESSION_KEY, None)
    reset(user=user, but=request.session)
    return True


def reset(*, user: User, but: SessionBase | None = None, reason: str = "") -> None:
    """Remove a staff member's factor and end their sessions except `but`."""
    with transaction.atomic():
        AppDevice.objects.filter(user=user).delete()
        StaticDevice.objects.filter(user=user).delete()
        sessions.end_sessions(user, but=but)
        changes.note(changes.name_of(user), REMOVED, reason=reason)


def check(user: User, typed: str) -> Device | None:
    """Consume a TOTP or recovery code; return its device, or None.

    None also for a used code, and during the wait after wrong codes: 1 s after
    the first, twice as long after each further one.
    """
    code = _plain(typed)
    model = AppDevice if re.fullmatch("[0-9]{6}", code) else StaticDevice
    device = model.objects.filter(user=user, confirmed=True).first()
    if device is None or not _is_right(user, device, code):
        return None
    if model is StaticDevice:
        with transaction.atomic():
            changes.note(changes.name_of(user), CODE_USED)
    return device


def _is_right(user: User, device: Device, code: str) -> bool:
    code = _plain(code)
    token = _stored_of(device, code) if isinstance(device, StaticDevice) else code
    return django_otp.verify_token(user, device.persistent_id, token) is not None


def _new_codes(user: User) -> list[str]:
    StaticDevice.objects.filter(user=user).delete()
    device = StaticDevice.objects.create(user=user, name="recovery codes")
    codes = [StaticToken.random_token() for _ in range(RECOVERY_CODES)]
    StaticToken.objects.bulk_create(
        StaticToken(device=device, token=_forms(code)[0]) for code in codes
    )
    return [f"{code[:4]}-{code[4:]}" for code in codes]


def _plain(typed: str) -> str:
    return re.sub(r"[\s-]", "", typed).lower()


def _stored_of(device: StaticDevice, code: str) -> str:
    """Return the form in which a recovery code is stored, also if that was before a change of the key."""
    forms = _forms(code)
    known = StaticToken.objects.filter(device=device, token__in=forms).first()
    return known.token if known else forms[0]


def _forms(code: str) -> list[str]:
    """Return keyed hashes of a recovery code, cut to the column's length."""
    return [digest[:16] for digest in keyed_hashes("backoffice_app.accounts.recovery", code)]
