"""Input and output of the visitor's session endpoints."""

from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from audit_app.events import activity
from audit_app.models import AuditLog
from common.serializers import MailboxField, ShownField
from sessions_app.models import Identity, UserSession
from sessions_app.services.privacy import who
from sessions_app.signals import describe
from sessions_app.uuid_helpers import UUID_PATTERN


class CreateSessionSerializer(serializers.Serializer[Any]):
    """How the client carries its token; browsers can leave it out."""

    credential = serializers.ChoiceField(["cookie", "bearer"], default="cookie")


class RecoverSerializer(CreateSessionSerializer):
    """The recovery code from support, as the visitor typed it."""

    code = serializers.CharField(max_length=40)


class ConsentChangeSerializer(serializers.Serializer[Any]):
    """A visitor's answer to one purpose, and the version of the wording they saw."""

    granted = serializers.BooleanField()
    version = serializers.RegexField("^[A-Za-z0-9._-]{1,40}$")


class IdentifySerializer(serializers.Serializer[Any]):
    """Contact data and consent. A field that is left out stays; an empty text removes the value."""

    name = ShownField(max_length=200, allow_blank=True, required=False)
    email = MailboxField(max_length=254, allow_blank=True, required=False)
    consent = serializers.DictField(child=ConsentChangeSerializer(), required=False)

    def validate_consent(self, consent: dict[str, Any]) -> dict[str, Any]:
        if unknown := consent.keys() - set(settings.CONSENT_PURPOSES):
            raise serializers.ValidationError(
                f"Unknown purpose {', '.join(sorted(unknown))}: "
                f"choose from {', '.join(settings.CONSENT_PURPOSES)}."
            )
        return consent


class CodeSerializer(serializers.Serializer[Any]):
    """The six digits from the e-mail."""

    code = serializers.RegexField("^[0-9]{6}$")


class CodeSentSerializer(serializers.Serializer[Any]):
    """When the code expires, and in how many seconds the next one may be sent."""

    expires_at = serializers.DateTimeField()
    next_in = serializers.IntegerField()


class AssertionSerializer(serializers.Serializer[Any]):
    """A signed text for the agent's back end, which introspects it."""

    assertion = serializers.CharField(max_length=400)


class IssuedAssertionSerializer(AssertionSerializer):
    """The assertion, and when it expires."""

    expires_at = serializers.DateTimeField()


class ActivitySerializer(serializers.ModelSerializer[AuditLog]):
    """One event as its visitor sees it. Staff members are not named."""

    event = serializers.CharField(source="event_type")
    meaning = serializers.SerializerMethodField()
    who = serializers.SerializerMethodField()
    file = serializers.SerializerMethodField()

    class Meta:
        model = AuditLog
        fields = ["event_id", "occurred_at", "event", "meaning", "outcome", "who", "file"]
        read_only_fields = fields

    def get_meaning(self, log: AuditLog) -> str:
        return activity(log.event_type, who=who(log), file=self.get_file(log))

    def get_who(self, log: AuditLog) -> str:
        return who(log)

    def get_file(self, log: AuditLog) -> str:
        personal = getattr(log, "personal", None)
        return personal.file_name if personal else ""


@extend_schema_field({"type": "string", "pattern": f"^{UUID_PATTERN}$"})
class UuidSpellingField(serializers.CharField):
    """A session UUID as the client wrote it; `parse_uuid` checks it."""


class ValidateSerializer(serializers.Serializer[Any]):
    """A UUID to check; only the canonical spelling is valid."""

    uuid = UuidSpellingField(max_length=64, trim_whitespace=False)


class ValidatedSerializer(serializers.Serializer[Any]):
    """`well_formed`, or the state of the session that the request has proven."""

    uuid = serializers.UUIDField()
    status = serializers.CharField()


class ResetSerializer(serializers.Serializer[Any]):
    """Why the visitor resets the session."""

    reason = serializers.ChoiceField(
        ["requested", "expired", "mismatch", "not_me"], default="requested"
    )


class LimitsSerializer(serializers.Serializer[Any]):
    """The session's quota: files, bytes per file, bytes in total, and the allowed types.

    `direct_upload` says whether browsers may send files to storage directly.
    """

    max_files = serializers.IntegerField()
    max_file_bytes = serializers.IntegerField()
    max_total_bytes = serializers.IntegerField()
    types = serializers.ListField(child=serializers.CharField())
    direct_upload = serializers.BooleanField()


class UsedSerializer(serializers.Serializer[Any]):
    """How much of the quota is used."""

    files = serializers.IntegerField()
    bytes = serializers.IntegerField()


class LostSerializer(serializers.Serializer[Any]):
    """The files that the visitor lost with the session: how many, and their names."""

    count = serializers.IntegerField()
    files = serializers.ListField(child=serializers.CharField())


class SessionSerializer(serializers.ModelSerializer[UserSession]):
    """A session as its visitor sees it.

    `token` is present only when a new one was issued to a bearer client.
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
    """A session with its used quota, contact data and consent."""

    used = serializers.SerializerMethodField()
    identity = serializers.ChoiceField(Identity.choices, read_only=True)
    # A CharField, because the format `email` would not allow the empty text.
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
        return {
            purpose: {"granted": granted, "version": version}
            for purpose, granted, version in session.answers
        }


class KnownFileSerializer(serializers.Serializer[Any]):
    """A file of the session, and the status that a list shows of it."""

    id = serializers.UUIDField()
    status = serializers.CharField()


class RevisionSerializer(serializers.Serializer[Any]):
    """What an open page compares with what it shows. The ETag is `revision` in quotes."""

    revision = serializers.CharField()
    files = KnownFileSerializer(many=True)


class PreviousSerializer(serializers.Serializer[Any]):
    """The session before the reset: its UUID, the reason, and the lost files."""

    uuid = serializers.UUIDField()
    reason = serializers.CharField()
    lost = LostSerializer()


class SuccessorSerializer(SessionSerializer):
    """The new session after a reset."""

    previous = PreviousSerializer()

    class Meta(SessionSerializer.Meta):
        fields = [*SessionSerializer.Meta.fields, "previous"]
        read_only_fields = fields
