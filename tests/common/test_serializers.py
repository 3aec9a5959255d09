"""The cached serializers answer as those of DRF do."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from common.serializers import _serializer, serialize
from sessions_app.api.serializers import SessionSerializer
from sessions_app.models import UserSession
from tests.helpers import Visitor
from uploads_app.api.serializers import UploadSerializer
from uploads_app.models import UploadedFile

MOMENTS = (
    datetime(2026, 11, 28, 12, 30, 15, 120, tzinfo=UTC),
    datetime(2026, 11, 28, 12, 30, 15, tzinfo=UTC),
    datetime(2026, 11, 28, 12, 30, 15, tzinfo=timezone(timedelta(hours=5, minutes=45))),
    None,
)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_answers_are_those_of_drf(visitor: Visitor, settings: Any, zone: str) -> None:
    visitor.upload(name="four.pdf")
    session, file = UserSession.objects.get(), UploadedFile.objects.get()
    settings.TIME_ZONE = zone
    _serializer.cache_clear()
    try:
        for moment in MOMENTS:
            vars(session).update(expires_at=moment, completed_at=moment)
            vars(file).update(created_at=moment)
            assert serialize(SessionSerializer, session) == SessionSerializer(session).data
            assert serialize(UploadSerializer, file) == UploadSerializer(file).data
    finally:
        _serializer.cache_clear()
