"""The requests and responses of the upload endpoints."""

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
    """A file as services see it, with the verdict of its inspection."""

    suspicions = serializers.ListField(
        child=serializers.ChoiceField(Suspicion.choices), read_only=True
    )

    class Meta(UploadSerializer.Meta):
        fields = [*UploadSerializer.Meta.fields, "inspection", "suspicions"]
        read_only_fields = fields


class AnnouncedFileSerializer(serializers.Serializer[Any]):
    """A file as the browser announces it. Its name decides the type; `content_type` has no effect."""

    name = serializers.CharField(max_length=1000)
    size = serializers.IntegerField(min_value=0)
    content_type = serializers.CharField(max_length=255, allow_blank=True, required=False)


class UploadFormSerializer(serializers.Serializer[Any]):
    """A multipart form to post before `expires_at`: all `fields`, then the file as the field `file`."""

    url = serializers.URLField()
    expires_at = serializers.DateTimeField()

    def get_fields(self) -> dict[str, Any]:
        # As a class attribute it would replace the property `fields` of the serializer.
        values = serializers.DictField(child=serializers.CharField())
        return {**super().get_fields(), "fields": values}


class DirectUploadSerializer(serializers.Serializer[Any]):
    """The id of a new direct upload, and the form to send its bytes with."""

    id = serializers.UUIDField()
    upload = UploadFormSerializer()


class LinkSerializer(serializers.Serializer[Any]):
    """A URL that downloads a file, and its expiry."""

    url = serializers.URLField()
    expires_at = serializers.DateTimeField()
