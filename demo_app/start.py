"""What `./run --demo` prepares: invented sessions, and staff users with new passwords."""

import secrets

from django.contrib.auth import get_user_model
from django.core.management import call_command

from backoffice_app.accounts import changes
from backoffice_app.accounts.first_staff import Login
from common.context import as_operator
from demo_app.writing import refuse_real_data
from sessions_app.models import UserSession

SESSIONS = 200
SUPERUSER = "demo-admin"
# Seeded by seed_demo without a usable password.
STAFF = ("demo-support", "demo-auditor", "demo-operator")


def prepare() -> list[Login]:
    """Seed an empty database and return the log-ins of this start. Raises SeedRefused."""
    refuse_real_data()
    if not UserSession.objects.exists():
        call_command("seed_demo", sessions=SESSIONS)
    logins = [Login(username, secrets.token_urlsafe(12)) for username in (*STAFF, SUPERUSER)]
    for login in logins:
        _set_password(login)
    return logins


def _set_password(login: Login) -> None:
    is_superuser = login.username == SUPERUSER
    with as_operator(), changes.recorded():
        user, _ = get_user_model().objects.get_or_create(
            username=login.username, defaults={"is_staff": True, "is_superuser": is_superuser}
        )
        user.set_password(login.password)
        user.save()
