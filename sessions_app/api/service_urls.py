from django.urls import path

from sessions_app.api.service_views import FeedViewSet, IntrospectionViewSet

urlpatterns = [
    path(
        "sessions/introspect/",
        IntrospectionViewSet.as_view({"post": "introspect"}),
        name="service-introspect",
    ),
    path("events/", FeedViewSet.as_view({"get": "follow"}), name="service-events"),
]
