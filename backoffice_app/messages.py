"""Messages to staff, in a cookie with the prefix of the other staff cookies."""

from django.conf import settings
from django.contrib.messages.storage.base import BaseStorage
from django.contrib.messages.storage.cookie import CookieStorage
from django.core.signing import Signer, get_cookie_signer
from django.http import HttpRequest
from django.utils.functional import cached_property


class PrefixedCookieStorage(CookieStorage):
    def __init__(self, request: HttpRequest) -> None:
        # Not that of CookieStorage, which makes the signer for every request.
        BaseStorage.__init__(self, request)
        self.cookie_name = settings.MESSAGES_COOKIE_NAME

    @cached_property
    def signer(self) -> Signer:
        signer: Signer = get_cookie_signer(salt=self.key_salt)
        return signer
