"""The product's database and users, and no more around the admin than `startproject` puts there."""

from maria_project.settings import *  # noqa: F403
from maria_project.settings import DATABASES, INSTALLED_APPS, TEMPLATES

# Without the one that holds our pages: Django's own are shown.
INSTALLED_APPS = [
    *(app for app in INSTALLED_APPS if app != "maria_project.apps.MariaConfig"),
    "auditlog",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "benchmarks.stock.urls"
TEMPLATES = [{**TEMPLATES[0], "DIRS": []}]
SILENCED_SYSTEM_CHECKS = ["axes.W002"]
PATIENCE_SECONDS = 30
DATABASES["default"]["OPTIONS"]["options"] = f"-c statement_timeout={PATIENCE_SECONDS}s"
