"""Creates the first superuser, who can open the admin."""

import secrets
from dataclasses import dataclass

from django.contrib.auth import get_user_model
from django.db import IntegrityError

from backoffice_app.accounts import changes
from common.context import as_operator

DEFAULT_USERNAME = "maria"


@dataclass(frozen=True)
class Login:
    username: str
    password: str


def create_first_staff(username: str, password: str) -> Login | None:
    """Create a superuser unless one exists; return its log-in, or None.

    An empty name means `maria`, an empty password means a random one.
    """
    if _exists():
        return None
    login = Login(username or DEFAULT_USERNAME, password or secrets.token_urlsafe(12))
    try:
        with as_operator(), changes.recorded():
            get_user_model().objects.create_superuser(login.username, password=login.password)
    except IntegrityError:
        # Hosts that start at the same moment all find no superuser; one of them creates it.
        if _exists():
            return None
        raise
    return login


def _exists() -> bool:
    return get_user_model().objects.filter(is_superuser=True).exists()
