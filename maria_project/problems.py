"""Errors as RFC 9457 problem documents.

Members: `type`, `title`, `status`, `detail`, `code`, `request_id`; for invalid
input also `errors` (field → list of code and detail), and the `extensions` of
the exception.
"""

import sys
from http import HTTPStatus
from typing import Any

from django.core.exceptions import (
    BadRequest,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.template import loader
from django.views import defaults
from drf_standardized_errors.formatter import ExceptionFormatter
from drf_standardized_errors.handler import ExceptionHandler
from drf_standardized_errors.types import ErrorResponse
from rest_framework import exceptions
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response

from audit_app.services import record_refusal
from common import context
from maria_project import database
from maria_project.exceptions import BodyIncomplete, BodyTooLarge, DatabaseUnavailable
from maria_project.refusals import refusal_of

CONTENT_TYPE = "application/problem+json"
API_PREFIX = "/api/"
URLS_PREFIX = "urn:maria:problem:"

# Details for errors of the framework. Our exceptions have their own.
SENTENCES = {
    "invalid_input": "Some fields are not valid. See “errors”.",
    "malformed_body": "The body cannot be parsed. Send one well-formed document of a type that this endpoint accepts.",
    "not_authenticated": "Sign in to the admin first.",
    "permission_denied": "You do not have permission to do this.",
    "not_found": "This address does not exist. API paths end in a slash.",
    "method_not_allowed": "This address does not support this method. See the Allow header.",
    "not_acceptable": "This endpoint answers only in JSON.",
    "unsupported_media_type": "This endpoint does not accept this Content-Type.",
    "internal_error": "An internal error occurred. Give the request id to support.",
}
_FRAMEWORK_CODES = {
    exceptions.ValidationError: "invalid_input",
    exceptions.ParseError: "malformed_body",
    exceptions.NotAuthenticated: "not_authenticated",
    exceptions.AuthenticationFailed: "not_authenticated",
    exceptions.PermissionDenied: "permission_denied",
    exceptions.NotFound: "not_found",
    exceptions.MethodNotAllowed: "method_not_allowed",
    exceptions.NotAcceptable: "not_acceptable",
    exceptions.UnsupportedMediaType: "unsupported_media_type",
}


def problem(status_code: int, code: str, detail: str, **extensions: Any) -> dict[str, Any]:
    return {
        "type": URLS_PREFIX + code,
        "title": HTTPStatus(status_code).phrase,
        "status": status_code,
        "detail": detail,
        "code": code,
        "request_id": context.current().request_id,
        **extensions,
    }


class ProblemFormatter(ExceptionFormatter):
    def format_error_response(self, error_response: ErrorResponse) -> dict[str, Any]:
        exc = self.exc
        code = _FRAMEWORK_CODES.get(type(exc)) or str(exc.default_code)
        if type(exc) is exceptions.APIException:
            code = "internal_error"
        extensions = dict(getattr(exc, "extensions", {}))
        if isinstance(exc, exceptions.ValidationError):
            extensions["errors"] = _by_field(error_response)
        detail = SENTENCES.get(code) or str(exc.detail)
        return problem(exc.status_code, code, detail, **extensions)


class ProblemHandler(ExceptionHandler):
    """Answer every exception of an API view with a problem document, including those that DRF does not handle.

    A refusal is recorded in the audit log here, after the view's transaction is rolled back.
    """

    def run(self) -> Response | None:
        try:
            if refusal := refusal_of(self.exc):
                record_refusal(refusal)
        except (DatabaseError, InterfaceError) as error:  # no refusal without its record
            self.exc = error
        return super().run()

    def convert_known_exceptions(self, exc: Exception) -> Exception:
        match exc:
            case RequestDataTooBig():
                return BodyTooLarge()
            case DatabaseError() | InterfaceError() if database.failed(exc):
                return DatabaseUnavailable()
            case UnreadablePostError():
                return BodyIncomplete()
            case SuspiciousOperation() | BadRequest() | MultiPartParserError():
                return exceptions.ParseError()
        return super().convert_known_exceptions(exc)

    def report_exception(self, exc: exceptions.APIException, response: Response) -> None:
        """Log no traceback of a 503: its cause is logged where it was found."""
        if exc.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
            super().report_exception(exc, response)

    def get_response(self, exc: exceptions.APIException, data: dict[str, Any]) -> Response:
        # A problem document is JSON, even if the endpoint renders YAML or HTML.
        if request := self.context["request"]:
            request.accepted_renderer, request.accepted_media_type = JSONRenderer(), CONTENT_TYPE
        response = super().get_response(exc, data)
        response.content_type = CONTENT_TYPE
        return response


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 400 for errors before URL resolution, like an unknown Host."""
    if not request.path.startswith(API_PREFIX):
        return defaults.bad_request(request, exception)
    return respond(400, "malformed_body", SENTENCES["malformed_body"])


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 404 for an unknown address, with the same body as for a foreign object."""
    if not request.path.startswith(API_PREFIX):
        return defaults.page_not_found(request, exception)
    return respond(404, "not_found", SENTENCES["not_found"])


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 500 for errors outside an API view, or 503 if the database failed."""
    error = sys.exc_info()[1]
    if error and database.failed(error):
        return database_unavailable(request)
    if not request.path.startswith(API_PREFIX):
        return defaults.server_error(request)
    return respond(500, "internal_error", SENTENCES["internal_error"])


def database_unavailable(request: HttpRequest) -> HttpResponse:
    """Answer 503 without a query."""
    error = DatabaseUnavailable
    if request.path.startswith(API_PREFIX):
        return refuse(error)
    response = HttpResponse(loader.render_to_string("503.html"), status=error.status_code)
    response["Retry-After"] = str(error.wait)
    return response


def refuse(error: type[exceptions.APIException]) -> HttpResponse:
    """Answer with an error of ours outside a view."""
    response = respond(error.status_code, error.default_code, str(error.default_detail))
    if wait := getattr(error, "wait", None):
        response["Retry-After"] = str(wait)
    return response


def respond(status_code: int, code: str, detail: str) -> JsonResponse:
    """Answer with a problem document outside a view."""
    return JsonResponse(
        problem(status_code, code, detail),
        status=status_code,
        content_type=CONTENT_TYPE,
        json_dumps_params={"separators": (",", ":")},
    )


def _by_field(error_response: ErrorResponse) -> dict[str, list[dict[str, str]]]:
    fields: dict[str, list[dict[str, str]]] = {}
    for error in error_response.errors:
        fields.setdefault(error.attr or "body", []).append(
            {"code": error.code, "detail": error.detail}
        )
    return fields
