"""Every setting, read once from the environment; README's table and .env.example list them.

An empty environment is a working embedded system: SQLite, local disk, an
in-process cache and the queue in the database. Production is what has a
PUBLIC_URL that is not loopback.
"""

import logging
import os
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import django_stubs_ext
from django.core.exceptions import ImproperlyConfigured
from environs import Env

from maria_project.environment import (
    exact_origins,
    generated_secret,
    is_production,
    made,
    mail_server,
    moving,
    redis_url,
    secret,
    storage,
    time_zone,
)
from maria_project.version import VERSION

# Lets Django's classes be subscripted, as in ModelAdmin[UserSession].
django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
env = Env()
env.read_env(os.environ.get("ENV_FILE", str(BASE_DIR / ".env")), recurse=False)

# Deployment -----------------------------------------------------------------

DATA_DIR = env.path("DATA_DIR", BASE_DIR / "var").absolute()
DEBUG = env.bool("DEBUG", False)
PUBLIC_URL = env.str("PUBLIC_URL", "").rstrip("/")
PRODUCTION = is_production(PUBLIC_URL)
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", 0)

SECRET_KEY = secret(env, "SECRET_KEY")
if not SECRET_KEY:
    if PRODUCTION:
        raise ImproperlyConfigured(
            "SECRET_KEY is missing. PUBLIC_URL names a real host, so set SECRET_KEY "
            "or SECRET_KEY_FILE to 50 or more random characters."
        )
    SECRET_KEY = generated_secret(DATA_DIR / "secret_key")

_public_host = urlsplit(PUBLIC_URL).hostname
ALLOWED_HOSTS = env.list(
    "ALLOWED_HOSTS",
    [_public_host, "localhost", "127.0.0.1", "[::1]"]
    if _public_host
    else ["localhost", "127.0.0.1", "[::1]"],
)
ALLOWED_ORIGINS: list[str] = [
    origin.rstrip("/") for origin in env.list("ALLOWED_ORIGINS", [PUBLIC_URL] if PUBLIC_URL else [])
]

# Application ----------------------------------------------------------------

INSTALLED_APPS = [
    # First, so that their templates and commands win over Django's.
    "backoffice_app.apps.BackofficeConfig",
    "backoffice_app.accounts",
    "backoffice_app.apps.MariaAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "corsheaders",
    "csp",
    "axes",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "django_q",
    "common.apps.CommonConfig",
    "audit_app",
    "sessions_app",
    "uploads_app",
    *([] if PRODUCTION else ["demo_app"]),
    "maria_project.apps.MariaConfig",
]

MIDDLEWARE = [
    "common.middleware.RequestContextMiddleware",
    "maria_project.middleware.note_requests",
    # Around everything that can refuse, so that a page may also read errors.
    "corsheaders.middleware.CorsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "maria_project.middleware.api_headers",
    "maria_project.middleware.length_required",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "maria_project.middleware.database_guard",
    "maria_project.middleware.staff_zone",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "backoffice_app.accounts.sessions.staff_sessions",
    "backoffice_app.accounts.pages.second_factor_first",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "maria_project.urls"
WSGI_APPLICATION = "maria_project.wsgi.application"
# API paths end in a slash; redirecting a POST to one would lose its body.
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# Database, cache, queue -----------------------------------------------------

_SQLITE = f"{DATA_DIR}/db.sqlite3"
DATABASE_URL = secret(env, "DATABASE_URL")
DATABASES: dict[str, Any] = {
    "default": env.dj_db_url("DATABASE_URL", DATABASE_URL)
    if DATABASE_URL
    else {"ENGINE": "django.db.backends.sqlite3", "NAME": _SQLITE}
}
_database = DATABASES["default"]
if _database["ENGINE"] == "django.db.backends.sqlite3":
    Path(_database["NAME"]).parent.mkdir(parents=True, exist_ok=True)
    # FULL, so that an acknowledged write survives a power cut; IMMEDIATE, so
    # that two writers wait for each other instead of failing.
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
    }
    # The last connection that closes empties the write-ahead log, so a quiet
    # server would do that in every request.
    _database["CONN_MAX_AGE"] = 60
else:
    _database.setdefault("OPTIONS", {})["connect_timeout"] = 5
    _database["CONN_HEALTH_CHECKS"] = True
    # django-q2 forks its workers, and a pool does not survive a fork: the
    # worker process must leave this off.
    if env.bool("DATABASE_POOL", False):
        from maria_project.postgresql import web_options

        _database["OPTIONS"] = web_options(_database["OPTIONS"])
    else:
        _database["CONN_MAX_AGE"] = 60
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHE_URL = secret(env, "CACHE_URL")
CACHES: dict[str, Any] = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        # Rate-limit counters live here: fewer entries would forget busy clients.
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    }
}
if CACHE_URL:
    CACHES["default"].update(
        BACKEND="maria_project.cache.SharedCache", LOCATION=redis_url("CACHE_URL", CACHE_URL)
    )

Q_CLUSTER: dict[str, Any] = {
    "name": "maria",
    "orm": "default",
    "workers": env.int("WORKER_PROCESSES", 2),
    "queue_limit": 10,
    "poll": 1,
    # A task ends itself before `timeout`; `retry` also counts waiting time.
    "timeout": 300,
    "retry": 900,
    "max_attempts": 3,
    "ack_failures": True,
    "catch_up": False,
    "save_limit": 1000,
    "label": "Worker",
}

# Files ----------------------------------------------------------------------

STORAGES: dict[str, dict[str, Any]] = {
    "uploads": storage("STORAGE_URL", secret(env, "STORAGE_URL"), DATA_DIR / "storage"),
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
if _previous_url := secret(env, "STORAGE_PREVIOUS_URL"):
    STORAGES |= moving(
        STORAGES["uploads"], storage("STORAGE_PREVIOUS_URL", _previous_url, DATA_DIR / "storage")
    )
# The page that shows the front end; `./run` builds it where Node is installed.
DEMO_PAGE = env.bool("DEMO_PAGE", not PRODUCTION)
_DEMO_BUILD = BASE_DIR / "frontend" / "demo" / "dist"
STATIC_URL = "/static/"
STATICFILES_DIRS: list[Any] = []
if DEMO_PAGE and _DEMO_BUILD.is_dir():
    STATICFILES_DIRS.append(("demo", _DEMO_BUILD))
# Static files are served from where they are installed: nothing to collect.
WHITENOISE_USE_FINDERS = True
# What the build names by its content never changes.
WHITENOISE_IMMUTABLE_FILE_TEST = r"^/static/demo/assets/[^/]+-[\w-]{8}\.\w+$"
WHITENOISE_ALLOW_ALL_ORIGINS = False

# Sessions of visitors -------------------------------------------------------

VISITOR_COOKIE_NAME = "__Host-Http-maria_session" if PRODUCTION else "maria_session"
SESSION_IDLE_LIMIT = env.timedelta("SESSION_IDLE_LIMIT", timedelta(days=7))
SESSION_UNUSED_LIMIT = env.timedelta("SESSION_UNUSED_LIMIT", timedelta(hours=24))
SESSION_ABSOLUTE_LIMIT = env.timedelta("SESSION_ABSOLUTE_LIMIT", timedelta(days=30))
SESSION_COMPLETED_LIMIT = env.timedelta("SESSION_COMPLETED_LIMIT", timedelta(days=365))
CONSENT_PURPOSES: list[str] = env.list("CONSENT_PURPOSES", ["contact", "improvement"])

# Uploads and cleanup --------------------------------------------------------

UPLOAD_TYPES: list[str] = [ext.lower().lstrip(".") for ext in env.list("UPLOAD_TYPES", ["pdf"])]
UPLOAD_MAX_BYTES = env.int("UPLOAD_MAX_BYTES", 5 * 1024 * 1024)
UPLOAD_MAX_FILES = env.int("UPLOAD_MAX_FILES", 3)
UPLOAD_MAX_TOTAL_BYTES = env.int("UPLOAD_MAX_TOTAL_BYTES", UPLOAD_MAX_FILES * UPLOAD_MAX_BYTES)
UPLOAD_RETENTION = env.timedelta("UPLOAD_RETENTION", timedelta(days=7))
COMPLETED_RETENTION = env.timedelta("COMPLETED_RETENTION", timedelta(days=365))
UPLOAD_LEASE = env.timedelta("UPLOAD_LEASE", timedelta(minutes=15))
CLEANUP_GRACE = env.timedelta("CLEANUP_GRACE", timedelta(minutes=30))
# never, until_inspected or unless_clean
HOLD_DOWNLOADS = env.str("HOLD_DOWNLOADS", "never")
# Whether browsers may send files to the store themselves, and whether they fetch them there.
DIRECT_UPLOADS = env.bool("DIRECT_UPLOADS", False)
DOWNLOADS = env.str("DOWNLOADS", "stream")
QUARANTINE_RETENTION = env.timedelta("QUARANTINE_RETENTION", timedelta(days=7))

FILE_UPLOAD_HANDLERS = [
    "uploads_app.api.parsers.SizeLimitHandler",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]
# A folder of our own: what a killed process leaves there can be told, and is swept.
FILE_UPLOAD_TEMP_DIR = made(DATA_DIR / "spool")
DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 200
DATA_UPLOAD_MAX_NUMBER_FILES = 1

# Mail -----------------------------------------------------------------------

_mail = mail_server(env)
EMAIL_BACKEND = _mail["EMAIL_BACKEND"]
EMAIL_HOST, EMAIL_PORT = _mail["EMAIL_HOST"] or "localhost", _mail["EMAIL_PORT"] or 25
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _mail["EMAIL_HOST_USER"], _mail["EMAIL_HOST_PASSWORD"]
EMAIL_USE_TLS, EMAIL_USE_SSL = _mail["EMAIL_USE_TLS"], _mail["EMAIL_USE_SSL"]
# A visitor waits for the mail server's answer.
EMAIL_TIMEOUT = 8
ALARM_EMAILS: list[str] = env.list("ALARM_EMAILS", [])
DEFAULT_FROM_EMAIL = env.str("MAIL_FROM", f"Maria <maria@{_public_host or 'localhost'}>")

# Audit log ------------------------------------------------------------------

# The most events that staff take out as one file.
AUDIT_EXPORT_ROWS = env.int("AUDIT_EXPORT_ROWS", 100_000)

# Limits, per client address or per session ----------------------------------

RATE_LIMITS: dict[str, list[str]] = {
    "create": env.list("RATE_LIMIT_CREATE", ["30/m", "600/h"]),
    "validate": env.list("RATE_LIMIT_VALIDATE", ["60/m"]),
    "recover": env.list("RATE_LIMIT_RECOVER", ["10/h"]),
    "failed_proof": env.list("RATE_LIMIT_FAILED_PROOF", ["60/m"]),
    "session": env.list("RATE_LIMIT_SESSION", ["300/m"]),
    "upload": env.list("RATE_LIMIT_UPLOAD", ["20/m"]),
    "export": env.list("RATE_LIMIT_EXPORT", ["10/h"]),
    "email": env.list("RATE_LIMIT_EMAIL", ["6/h"]),
    "service": env.list("RATE_LIMIT_SERVICE", ["1200/m"]),
}
RATE_LIMIT_TRUSTED_NETWORKS: list[str] = env.list("RATE_LIMIT_TRUSTED_NETWORKS", [])
RATE_LIMIT_TRUSTED_FACTOR = env.int("RATE_LIMIT_TRUSTED_FACTOR", 10)

# API ------------------------------------------------------------------------

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
    "DESCRIPTION": "Sessions, uploads and audit history of visitors who talk to Maria.",
    "VERSION": VERSION,
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "SessionStatus": "sessions_app.models.SessionStatus",
        "UploadStatus": "uploads_app.models.UploadStatus",
        "Inspection": "uploads_app.models.Inspection",
        "Suspicion": "uploads_app.models.Suspicion",
    },
}

# Pages of other origins -----------------------------------------------------

CORS_ALLOWED_ORIGIN_REGEXES = exact_origins(ALLOWED_ORIGINS)
# Not what staff and Maria's own back end read: no page of another origin needs it.
CORS_URLS_REGEX = r"^/api/(?!v1/(?:audit-logs|service)/)"
CORS_ALLOW_CREDENTIALS = True
CORS_ALLOW_METHODS = ["GET", "HEAD", "POST", "PATCH", "DELETE"]
CORS_ALLOW_HEADERS = ["authorization", "content-type", "idempotency-key", "x-session-uuid"]
CORS_EXPOSE_HEADERS = [
    "Content-Disposition",
    # By which a page learns how wrong its own clock is.
    "Date",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "X-Request-ID",
]
CORS_PREFLIGHT_MAX_AGE = 2 * 60 * 60

# Security -------------------------------------------------------------------

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "admin:login"
SESSION_COOKIE_NAME = "maria_staff"
STAFF_IDLE_LIMIT = env.timedelta("STAFF_IDLE_LIMIT", timedelta(hours=1))
STAFF_SESSION_LIMIT = env.timedelta("STAFF_SESSION_LIMIT", timedelta(hours=12))
SESSION_COOKIE_AGE = int(STAFF_IDLE_LIMIT.total_seconds())
# optional or required
STAFF_SECOND_FACTOR = env.str("STAFF_SECOND_FACTOR", "optional")
OTP_TOTP_ISSUER = "Maria back office"
# As many failures under a name, or from an address, within this time stop further ones.
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_HANDLER = "backoffice_app.accounts.throttle.Throttle"
AXES_USERNAME_CALLABLE = "backoffice_app.accounts.throttle.counted_name"
AXES_CLIENT_IP_CALLABLE = "backoffice_app.accounts.throttle.counted_address"
AXES_LOCKOUT_PARAMETERS = "backoffice_app.accounts.throttle.lockout_parameters"
AXES_LOCKOUT_CALLABLE = "backoffice_app.accounts.throttle.locked_out_page"
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
# A message may show a secret once; what does not fit the cookie would go to the database.
MESSAGE_STORAGE = "django.contrib.messages.storage.cookie.CookieStorage"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PRODUCTION
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL] if PUBLIC_URL else []
SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60 if PRODUCTION else 0
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
        "object-src": ["'none'"],
    }
}

# Metrics --------------------------------------------------------------------

METRICS_TOKEN = secret(env, "METRICS_TOKEN")
METRICS_NETWORKS: list[str] = env.list("METRICS_NETWORKS", ["127.0.0.0/8", "::1/128"])
# Read by prometheus-client itself, which wants the folder to be there.
PROMETHEUS_MULTIPROC_DIR = env.str("PROMETHEUS_MULTIPROC_DIR", "")
if PROMETHEUS_MULTIPROC_DIR:
    Path(PROMETHEUS_MULTIPROC_DIR).mkdir(parents=True, exist_ok=True)

# Language and time ----------------------------------------------------------

LANGUAGE_CODE = "en"
USE_TZ = True
FORMAT_MODULE_PATH = "maria_project.formats"
TIME_ZONE = time_zone(env)

# Logs: one JSON object a line -----------------------------------------------

LOG_LEVEL = env.log_level("LOG_LEVEL", logging.INFO)
LOG_FILE = env.str("LOG_FILE", "")
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"context": {"()": "maria_project.logs.ContextFilter"}},
    "formatters": {
        "json": {
            "()": "maria_project.logs.RedactingJsonFormatter",
            "fmt": "%(asctime)s %(levelname)s %(name)s %(message)s",
            "rename_fields": {"asctime": "time", "levelname": "level", "name": "logger"},
        },
    },
    "handlers": {
        "log": {
            "filters": ["context"],
            "formatter": "json",
            # Watched, so that a rotated file is reopened by every process.
            **(
                {"class": "logging.handlers.WatchedFileHandler", "filename": LOG_FILE}
                if LOG_FILE
                else {"class": "logging.StreamHandler"}
            ),
        },
    },
    "root": {"handlers": ["log"], "level": LOG_LEVEL},
    "loggers": {
        "django": {"handlers": [], "propagate": True},
        "django.server": {"handlers": [], "propagate": True},
        "django-q": {"handlers": [], "propagate": True},
        # What they say at DEBUG holds signatures, addresses that open a file, and file names.
        **{
            name: {"level": max(LOG_LEVEL, logging.INFO)}
            for name in ("boto3", "botocore", "s3transfer", "urllib3")
        },
        # At each sign-in it tells how it counts.
        "axes": {"level": max(LOG_LEVEL, logging.WARNING)},
    },
}
