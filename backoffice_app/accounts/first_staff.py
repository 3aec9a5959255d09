"""Creates the first superuser, who can open the admin."""

import secrets
from dataclasses import dataclass

from django.contrib.auth import get_user_model

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
    users = get_user_model().objects
    if users.filter(is_superuser=True).exists():
        return None
    login = Login(username or DEFAULT_USERNAME, password or secrets.token_urlsafe(12))
    with as_operator(), changes.recorded():
        users.create_superuser(username=login.username, password=login.password)
    return login
