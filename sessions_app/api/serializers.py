"""What goes in and out of the session endpoints."""

from functools import cache
from typing import Any

from django.conf import settings
from django.contrib.auth.models import BaseUserManager
from django.utils.encoding import punycode
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from audit_app.events import meaning
from audit_app.feed import PAGE
from audit_app.models import AuditLog, FeedEntry
from common.context import STAFF
from common.text import showable
from sessions_app.models import Identity, UserSession
from sessions_app.services.privacy import who
from sessions_app.signals import describe
from sessions_app.uuid_helpers import UUID_PATTERN


@cache
def _kept(serializer_class: type[serializers.Serializer[Any]]) -> serializers.Serializer[Any]:
    return serializer_class()


def serialize(serializer_class: type[serializers.Serializer[Any]], instance: Any) -> dict[str, Any]:
    """Return `instance` as a serializer writes it.

    One serializer of each kind is kept: building one introspects its model,
    which takes longer than the rest of a simple answer.
    """
    values: dict[str, Any] = _kept(serializer_class).to_representation(instance)
    return values


class CreateSessionSerializer(serializers.Serializer[Any]):
    """How the client wants to carry its proof; browsers need not say."""

    credential = serializers.ChoiceField(["cookie", "bearer"], default="cookie")


class RecoverSerializer(CreateSessionSerializer):
    """The code that support has told the visitor, as it was heard or typed."""

    code = serializers.CharField(max_length=40)


class ConsentChangeSerializer(serializers.Serializer[Any]):
    """What a visitor answers to one purpose, and which wording they were shown."""

    granted = serializers.BooleanField()
    version = serializers.RegexField("^[A-Za-z0-9._-]{1,40}$")


class ShownField(serializers.CharField):
    """A text as it is to be shown; its length is judged when nothing hidden is left in it."""

    def to_internal_value(self, data: Any) -> str:
        return showable(super().to_internal_value(data))


class MailboxField(serializers.EmailField):
    """An address that mail can be sent to, with nothing hidden in it and its domain in small letters."""

    def to_internal_value(self, data: Any) -> str:
        email = BaseUserManager.normalize_email(showable(super().to_internal_value(data)))
        try:
            punycode(email.rpartition("@")[2])
        except UnicodeError:
            self.fail("invalid")
        return email


class IdentifySerializer(serializers.Serializer[Any]):
    """What a visitor says of themselves; what is left out stays, an empty text takes it back."""

    name = ShownField(max_length=200, allow_blank=True, required=False)
    email = MailboxField(max_length=254, allow_blank=True, required=False)
    consent = serializers.DictField(child=ConsentChangeSerializer(), required=False)

    def validate_consent(self, consent: dict[str, Any]) -> dict[str, Any]:
        if unknown := consent.keys() - set(settings.CONSENT_PURPOSES):
            raise serializers.ValidationError(
                f"There is no purpose {', '.join(sorted(unknown))}: "
                f"choose from {', '.join(settings.CONSENT_PURPOSES)}."
            )
        return consent


class CodeSerializer(serializers.Serializer[Any]):
    """The six digits from the e-mail."""

    code = serializers.RegexField("^[0-9]{6}$")


class CodeSentSerializer(serializers.Serializer[Any]):
    """Until when the code that was sent is good, and in how many seconds another may be sent."""

    expires_at = serializers.DateTimeField()
    next_in = serializers.IntegerField()


class AssertionSerializer(serializers.Serializer[Any]):
    """A signed text for the agent's own back end, which introspects it."""

    assertion = serializers.CharField(max_length=400)


class IssuedAssertionSerializer(AssertionSerializer):
    """The assertion, and until when it is good."""

    expires_at = serializers.DateTimeField()


class IntrospectionSerializer(serializers.Serializer[Any]):
    """Whether an assertion speaks of a live session; only then the rest is there."""

    active = serializers.BooleanField()
    uuid = serializers.UUIDField(required=False)
    identity = serializers.ChoiceField(Identity.choices, required=False)
    expires_at = serializers.DateTimeField(required=False)


class ActivitySerializer(serializers.ModelSerializer[AuditLog]):
    """One event as its visitor is told of it: staff by their office, never by their name."""

    event = serializers.CharField(source="event_type")
    meaning = serializers.SerializerMethodField()
    who = serializers.SerializerMethodField()
    file = serializers.SerializerMethodField()

    class Meta:
        model = AuditLog
        fields = ["event_id", "occurred_at", "event", "meaning", "outcome", "who", "file"]
        read_only_fields = fields

    def get_meaning(self, log: AuditLog) -> str:
        return meaning(log.event_type)

    def get_who(self, log: AuditLog) -> str:
        return who(log)

    def get_file(self, log: AuditLog) -> str:
        personal = getattr(log, "personal", None)
        return personal.file_name if personal else ""


class FeedQuerySerializer(serializers.Serializer[Any]):
    """Where to go on in the feed, and how much of it to read."""

    after = serializers.IntegerField(min_value=0, max_value=2**62, default=0)
    limit = serializers.IntegerField(min_value=1, max_value=PAGE, default=PAGE)


class FeedEntrySerializer(serializers.ModelSerializer[FeedEntry]):
    """One event for services, at its place in the feed."""

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
        """Return the keys that this event's type allows, but for what staff wrote by hand."""
        written = {"reason"} if entry.log.actor.startswith(STAFF) else set()
        return {key: value for key, value in entry.log.details.items() if key not in written}


class FeedSerializer(serializers.Serializer[Any]):
    """A page of the feed; `next` is what to ask `after` for the following one."""

    results = FeedEntrySerializer(many=True)
    next = serializers.IntegerField()


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
    """What the session may hold: files, bytes of one and of all, and which types.

    `direct_upload` says whether browsers may send files to storage themselves.
    """

    max_files = serializers.IntegerField()
    max_file_bytes = serializers.IntegerField()
    max_total_bytes = serializers.IntegerField()
    types = serializers.ListField(child=serializers.CharField())
    direct_upload = serializers.BooleanField()


class UsedSerializer(serializers.Serializer[Any]):
    """What the session holds now."""

    files = serializers.IntegerField()
    bytes = serializers.IntegerField()


class LostSerializer(serializers.Serializer[Any]):
    """What the end of a session took from its visitor: how many files, and their names."""

    count = serializers.IntegerField()
    files = serializers.ListField(child=serializers.CharField())


class SessionSerializer(serializers.ModelSerializer[UserSession]):
    """A session as its visitor sees it when it begins.

    `token` is there only when a new one was issued to a client that carries it itself.
    """

    limits = serializers.SerializerMethodField()
    token = serializers.CharField(required=False)

    class Meta:
        model = UserSession
        fields = ["uuid", "support_code", "status", "created_at", "expires_at", "limits", "token"]
        read_only_fields = fields

    @extend_schema_field(LimitsSerializer)
    def get_limits(self, session: UserSession) -> dict[str, Any]:
        return describe(session, "limits")


class CurrentSessionSerializer(SessionSerializer):
    """A session as its visitor sees it later, with what it holds and knows of them."""

    used = serializers.SerializerMethodField()
    identity = serializers.ChoiceField(Identity.choices, read_only=True)
    # Empty while there is none, which the format of an address would not allow.
    email = serializers.CharField(label="E-mail", read_only=True)
    consent = serializers.SerializerMethodField()

    class Meta(SessionSerializer.Meta):
        fields = [
            *SessionSerializer.Meta.fields,
            "last_seen_at",
            "used",
            "identity",
            "name",
            "email",
            "completed_at",
            "consent",
        ]
        read_only_fields = fields

    @extend_schema_field(UsedSerializer)
    def get_used(self, session: UserSession) -> dict[str, Any]:
        return describe(session, "used")

    @extend_schema_field(serializers.DictField(child=ConsentChangeSerializer()))
    def get_consent(self, session: UserSession) -> dict[str, Any]:
        answers = session.consents.values_list("purpose", "granted", "version")
        return {
            purpose: {"granted": granted, "version": version}
            for purpose, granted, version in answers
        }


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
        read_only_fields = fields
