"""Staff who are signed in."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client


@pytest.fixture
def support(make_staff: Any) -> Client:
    """A client of the group Support."""
    support: Client = make_staff("Support")
    return support


@pytest.fixture
def auditor(make_staff: Any) -> Client:
    """A client of the group Auditor."""
    auditor: Client = make_staff("Auditor")
    return auditor


@pytest.fixture
def superuser(make_staff: Any) -> Client:
    """A superuser's client."""
    superuser: Client = make_staff(is_superuser=True)
    return superuser


@pytest.fixture
def extended_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Extend a staff session only at its first request: in a slow test a later one would count, too."""
    monkeypatch.setattr("backoffice_app.accounts.sessions.SEEN_INTERVAL", timedelta(hours=1))
