"""Staff accounts as an app. It precedes Django's, so that its commands are found first."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "backoffice_app.accounts"
    verbose_name = "Staff accounts"

    def ready(self) -> None:
        # Importing connects their receivers.
        from backoffice_app.accounts import changes, sessions, throttle  # noqa: F401
