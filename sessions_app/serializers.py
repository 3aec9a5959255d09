"""What goes in and out of the session endpoints."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from sessions_app.models import UserSession
from sessions_app.signals import describe
from sessions_app.uuid_helpers import UUID_PATTERN


class CreateSessionSerializer(serializers.Serializer[Any]):
    """How the client wants to carry its proof; browsers need not say."""

    credential = serializers.ChoiceField(["cookie"], default="cookie")


@extend_schema_field({"type": "string", "pattern": f"^{UUID_PATTERN}$"})
class UuidSpellingField(serializers.CharField):
    """A session UUID as the client spells it, for `parse_uuid` to judge."""


class ValidateSerializer(serializers.Serializer[Any]):
    """A UUID to look at; its spelling is judged strictly."""

    uuid = UuidSpellingField(max_length=64, trim_whitespace=False)


class ValidatedSerializer(serializers.Serializer[Any]):
    """`well_formed`, or the state of the session that the request has proven."""

    uuid = serializers.UUIDField()
    status = serializers.CharField()


class ResetSerializer(serializers.Serializer[Any]):
    """Why the visitor leaves the session."""

    reason = serializers.ChoiceField(
        ["requested", "expired", "mismatch", "not_me"], default="requested"
    )


class LimitsSerializer(serializers.Serializer[Any]):
    """What the session may hold: files, bytes of one and of all, and which types."""

    max_files = serializers.IntegerField()
    max_file_bytes = serializers.IntegerField()
    max_total_bytes = serializers.IntegerField()
    types = serializers.ListField(child=serializers.CharField())


class UsedSerializer(serializers.Serializer[Any]):
    """What the session holds now."""

    files = serializers.IntegerField()
    bytes = serializers.IntegerField()


class LostSerializer(serializers.Serializer[Any]):
    """What the end of a session took from its visitor: how many files, and their names."""

    count = serializers.IntegerField()
    files = serializers.ListField(child=serializers.CharField())


class SessionSerializer(serializers.ModelSerializer[UserSession]):
    """A session as its visitor sees it when it begins."""

    limits = serializers.SerializerMethodField()

    class Meta:
        model = UserSession
        fields = ["uuid", "support_code", "status", "created_at", "expires_at", "limits"]

    @extend_schema_field(LimitsSerializer)
    def get_limits(self, session: UserSession) -> dict[str, Any]:
        return describe(session)["limits"]


class CurrentSessionSerializer(SessionSerializer):
    """A session as its visitor sees it later, with what it holds."""

    used = serializers.SerializerMethodField()

    class Meta(SessionSerializer.Meta):
        fields = [*SessionSerializer.Meta.fields, "last_seen_at", "used"]

    @extend_schema_field(UsedSerializer)
    def get_used(self, session: UserSession) -> dict[str, Any]:
        return describe(session)["used"]


class PreviousSerializer(serializers.Serializer[Any]):
    """The session that was left: which, why, and what went with it."""

    uuid = serializers.UUIDField()
    reason = serializers.CharField()
    lost = LostSerializer()


class SuccessorSerializer(SessionSerializer):
    """The fresh session after a reset."""

    previous = PreviousSerializer()

    class Meta(SessionSerializer.Meta):
        fields = [*SessionSerializer.Meta.fields, "previous"]
