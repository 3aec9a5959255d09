"""Queries that PostgreSQL runs while the process does other work."""

import pytest
from django.db import DataError, OperationalError
from django.db.models.expressions import RawSQL

from common.read_ahead import read_ahead
from sessions_app.models import UserSession
from tests.helpers import started
from tests.maria_project.server import wait_for
from tests.row_locks import ON_POSTGRESQL, forget_earlier_connections, other_connections

WAITS = "state = 'active' AND wait_event = 'ClientRead'"
STATUSES = UserSession.objects.values_list("status")


@pytest.mark.both
def test_a_transaction_sees_its_own_changes(db: None) -> None:
    started()

    with read_ahead() as reader:
        reader.send(STATUSES)
        assert reader.receive() == [("active",)]


class TestOnPostgresql:
    pytestmark = ON_POSTGRESQL

    @pytest.fixture(autouse=True)
    def own_connections(self, committed: None) -> None:
        forget_earlier_connections()

    def test_a_query_runs_while_its_rows_are_not_received(self) -> None:
        started()

        with read_ahead() as reader:
            reader.send(STATUSES)
            wait_for(lambda: other_connections(WAITS) == [True], 10)
            started()
            assert len(reader.receive()) == 1
            reader.send(STATUSES)
            assert len(reader.receive()) == 2

    def test_no_transaction_stays_open_between_two_queries(self) -> None:
        with read_ahead() as reader:
            reader.send(STATUSES)
            reader.receive()
            wait_for(lambda: other_connections("state") == ["idle"], 10)

    @pytest.mark.parametrize("received", [True, False])
    def test_an_error_closes_its_connection(self, received: bool) -> None:
        def read(error: Exception) -> None:
            with read_ahead() as reader:
                reader.send(STATUSES)
                if received:
                    reader.receive()
                raise error

        with pytest.raises(KeyError):
            read(KeyError())
        wait_for(lambda: other_connections("pid") == [], 10)

    def test_a_lost_connection_is_an_error_of_django(self) -> None:
        def read() -> None:
            with read_ahead() as reader:
                other_connections("pg_terminate_backend(pid)")
                reader.send(STATUSES)
                reader.receive()

        with pytest.raises(OperationalError):
            read()

    def test_a_refused_query_is_an_error_of_django(self) -> None:
        def read() -> None:
            with read_ahead() as reader:
                reader.send(UserSession.objects.values_list(RawSQL("1 / 0", [])))
                reader.receive()

        started()
        with pytest.raises(DataError):
            read()
        wait_for(lambda: other_connections("pid") == [], 10)
