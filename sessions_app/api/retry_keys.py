"""The header Idempotency-Key, which makes a request whose answer was lost safe to repeat."""

import hashlib
import re

from django.http.request import HttpHeaders
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from sessions_app.exceptions import RetryKeyMalformed

RETRY_HEADER = "Idempotency-Key"
_HEADER_IN_META = HttpHeaders.to_wsgi_name(RETRY_HEADER)
RETRY_PARAMETER = OpenApiParameter(
    RETRY_HEADER,
    location=OpenApiParameter.HEADER,
    description="Makes it safe to repeat the request: the response is the same.",
)
_KEY = re.compile("[\x21-\x7e]{1,128}")


def read_retry_key(request: Request) -> str | None:
    """Return the hash of the Idempotency-Key, None without one. Hashed because it may contain names."""
    key = request._request.META.get(_HEADER_IN_META)
    if key is None:
        return None
    if not _KEY.fullmatch(key):
        raise RetryKeyMalformed
    return hashlib.sha256(key.encode()).hexdigest()
