from django.urls import re_path

from sessions_app.uuid_helpers import UUID_PATTERN
from uploads_app.api.views import IgnoreAccept, ServiceUploadViewSet

_FILES = rf"^sessions/(?P<uuid>{UUID_PATTERN})/uploads"

urlpatterns = [
    re_path(rf"{_FILES}/$", ServiceUploadViewSet.as_view({"get": "list"}), name="service-uploads"),
    re_path(
        rf"{_FILES}/(?P<pk>{UUID_PATTERN})/download/$",
        ServiceUploadViewSet.as_view({"get": "download"}, content_negotiation_class=IgnoreAccept),
        name="service-download",
    ),
]
