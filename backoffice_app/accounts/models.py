"""The app of a second factor: a device of django-otp whose secret a copy of the database hides."""

import secrets

from django.utils.crypto import constant_time_compare, salted_hmac
from django_otp.plugins.otp_totp.models import TOTPDevice

from common.keyed_hash import secret_keys

_SALT = "backoffice_app.accounts.second_factor"
_SECRET_BYTES, _NONCE_BYTES, _TAG_BYTES = 20, 16, 4
_MASKED_BYTES = _NONCE_BYTES + _SECRET_BYTES


class AppDevice(TOTPDevice):  # type: ignore[misc]  # django-otp has no types
    """A TOTP device. `key` is a nonce, the secret, masked by `mask`, and a tag."""

    class Meta:
        proxy = True
        default_permissions = ()

    @property
    def bin_key(self) -> bytes:
        return unmask(self.key)


def new_key() -> str:
    return mask(secrets.token_bytes(_SECRET_BYTES))


def mask(secret: bytes) -> str:
    """Return a secret of 20 bytes, encrypted with a key derived from SECRET_KEY.

    The pad is the HMAC of a random nonce, so it is used once. The tag says which of
    SECRET_KEY and its fallbacks was used.
    """
    nonce, key = secrets.token_bytes(_NONCE_BYTES), secret_keys()[0]
    masked = nonce + _padded(secret, nonce, key)
    return (masked + _tag(masked, key)).hex()


def unmask(text: str) -> bytes:
    masked = bytes.fromhex(text)[:_MASKED_BYTES]
    return _padded(masked[_NONCE_BYTES:], masked[:_NONCE_BYTES], _key_of(text) or secret_keys()[0])


def renew_masks() -> None:
    """Mask every secret with SECRET_KEY that a fallback masks, or that has no tag yet.

    A secret of an unknown key stays: its key may become a fallback later.
    """
    for device in AppDevice.objects.all():
        if _key_of(device.key) in secret_keys()[1:] or _has_no_tag(device.key):
            renewed = mask(unmask(device.key))
            AppDevice.objects.filter(pk=device.pk, key=device.key).update(key=renewed)


def _has_no_tag(text: str) -> bool:
    return len(bytes.fromhex(text)) == _MASKED_BYTES


def _key_of(text: str) -> str:
    """Return the key under which a secret is masked; empty if it is not known."""
    raw = bytes.fromhex(text)
    masked, tag = raw[:_MASKED_BYTES], raw[_MASKED_BYTES:]
    fitting = (key for key in secret_keys() if constant_time_compare(_tag(masked, key), tag))
    return next(fitting, "")


def _tag(masked: bytes, key: str) -> bytes:
    return salted_hmac(f"{_SALT}.tag", masked, key, algorithm="sha256").digest()[:_TAG_BYTES]


def _padded(data: bytes, nonce: bytes, key: str) -> bytes:
    pad = salted_hmac(_SALT, nonce, key, algorithm="sha256").digest()
    return bytes(one ^ other for one, other in zip(data, pad[: len(data)], strict=True))
