"""Errors of a request before a view handles it."""

from rest_framework import status
from rest_framework.exceptions import APIException


class BodyTooLarge(APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "body_too_large"
    default_detail = "The body is too large for this endpoint."


class BodyIncomplete(APIException):
    status_code = status.HTTP_400_BAD_REQUEST
    default_code = "body_incomplete"
    default_detail = "The body is shorter than its Content-Length. Send the request again."


class CharsetNotSupported(APIException):
    status_code = status.HTTP_415_UNSUPPORTED_MEDIA_TYPE
    default_code = "charset_not_supported"
    default_detail = "Content-Type must be readable, and its charset UTF-8 or US-ASCII."


class ServerBusy(APIException):
    """Too many bytes of unfinished bodies, from this client address or from all."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_code = "server_busy"
    default_detail = "The server is receiving too many files. Nothing was changed. Try again soon."
    wait = 10


class DatabaseUnavailable(APIException):
    """The database did not answer, is read-only, or a lock or deadlock ended the statement.

    If the connection was lost during a commit, it is unknown whether the change was saved.
    """

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_code = "database_unavailable"
    default_detail = (
        "The database is not available. Try again soon. Your last change may have been saved."
    )
    wait = 5
