from django.urls import path

from sessions_app.api.revision import RevisionViewSet
from sessions_app.api.views import ActivityViewSet, CurrentSessionViewSet, SessionViewSet

urlpatterns = [
    path("", SessionViewSet.as_view({"post": "create"}), name="session-list"),
    path(
        "validate/",
        SessionViewSet.as_view({"post": "validate"}),
        name="session-validate",
    ),
    path("recover/", SessionViewSet.as_view({"post": "recover"}), name="session-recover"),
    path(
        "current/",
        CurrentSessionViewSet.as_view(
            {"get": "retrieve", "patch": "partial_update", "delete": "destroy"}
        ),
        name="session-current",
    ),
    path(
        "current/email/",
        CurrentSessionViewSet.as_view({"post": "send_code"}),
        name="session-email",
    ),
    path(
        "current/email/verify/",
        CurrentSessionViewSet.as_view({"post": "verify_code"}),
        name="session-email-verify",
    ),
    path(
        "current/reset/",
        CurrentSessionViewSet.as_view({"post": "reset"}),
        name="session-reset",
    ),
    path(
        "current/export/",
        CurrentSessionViewSet.as_view({"get": "export"}),
        name="session-export",
    ),
    path(
        "current/revision/",
        RevisionViewSet.as_view({"get": "retrieve"}),
        name="session-revision",
    ),
    path(
        "current/activity/",
        ActivityViewSet.as_view({"get": "list"}),
        name="session-activity",
    ),
    path(
        "current/assertion/",
        CurrentSessionViewSet.as_view({"post": "assertion"}),
        name="session-assertion",
    ),
]
