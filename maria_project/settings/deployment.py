"""Where the product runs: data folder, public address, secret key, time zone."""

from datetime import timedelta
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from maria_project.settings.environment import (
    BASE_DIR,
    env,
    generated_secret,
    is_production,
    secret,
    time_zone,
)

DATA_DIR = env.path("DATA_DIR", BASE_DIR / "var").absolute()
DEBUG = env.bool("DEBUG", False)
PUBLIC_URL = env.str("PUBLIC_URL", "").rstrip("/")
PRODUCTION = is_production(PUBLIC_URL)
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", 0)
WEB_PROCESSES = env.int("WEB_PROCESSES", 1)
# How long `/health/ready` says 503 before the web processes stop.
DRAIN_TIME = env.duration("DRAIN_TIME", timedelta(0))

SECRET_KEY = secret(env, "SECRET_KEY")
if not SECRET_KEY:
    if PRODUCTION:
        raise ImproperlyConfigured(
            "SECRET_KEY is missing. PUBLIC_URL names a real host, so set SECRET_KEY "
            "or SECRET_KEY_FILE to 50 or more random characters."
        )
    SECRET_KEY = generated_secret(DATA_DIR / "secret_key")

# Keys of before, which still verify what they signed.
SECRET_KEY_FALLBACKS: list[str] = secret(env, "SECRET_KEY_FALLBACKS").replace(",", " ").split()

PUBLIC_HOST = urlsplit(PUBLIC_URL).hostname
# In production the middleware `known_host` accepts the hosts of this machine where they are needed.
ALLOWED_HOSTS = env.list(
    "ALLOWED_HOSTS",
    [PUBLIC_HOST] if PRODUCTION and PUBLIC_HOST else ["localhost", "127.0.0.1", "[::1]"],
)
ALLOWED_ORIGINS: list[str] = [
    origin.rstrip("/") for origin in env.list("ALLOWED_ORIGINS", [PUBLIC_URL] if PUBLIC_URL else [])
]

LANGUAGE_CODE = "en"
USE_TZ = True
FORMAT_MODULE_PATH = "maria_project.formats"
TIME_ZONE = time_zone(env)
