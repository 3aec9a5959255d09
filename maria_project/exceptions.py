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


class DatabaseUnavailable(APIException):
    """The database did not answer, or could not serve this request beside others.

    If it failed while a change was committed, nobody knows whether it was.
    """

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_code = "database_unavailable"
    default_detail = (
        "The database is not available just now: try again soon. "
        "A change may have been made all the same."
    )
    wait = 5
