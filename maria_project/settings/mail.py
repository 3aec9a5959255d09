"""Mail server and addresses."""

from maria_project.settings.deployment import PUBLIC_HOST
from maria_project.settings.environment import env, mail_server

_mail = mail_server(env)
EMAIL_BACKEND = _mail["EMAIL_BACKEND"]
EMAIL_HOST, EMAIL_PORT = _mail["EMAIL_HOST"] or "localhost", _mail["EMAIL_PORT"] or 25
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _mail["EMAIL_HOST_USER"], _mail["EMAIL_HOST_PASSWORD"]
EMAIL_USE_TLS, EMAIL_USE_SSL = _mail["EMAIL_USE_TLS"], _mail["EMAIL_USE_SSL"]
# Seconds. A visitor waits for the mail server's answer.
EMAIL_TIMEOUT = 8
ALERT_EMAILS: list[str] = env.list("ALERT_EMAILS", [])
DEFAULT_FROM_EMAIL = env.str("MAIL_FROM", f"Maria <maria@{PUBLIC_HOST or 'localhost'}>")
