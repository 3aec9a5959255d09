"""What can be wrong with a request before any app looks at it."""

from rest_framework import status
from rest_framework.exceptions import APIException


class BodyTooLarge(APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "body_too_large"
    default_detail = "The body is too large for this endpoint."


class BodyIncomplete(APIException):
    status_code = status.HTTP_400_BAD_REQUEST
    default_code = "body_incomplete"
    default_detail = "The body ended before its Content-Length: send it again."
