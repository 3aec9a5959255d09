from django.urls import include, path
from rest_framework.routers import DefaultRouter

from benchmarks.peer.views import SessionViewSet, UploadViewSet

router = DefaultRouter()
router.register("sessions", SessionViewSet, basename="session")
router.register("uploads", UploadViewSet, basename="upload")
urlpatterns = [path("api/v1/", include(router.urls))]
