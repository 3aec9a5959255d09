"""The URLs of the product."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from audit_app.views import seal_keys
from maria_project import pages
from maria_project.health import views as health
from maria_project.metrics import metrics

urlpatterns = [
    # First, because most requests are for the API. Each address is compared with these in turn.
    path("api/v1/sessions/", include("sessions_app.api.urls")),
    path("api/v1/uploads/", include("uploads_app.api.urls")),
    path("api/v1/service/", include("sessions_app.api.service_urls")),
    path("api/v1/service/", include("uploads_app.api.service_urls")),
    path("api/v1/", include("audit_app.urls")),
    path("", pages.home, name="home"),
    path("about/", pages.about, name="about"),
    path("admin", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("api/schema/", pages.schema, name="schema"),
    path("api/docs/", pages.api_docs, name="docs"),
    path("health/live", health.live, name="live"),
    path("health/ready", health.ready, name="ready"),
    path("seal/keys.json", seal_keys, name="seal-keys"),
    path("metrics", metrics, name="metrics"),
]

handler400 = "maria_project.problems.bad_request"
handler404 = "maria_project.problems.page_not_found"
handler500 = "maria_project.problems.server_error"
