from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class BackofficeConfig(AppConfig):
    name = "backoffice_app"
    verbose_name = "Back office"

    def ready(self) -> None:
        from backoffice_app import events  # noqa: F401  (registers itself)


class MariaAdminConfig(AdminConfig):
    default_site = "backoffice_app.admin_site.MariaAdminSite"

    def ready(self) -> None:
        """Register our pages after those of all apps, because they replace pages of libraries."""
        super().ready()
        from backoffice_app import registrations  # noqa: F401  (registers itself)
