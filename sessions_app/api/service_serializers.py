"""Input and output of the endpoints for services."""

from typing import Any

from rest_framework import serializers

from audit_app.feed import PAGE
from audit_app.models import FeedEntry
from common.context import STAFF
from sessions_app.models import Identity


class IntrospectionSerializer(serializers.Serializer[Any]):
    """Whether the assertion belongs to a live session; the other fields are present only then."""

    active = serializers.BooleanField()
    uuid = serializers.UUIDField(required=False)
    identity = serializers.ChoiceField(Identity.choices, required=False)
    expires_at = serializers.DateTimeField(required=False)


class FeedQuerySerializer(serializers.Serializer[Any]):
    """The position in the feed to continue after, and how many events to read."""

    after = serializers.IntegerField(min_value=0, max_value=2**62, default=0)
    limit = serializers.IntegerField(min_value=1, max_value=PAGE, default=PAGE)


class FeedEntrySerializer(serializers.ModelSerializer[FeedEntry]):
    """One event and its position in the feed."""

    position = serializers.IntegerField()
    event_id = serializers.UUIDField(source="log.event_id")
    event = serializers.CharField(source="log.event_type")
    occurred_at = serializers.DateTimeField(source="log.occurred_at")
    session_uuid = serializers.UUIDField(source="log.session_uuid")
    target = serializers.CharField(source="log.target")
    details = serializers.SerializerMethodField()

    class Meta:
        model = FeedEntry
        fields = [
            "position",
            "event_id",
            "event",
            "occurred_at",
            "session_uuid",
            "target",
            "details",
        ]

    def get_details(self, entry: FeedEntry) -> dict[str, Any]:
        """Return the event's details without the reason that staff wrote."""
        written = {"reason"} if entry.log.actor.startswith(STAFF) else set()
        return {key: value for key, value in entry.log.details.items() if key not in written}


class FeedSerializer(serializers.Serializer[Any]):
    """A page of the feed; `next` is the value of `after` for the next page."""

    results = FeedEntrySerializer(many=True)
    next = serializers.IntegerField()
