"""What goes in and out of the upload endpoints."""

from typing import Any

from rest_framework import serializers

from uploads_app.models import Suspicion, UploadedFile


class UploadRequestSerializer(serializers.Serializer[Any]):
    """A multipart body with one file."""

    file = serializers.FileField()


class UploadSerializer(serializers.ModelSerializer[UploadedFile]):
    """A file as its visitor sees it."""

    class Meta:
        model = UploadedFile
        fields = ["id", "name", "size", "content_type", "sha256", "status", "created_at"]
        read_only_fields = fields


class ServiceUploadSerializer(UploadSerializer):
    """A file as our own services see it, who decide by it what they open."""

    suspicions = serializers.ListField(
        child=serializers.ChoiceField(Suspicion.choices), read_only=True
    )

    class Meta(UploadSerializer.Meta):
        fields = [*UploadSerializer.Meta.fields, "inspection", "suspicions"]
        read_only_fields = fields


class LinkSerializer(serializers.Serializer[Any]):
    """Where a file can be fetched, and until when."""

    url = serializers.URLField()
    expires_at = serializers.DateTimeField()
