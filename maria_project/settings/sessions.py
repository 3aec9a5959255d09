"""Sessions of visitors."""

from datetime import timedelta

from maria_project.settings.deployment import PRODUCTION
from maria_project.settings.environment import env

VISITOR_COOKIE_NAME = "__Host-Http-maria_session" if PRODUCTION else "maria_session"
SESSION_IDLE_LIMIT = env.duration("SESSION_IDLE_LIMIT", timedelta(days=7))
SESSION_UNUSED_LIMIT = env.duration("SESSION_UNUSED_LIMIT", timedelta(hours=24))
SESSION_ABSOLUTE_LIMIT = env.duration("SESSION_ABSOLUTE_LIMIT", timedelta(days=30))
SESSION_COMPLETED_LIMIT = env.duration("SESSION_COMPLETED_LIMIT", timedelta(days=365))
CONSENT_PURPOSES: list[str] = env.list("CONSENT_PURPOSES", ["contact", "improvement"])
