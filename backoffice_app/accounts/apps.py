"""Staff accounts as an app. It precedes Django's, so that its commands are found first."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class AccountsConfig(AppConfig):
    name = "backoffice_app.accounts"
    verbose_name = "Staff accounts"

    def ready(self) -> None:
        # Importing connects their receivers.
        from backoffice_app.accounts import changes, sessions, throttle  # noqa: F401

        post_migrate.connect(prepare, sender=self)


def prepare(**_: Any) -> None:
    """Mask the secrets of second factors with the newest SECRET_KEY."""
    from backoffice_app.accounts.models import renew_masks

    renew_masks()
