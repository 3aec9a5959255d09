from rest_framework.routers import SimpleRouter

from uploads_app.api.views import UploadViewSet

router = SimpleRouter()
router.register("", UploadViewSet, basename="upload")
urlpatterns = router.urls
