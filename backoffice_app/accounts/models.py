"""The app of a second factor: a device of django-otp whose secret a copy of the database hides."""

import secrets

from django.utils.crypto import salted_hmac
from django_otp.plugins.otp_totp.models import TOTPDevice

_SALT = "backoffice_app.accounts.second_factor"
_SECRET_BYTES, _NONCE_BYTES = 20, 16


class AppDevice(TOTPDevice):  # type: ignore[misc]  # django-otp has no types
    """A TOTP device. `key` is a nonce and the secret, masked by `mask`."""

    class Meta:
        proxy = True
        default_permissions = ()

    @property
    def bin_key(self) -> bytes:
        return unmask(self.key)


def new_key() -> str:
    return mask(secrets.token_bytes(_SECRET_BYTES))


def mask(secret: bytes) -> str:
    """Return a secret of up to 24 bytes, encrypted with a key derived from SECRET_KEY.

    The pad is the HMAC of a random nonce, so it is used once.
    """
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return (nonce + _padded(secret, nonce)).hex()


def unmask(key: str) -> bytes:
    raw = bytes.fromhex(key)
    return _padded(raw[_NONCE_BYTES:], raw[:_NONCE_BYTES])


def _padded(data: bytes, nonce: bytes) -> bytes:
    pad = salted_hmac(_SALT, nonce, algorithm="sha256").digest()
    return bytes(one ^ other for one, other in zip(data, pad[: len(data)], strict=True))
