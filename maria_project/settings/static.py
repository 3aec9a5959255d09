"""Static files and the demo page."""

from typing import Any

from maria_project.settings.deployment import PRODUCTION
from maria_project.settings.environment import BASE_DIR, env

# The page at / that shows the front end. `./run` builds it if Node.js is installed.
DEMO_PAGE = env.bool("DEMO_PAGE", not PRODUCTION)
_DEMO_BUILD = BASE_DIR / "frontend" / "demo" / "dist"
STATIC_URL = "/static/"
STATICFILES_DIRS: list[Any] = []
if DEMO_PAGE and _DEMO_BUILD.is_dir():
    STATICFILES_DIRS.append(("demo", _DEMO_BUILD))
# Serve static files from their packages, without collectstatic.
WHITENOISE_USE_FINDERS = True
# Files with a content hash in their name never change.
WHITENOISE_IMMUTABLE_FILE_TEST = r"^/static/demo/assets/[^/]+-[\w-]{8}\.\w+$"
WHITENOISE_ALLOW_ALL_ORIGINS = False
