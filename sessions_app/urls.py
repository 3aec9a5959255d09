from django.urls import path

from sessions_app.authentication import ProvenOrExpiredSession
from sessions_app.views import CurrentSessionViewSet, SessionViewSet

urlpatterns = [
    path("sessions/", SessionViewSet.as_view({"post": "create"}), name="session-list"),
    path(
        "sessions/validate/",
        SessionViewSet.as_view({"post": "validate"}),
        name="session-validate",
    ),
    path(
        "sessions/current/",
        CurrentSessionViewSet.as_view({"get": "retrieve", "delete": "destroy"}),
        name="session-current",
    ),
    path(
        "sessions/current/reset/",
        CurrentSessionViewSet.as_view(
            {"post": "reset"}, authentication_classes=[ProvenOrExpiredSession]
        ),
        name="session-reset",
    ),
]
