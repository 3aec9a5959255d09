"""A text that does not fit its column is refused, also among other rows."""

import pytest
from django.db import DataError, connection, transaction
from django.utils import timezone

from audit_app.models import AuditLog
from common.statements import CompiledInsert, writing


@pytest.mark.both
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has texts of any length")
def test_a_text_that_is_too_long_is_not_cut(db: None) -> None:
    logs = [AuditLog(occurred_at=timezone.now(), request_id="x" * 65) for _ in range(2)]

    with pytest.raises(DataError), transaction.atomic(), writing() as cursor:
        CompiledInsert(AuditLog).insert(logs, cursor)
