"""Sessions and service keys in the admin."""

from sessions_app.admin.service_keys import ServiceKeyAdmin
from sessions_app.admin.sessions import UserSessionAdmin

__all__ = ["ServiceKeyAdmin", "UserSessionAdmin"]
