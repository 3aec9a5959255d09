from typing import Any

from django.db.models import Count, Sum
from rest_framework import serializers

from benchmarks.peer.models import Upload, Visitor

LIMITS = {
    "max_files": 20,
    "max_file_bytes": 10 * 1024 * 1024,
    "max_total_bytes": 100 * 1024 * 1024,
    "types": ["pdf", "png", "jpg"],
    "direct_upload": False,
}


class VisitorSerializer(serializers.ModelSerializer[Visitor]):
    limits = serializers.SerializerMethodField()

    class Meta:
        model = Visitor
        fields = ["uuid", "support_code", "status", "created_at", "expires_at", "limits"]
        read_only_fields = fields

    def get_limits(self, visitor: Visitor) -> dict[str, Any]:
        return LIMITS


class CurrentVisitorSerializer(VisitorSerializer):
    used = serializers.SerializerMethodField()
    consent = serializers.SerializerMethodField()

    class Meta(VisitorSerializer.Meta):
        fields = [
            *VisitorSerializer.Meta.fields,
            "last_seen_at", "used", "identity", "name", "email", "completed_at", "consent",
        ]  # fmt: skip
        read_only_fields = fields

    def get_used(self, visitor: Visitor) -> dict[str, int]:
        used = visitor.uploads.aggregate(files=Count("pk"), bytes=Sum("size", default=0))
        return {"files": used["files"], "bytes": used["bytes"]}

    def get_consent(self, visitor: Visitor) -> dict[str, Any]:
        return {
            consent.purpose: {"granted": consent.granted, "version": consent.version}
            for consent in visitor.consents.all()
        }


class ValidateSerializer(serializers.Serializer[Any]):
    uuid = serializers.UUIDField()


class UploadSerializer(serializers.ModelSerializer[Upload]):
    class Meta:
        model = Upload
        fields = ["id", "file", "name", "size", "content_type", "sha256", "status", "created_at"]
        read_only_fields = [name for name in fields if name != "file"]
        extra_kwargs = {"file": {"write_only": True}}
