"""The second factor: codes of an app (TOTP) and recovery codes, kept and checked by django-otp.

Whoever has one cannot sign in without a code, so a session of theirs is proof
of it; whatever changes the factor ends their other sessions.
"""

import re

import django_otp
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest
from django.utils.crypto import salted_hmac
from django_otp.models import Device
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from backoffice_app.accounts import changes, sessions

# The values of STAFF_SECOND_FACTOR.
OPTIONAL, REQUIRED = "optional", "required"
RECOVERY_CODES = 10
SET_UP, TAKEN_AWAY = "second_factor_set_up", "second_factor_removed"
RENEWED, CODE_USED = "recovery_codes_renewed", "recovery_code_used"


def is_set_up(user: User) -> bool:
    """Say whether a staff member needs a code to sign in."""
    return bool(TOTPDevice.objects.filter(user=user, confirmed=True).exists())


def is_missing(request: HttpRequest) -> bool:
    """Say whether this session was begun without a code where everybody needs one."""
    return (
        settings.STAFF_SECOND_FACTOR == REQUIRED
        and SESSION_KEY in request.session
        and django_otp.DEVICE_ID_SESSION_KEY not in request.session
    )


def pending(user: User) -> TOTPDevice | None:
    """Return what a staff member is setting up, and has not yet shown to work."""
    return TOTPDevice.objects.filter(user=user, confirmed=False).first()


def codes_left(user: User) -> int:
    """Return how many recovery codes have not been used."""
    return int(StaticToken.objects.filter(device__user=user).count())


def begin(*, user: User) -> None:
    """Make a new secret, which asks for nothing until a code made from it is confirmed."""
    with transaction.atomic():
        TOTPDevice.objects.filter(user=user, confirmed=False).delete()
        TOTPDevice.objects.create(user=user, name="app", confirmed=False)


def confirm(request: HttpRequest, *, user: User, code: str) -> list[str] | None:
    """Set up the factor if the code is right; return the recovery codes, in clear this once."""
    device = pending(user)
    if device is None or not _is_right(user, device, code):
        return None
    with transaction.atomic():
        TOTPDevice.objects.filter(user=user).exclude(pk=device.pk).delete()
        TOTPDevice.objects.filter(pk=device.pk).update(confirmed=True)
        codes = _new_codes(user)
        django_otp.login(request, device)
        sessions.end_sessions(user, but=request.session.session_key)
        changes.note(changes.name_of(user), SET_UP)
    return codes


def renew_codes(*, user: User, code: str) -> list[str] | None:
    """Replace the recovery codes if the code is right; return the new ones, in clear this once."""
    if check(user, code) is None:
        return None
    with transaction.atomic():
        codes = _new_codes(user)
        changes.note(changes.name_of(user), RENEWED)
    return codes


def take_away(request: HttpRequest, *, user: User, code: str) -> bool:
    """Remove the own factor if the code is right."""
    if check(user, code) is None:
        return False
    request.session.pop(django_otp.DEVICE_ID_SESSION_KEY, None)
    reset(user=user, but=request.session.session_key)
    return True


def reset(*, user: User, but: str | None = None, reason: str = "") -> None:
    """Remove a staff member's factor and end their sessions, except one."""
    with transaction.atomic():
        TOTPDevice.objects.filter(user=user).delete()
        StaticDevice.objects.filter(user=user).delete()
        sessions.end_sessions(user, but=but)
        changes.note(changes.name_of(user), TAKEN_AWAY, reason=reason)


def check(user: User, typed: str) -> Device | None:
    """Use up a code, of the app or for recovery; return what it belongs to, or None.

    None also for a code that was used before, and while wrong ones make
    everybody wait: 1 s after the first, twice as long after each further one.
    """
    code = _plain(typed)
    model = TOTPDevice if re.fullmatch("[0-9]{6}", code) else StaticDevice
    device = model.objects.filter(user=user, confirmed=True).first()
    if device is None or not _is_right(user, device, code):
        return None
    if model is StaticDevice:
        with transaction.atomic():
            changes.note(changes.name_of(user), CODE_USED)
    return device


def _is_right(user: User, device: Device, code: str) -> bool:
    code = _plain(code)
    token = _kept(code) if isinstance(device, StaticDevice) else code
    return django_otp.verify_token(user, device.persistent_id, token) is not None


def _new_codes(user: User) -> list[str]:
    StaticDevice.objects.filter(user=user).delete()
    device = StaticDevice.objects.create(user=user, name="recovery codes")
    codes = [StaticToken.random_token() for _ in range(RECOVERY_CODES)]
    StaticToken.objects.bulk_create(StaticToken(device=device, token=_kept(code)) for code in codes)
    return [f"{code[:4]}-{code[4:]}" for code in codes]


def _plain(typed: str) -> str:
    return re.sub(r"[\s-]", "", typed).lower()


def _kept(code: str) -> str:
    """Return what is stored of a recovery code: as much of a keyed hash as the column holds."""
    return salted_hmac("backoffice_app.accounts.recovery", code, algorithm="sha256").hexdigest()[
        :16
    ]
