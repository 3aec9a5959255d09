"""Staff accounts as an application, named before Django's own so that its commands are found first."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "backoffice_app.accounts"
    verbose_name = "Staff accounts"

    def ready(self) -> None:
        # They connect their receivers.
        from backoffice_app.accounts import changes, sessions, throttle  # noqa: F401
