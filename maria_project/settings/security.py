"""Staff sign-in, cookies and security headers."""

from datetime import timedelta

from maria_project.settings.deployment import PRODUCTION, PUBLIC_URL, TRUSTED_PROXIES
from maria_project.settings.environment import env, remove_secret, secret

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
SESSION_ENGINE = "backoffice_app.accounts.session_store"
# Browsers accept this prefix only with Secure, without Domain, and for the path `/`: another
# host of the same domain cannot set these cookies. SameSite stays Lax, Django's default, so that
# a link in an alert mail opens the page.
_HOST = "__Host-" if PRODUCTION else ""
SESSION_COOKIE_NAME = f"{_HOST}maria_staff"
CSRF_COOKIE_NAME = f"{_HOST}csrftoken"
MESSAGES_COOKIE_NAME = f"{_HOST}messages"
KNOWN_BROWSER_COOKIE_NAME = f"{_HOST}maria_staff_known"
STAFF_IDLE_LIMIT = env.duration("STAFF_IDLE_LIMIT", timedelta(hours=1))
STAFF_SESSION_LIMIT = env.duration("STAFF_SESSION_LIMIT", timedelta(hours=12))
SESSION_COOKIE_AGE = int(STAFF_IDLE_LIMIT.total_seconds())
# The first staff user. Not in the environment, which this process passes to its own.
STAFF_USERNAME, STAFF_PASSWORD = env.str("STAFF_USERNAME", ""), secret(env, "STAFF_PASSWORD")
remove_secret("STAFF_PASSWORD")
# optional or required
STAFF_SECOND_FACTOR = env.str("STAFF_SECOND_FACTOR", "optional")
OTP_TOTP_ISSUER = "Maria back office"
# After so many failures for a user name or an address, sign-in is locked for this time.
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_HANDLER = "backoffice_app.accounts.throttle.Throttle"
AXES_USERNAME_CALLABLE = "backoffice_app.accounts.throttle.counted_name"
AXES_CLIENT_IP_CALLABLE = "backoffice_app.accounts.throttle.counted_address"
AXES_LOCKOUT_PARAMETERS = "backoffice_app.accounts.throttle.lockout_parameters"
AXES_LOCKOUT_CALLABLE = "backoffice_app.accounts.throttle.locked_out_page"
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
MESSAGE_STORAGE = "backoffice_app.messages.PrefixedCookieStorage"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PRODUCTION
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL] if PUBLIC_URL else []
SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60 if PRODUCTION else 0
# Off: another host of the domain may not offer HTTPS.
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("HSTS_INCLUDE_SUBDOMAINS", False)
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
X_FRAME_OPTIONS = "DENY"
# No page of the product needs these, so a script that gets into one cannot use them.
PERMISSIONS_POLICY = ", ".join(
    f"{feature}=()"
    for feature in (
        "accelerometer", "camera", "display-capture", "geolocation", "gyroscope",
        "magnetometer", "microphone", "midi", "payment", "usb",
    )
)  # fmt: skip
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
        "object-src": ["'none'"],
    }
}
