"""Sessions and service keys in the admin."""

from sessions_app.admin.service_keys import ServiceKeyAdmin
from sessions_app.admin.session_actions import ERASE_PRESETS
from sessions_app.admin.sessions import UserSessionAdmin

__all__ = ["ERASE_PRESETS", "ServiceKeyAdmin", "UserSessionAdmin"]
