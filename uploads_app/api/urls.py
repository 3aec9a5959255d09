from django.urls import re_path
from rest_framework.routers import SimpleRouter

from sessions_app.uuid_helpers import UUID_PATTERN
from uploads_app.api.views import IgnoreAccept, ServiceUploadViewSet, UploadViewSet

_FILES = rf"^service/sessions/(?P<uuid>{UUID_PATTERN})/uploads"

router = SimpleRouter()
router.register("uploads", UploadViewSet, basename="upload")
urlpatterns = [
    *router.urls,
    re_path(rf"{_FILES}/$", ServiceUploadViewSet.as_view({"get": "list"}), name="service-uploads"),
    re_path(
        rf"{_FILES}/(?P<pk>{UUID_PATTERN})/download/$",
        ServiceUploadViewSet.as_view({"get": "download"}, content_negotiation_class=IgnoreAccept),
        name="service-download",
    ),
]
