"""Staff accounts as an application, named before Django's own so that its commands are found first."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "maria_project.accounts"
    verbose_name = "Staff accounts"

    def ready(self) -> None:
        # They connect their receivers.
        from maria_project.accounts import changes, sessions, throttle  # noqa: F401
