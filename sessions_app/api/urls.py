from django.urls import path

from sessions_app.api.service_views import FeedViewSet, IntrospectionViewSet
from sessions_app.api.views import ActivityViewSet, CurrentSessionViewSet, SessionViewSet

urlpatterns = [
    path("sessions/", SessionViewSet.as_view({"post": "create"}), name="session-list"),
    path(
        "sessions/validate/",
        SessionViewSet.as_view({"post": "validate"}),
        name="session-validate",
    ),
    path("sessions/recover/", SessionViewSet.as_view({"post": "recover"}), name="session-recover"),
    path(
        "sessions/current/",
        CurrentSessionViewSet.as_view(
            {"get": "retrieve", "patch": "partial_update", "delete": "destroy"}
        ),
        name="session-current",
    ),
    path(
        "sessions/current/email/",
        CurrentSessionViewSet.as_view({"post": "send_code"}),
        name="session-email",
    ),
    path(
        "sessions/current/email/verify/",
        CurrentSessionViewSet.as_view({"post": "verify_code"}),
        name="session-email-verify",
    ),
    path(
        "sessions/current/reset/",
        CurrentSessionViewSet.as_view({"post": "reset"}),
        name="session-reset",
    ),
    path(
        "sessions/current/export/",
        CurrentSessionViewSet.as_view({"get": "export"}),
        name="session-export",
    ),
    path(
        "sessions/current/activity/",
        ActivityViewSet.as_view({"get": "list"}),
        name="session-activity",
    ),
    path(
        "sessions/current/assertion/",
        CurrentSessionViewSet.as_view({"post": "assertion"}),
        name="session-assertion",
    ),
    path(
        "service/sessions/introspect/",
        IntrospectionViewSet.as_view({"post": "introspect"}),
        name="service-introspect",
    ),
    path("service/events/", FeedViewSet.as_view({"get": "follow"}), name="service-events"),
]
