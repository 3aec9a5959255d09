"""The product's database and users with the default settings of `startproject` for the admin."""

from pathlib import Path

import auditlog
from django.contrib import admin

from maria_project import postgresql
from maria_project.settings import *  # noqa: F403
from maria_project.settings.apps import INSTALLED_APPS, TEMPLATES
from maria_project.settings.database import DATABASES

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
# Our apps override templates of the admin, some by the name of a model: use only Django's own.
_PACKAGES = [Path(str(package.__file__)).parent for package in (admin, auditlog)]
TEMPLATES = [
    {**TEMPLATES[0], "APP_DIRS": False, "DIRS": [folder / "templates" for folder in _PACKAGES]}
]
SILENCED_SYSTEM_CHECKS = ["axes.W002"]
# Its pages may take longer than the deadlines of a web process.
PATIENCE_SECONDS = postgresql.DEADLINE_SECONDS = 30
DATABASES["default"]["OPTIONS"]["options"] = f"-c statement_timeout={PATIENCE_SECONDS}s"
