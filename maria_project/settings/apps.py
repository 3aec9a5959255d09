"""Installed apps, middleware and templates."""

from maria_project.settings.deployment import PRODUCTION

INSTALLED_APPS = [
    # First, so that their templates and commands override those of Django.
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
    "common.apps.CommonConfig",
    "django_q",
    "audit_app",
    "sessions_app",
    "uploads_app",
    *([] if PRODUCTION else ["demo_app"]),
    "maria_project.apps.MariaConfig",
]

_EVERYBODY = [
    "common.middleware.RequestContextMiddleware",
    "maria_project.middleware.note_requests",
    # Outside everything that can answer an error, so that other origins can read errors.
    "maria_project.middleware.CrossOrigin",
    "maria_project.headers.StandardHeaders",
    "maria_project.middleware.known_host",
    "maria_project.middleware.refuse_early",
]
_DATABASE_GUARD = "maria_project.middleware.database_guard"
# The requests of visitors and services need no static files, no sign-in and no token of a form
# (maria_project/handlers.py).
VISITOR_MIDDLEWARE = [*_EVERYBODY, _DATABASE_GUARD]
MIDDLEWARE = [
    *_EVERYBODY,
    "whitenoise.middleware.WhiteNoiseMiddleware",
    _DATABASE_GUARD,
    "maria_project.middleware.staff_zone",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "backoffice_app.accounts.sessions.staff_sessions",
    "backoffice_app.accounts.pages.second_factor_first",
    "django.contrib.messages.middleware.MessageMiddleware",
    "axes.middleware.AxesMiddleware",
]

# `StandardHeaders` sets what these checks want SecurityMiddleware and XFrameOptionsMiddleware for.
SILENCED_SYSTEM_CHECKS = ["security.W001", "security.W002"]

ROOT_URLCONF = "maria_project.urls"
WSGI_APPLICATION = "maria_project.wsgi.application"
# A redirect to a path with a slash would lose the body of a POST.
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
