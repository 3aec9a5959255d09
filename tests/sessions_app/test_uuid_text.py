"""The spelling of a UUID by the database."""

import pytest

from sessions_app.models import UserSession
from sessions_app.uuid_helpers import UUIDText
from tests.helpers import started


@pytest.mark.both
def test_the_database_spells_a_uuid_as_python_does(db: None) -> None:
    session = started().row

    assert UserSession.objects.values_list(UUIDText("uuid"), flat=True).get() == str(session.uuid)
