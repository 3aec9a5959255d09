"""Rate limits per client address, session, e-mail address or service key, and the audit export's size."""

from maria_project.settings.environment import env

RATE_LIMITS: dict[str, list[str]] = {
    "create": env.list("RATE_LIMIT_CREATE", ["30/m", "600/h"]),
    "validate": env.list("RATE_LIMIT_VALIDATE", ["60/m"]),
    "recover": env.list("RATE_LIMIT_RECOVER", ["10/h"]),
    "failed_proof": env.list("RATE_LIMIT_FAILED_PROOF", ["60/m"]),
    "session": env.list("RATE_LIMIT_SESSION", ["300/m"]),
    "revision": env.list("RATE_LIMIT_REVISION", ["120/m"]),
    "upload": env.list("RATE_LIMIT_UPLOAD", ["20/m"]),
    "export": env.list("RATE_LIMIT_EXPORT", ["10/h"]),
    "email": env.list("RATE_LIMIT_EMAIL", ["6/h"]),
    "staff_search": env.list("RATE_LIMIT_STAFF_SEARCH", ["30/10m"]),
    "service": env.list("RATE_LIMIT_SERVICE", ["1200/m"]),
}
RATE_LIMIT_TRUSTED_NETWORKS: list[str] = env.list("RATE_LIMIT_TRUSTED_NETWORKS", [])
RATE_LIMIT_TRUSTED_FACTOR = env.int("RATE_LIMIT_TRUSTED_FACTOR", 10)

# The most events in one exported file.
