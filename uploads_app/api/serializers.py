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


class AnnouncedFileSerializer(serializers.Serializer[Any]):
    """A file as the browser describes it. What it is of is judged by its name, not by `content_type`."""

    name = serializers.CharField(max_length=1000)
    size = serializers.IntegerField(min_value=0)
    content_type = serializers.CharField(max_length=255, allow_blank=True, required=False)


class UploadFormSerializer(serializers.Serializer[Any]):
    """What to post until when: all `fields`, then the file as the field `file`, as multipart."""

    url = serializers.URLField()
    expires_at = serializers.DateTimeField()

    def get_fields(self) -> dict[str, Any]:
        # Declared, it would look as if it replaced the serializer's own property.
        values = serializers.DictField(child=serializers.CharField())
        return {**super().get_fields(), "fields": values}


class DirectUploadSerializer(serializers.Serializer[Any]):
    """A direct upload that has begun: the file's id, and the form that takes its bytes."""

    id = serializers.UUIDField()
    upload = UploadFormSerializer()


class LinkSerializer(serializers.Serializer[Any]):
    """Where a file can be fetched, and until when."""

    url = serializers.URLField()
    expires_at = serializers.DateTimeField()
