"""Logs, one JSON object per line, and metrics."""

import logging
from typing import Any

from maria_project.settings.environment import env, secret

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
            # Every process reopens the file after a rotation.
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
        # At DEBUG they log signatures, presigned URLs and file names.
        **{
            name: {"level": max(LOG_LEVEL, logging.INFO)}
            for name in ("boto3", "botocore", "s3transfer", "urllib3")
        },
        # At INFO it logs its counters at each sign-in.
        "axes": {"level": max(LOG_LEVEL, logging.WARNING)},
    },
}

METRICS_TOKEN = secret(env, "METRICS_TOKEN")
METRICS_NETWORKS: list[str] = env.list("METRICS_NETWORKS", ["127.0.0.0/8", "::1/128"])
