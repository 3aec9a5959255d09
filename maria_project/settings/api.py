"""REST framework, error documents, OpenAPI and CORS."""

import sys

from maria_project.settings.deployment import ALLOWED_ORIGINS
from maria_project.settings.environment import exact_origins
from maria_project.version import VERSION

REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["maria_project.parsers.StrictJSONParser"],
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_SCHEMA_CLASS": "maria_project.schema.ProblemAutoSchema",
    "EXCEPTION_HANDLER": "drf_standardized_errors.handler.exception_handler",
}
DRF_STANDARDIZED_ERRORS = {
    "EXCEPTION_HANDLER_CLASS": "maria_project.problems.ProblemHandler",
    "EXCEPTION_FORMATTER_CLASS": "maria_project.problems.ProblemFormatter",
    "ENABLE_IN_DEBUG_FOR_UNHANDLED_EXCEPTIONS": True,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Maria sessions",
    "DESCRIPTION": "Sessions, uploads and audit log of visitors who talk to Maria.",
    "VERSION": VERSION,
    "DEFAULT_GENERATOR_CLASS": "maria_project.schema.DescribedGenerator",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    # In the order in which the documentation shows them.
    "TAGS": [
        {"name": "sessions", "description": "The visitor's session."},
        {"name": "uploads", "description": "The files of the visitor's session."},
        {"name": "service", "description": "For the agent's back end, with a service key."},
        {"name": "audit", "description": "The audit log, for signed-in staff."},
    ],
    "ENUM_NAME_OVERRIDES": {
        "SessionStatus": "sessions_app.models.SessionStatus",
        "UploadStatus": "uploads_app.models.UploadStatus",
        "Inspection": "uploads_app.models.Inspection",
        "Suspicion": "uploads_app.models.Suspicion",
    },
}

# REST framework would import it for fields that no model has: 1 MiB, and 9 MiB without PostgreSQL.
sys.modules["django.contrib.postgres"] = None  # type: ignore[assignment]

CORS_ALLOWED_ORIGIN_REGEXES = exact_origins(ALLOWED_ORIGINS)
# Pages of other origins do not need the audit log or the service endpoints.
CORS_URLS_REGEX = r"^/api/(?!v1/(?:audit-logs|service)/)"
CORS_ALLOW_CREDENTIALS = True
CORS_ALLOW_METHODS = ["GET", "HEAD", "POST", "PATCH", "DELETE"]
CORS_ALLOW_HEADERS = [
    "authorization",
    "content-type",
    "idempotency-key",
    "if-none-match",
    "x-session-uuid",
]
CORS_EXPOSE_HEADERS = [
    "Content-Disposition",
    # Lets a page correct its own clock.
    "Date",
    "ETag",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "X-Request-ID",
]
CORS_PREFLIGHT_MAX_AGE = 2 * 60 * 60
