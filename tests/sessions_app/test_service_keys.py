"""Service keys: created and revoked by an operator, limited by date and scope, stored as a hash."""

import logging
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from audit_app.models import AuditLog
from sessions_app.credentials import hash_token
from sessions_app.models import ServiceKey
from tests.cases import cases
from tests.helpers import Service, Visitor, code, database_text, events, started, uploaded
from tests.sessions_app.service_support import make_key, service

pytestmark = pytest.mark.django_db


def refused(client: Any, expected: str = "service_key_invalid") -> None:
    """Assert that the feed refuses a client with this code."""
    before = list(ServiceKey.objects.values())
    answer = client.get("/api/v1/service/events/")
    assert (answer.status_code, code(answer)) == (401, expected)
    assert answer["WWW-Authenticate"] == "Bearer"
    assert list(ServiceKey.objects.values()) == before


def test_the_command_prints_only_the_key_and_stores_its_hash() -> None:
    secret, said = make_key("maria-agent", ["uploads", "sessions", "uploads"], "--days=30")

    assert secret.startswith("msk1_")
    assert len(secret) == 5 + 43
    assert "maria-agent" in said
    assert "30 days" in said
    assert secret not in said
    key = ServiceKey.objects.get()
    assert (key.name, key.scopes) == ("maria-agent", ["sessions", "uploads"])
    assert key.key_hash == hash_token(secret)
    left = key.expires_at - timezone.now()
    assert timedelta(days=30) - timedelta(minutes=1) < left <= timedelta(days=30)
    log = AuditLog.objects.get()
    assert (log.event_type, log.target) == ("service.key_created", "service:maria-agent")
    assert log.actor.startswith("operator:")
    assert log.details == {
        "scopes": "sessions,uploads",
        "expires_at": key.expires_at.isoformat(),
    }


def test_a_key_is_valid_for_a_year_by_default() -> None:
    make_key()
    left = ServiceKey.objects.get().expires_at - timezone.now()
    assert timedelta(days=364) < left <= timedelta(days=365)


@cases(
    "arguments",
    [
        ["maria agent", "--scope=events"],
        ["", "--scope=events"],
        ["märia", "--scope=events"],
        ["a" * 61, "--scope=events"],
        ["a/../b", "--scope=events"],
        ["maria-agent"],
        ["maria-agent", "--scope=everything"],
        ["maria-agent", "--scope=events", "--days=0"],
        ["maria-agent", "--scope=events", "--days=-1"],
        ["maria-agent", "--scope=events", "--days=3651"],
        ["maria-agent", "--scope=events", "--days=99999999999"],
        ["maria-agent", "--scope=events", "--days=1.5"],
        ["taken", "--scope=events"],
    ],
    ids=" ".join,
)
def test_the_command_refuses_invalid_arguments(arguments: list[str]) -> None:
    make_key("taken")
    before, written = list(ServiceKey.objects.values()), events()

    with pytest.raises(CommandError) as refusal:
        call_command("create_service_key", *arguments)

    assert str(refusal.value)
    assert list(ServiceKey.objects.values()) == before
    assert events() == written


@pytest.mark.parametrize("days", [1, 3650])
def test_the_shortest_and_the_longest_validity_are_accepted(days: int) -> None:
    make_key("maria-agent", ["events"], f"--days={days}")
    left = ServiceKey.objects.get().expires_at - timezone.now()
    assert timedelta(days=days - 1) < left <= timedelta(days=days)


def test_a_revoked_key_is_refused_from_the_next_request(capsys: Any) -> None:
    agent = service()
    assert agent.feed().status_code == 200

    call_command("revoke_service_key", "maria-agent")

    assert "is revoked" in capsys.readouterr().out
    refused(agent)
    log = AuditLog.objects.get(event_type="service.key_revoked")
    assert log.target == "service:maria-agent"
    assert log.actor.startswith("operator:")


def test_revoking_twice_is_reported_and_recorded_once(capsys: Any) -> None:
    make_key()
    call_command("revoke_service_key", "maria-agent")
    before = list(ServiceKey.objects.values())

    call_command("revoke_service_key", "maria-agent")

    assert "was already revoked" in capsys.readouterr().out
    assert list(ServiceKey.objects.values()) == before
    assert events().count("service.key_revoked") == 1


def test_revoking_an_unknown_key_lists_the_existing_keys() -> None:
    make_key("one")
    make_key("two")
    with pytest.raises(CommandError, match=r"no key 'three'\. Existing keys: one, two\."):
        call_command("revoke_service_key", "three")
    assert "service.key_revoked" not in events()


def test_the_name_of_a_revoked_key_cannot_be_reused() -> None:
    make_key()
    call_command("revoke_service_key", "maria-agent")
    with pytest.raises(CommandError):
        make_key()  # the audit log identifies keys by name


def test_a_new_key_works_beside_the_old_one() -> None:
    old = service(name="agent-2026")
    new = service(name="agent-2027")
    assert old.feed().status_code == new.feed().status_code == 200
    call_command("revoke_service_key", "agent-2026")
    refused(old)
    assert new.feed().status_code == 200


@pytest.mark.parametrize(("seconds", "good"), [(30, True), (0, False), (-1, False)])
def test_a_key_expires_at_its_date(seconds: int, good: bool) -> None:
    agent = service()
    ServiceKey.objects.update(expires_at=Now() + timedelta(seconds=seconds))

    if good:
        assert agent.feed().status_code == 200
    else:
        refused(agent)


@cases(
    "secret",
    ["msk1_" + "A" * 43, "msk1_", "", "x", "msk1_" + "A" * 5000, "\x00", "é"],
    ids=["unknown", "prefix", "empty", "x", "long", "nul", "latin"],
)
def test_an_invalid_key_is_refused_and_recorded(secret: str) -> None:
    make_key()

    refused(Service(secret))

    log = AuditLog.objects.get(event_type="service.refused")
    assert (log.outcome, log.actor) == ("denied", "visitor")
    assert log.details["code"] == "service_key_invalid"


def test_keys_are_case_sensitive() -> None:
    agent = service()
    refused(Service(agent.secret.swapcase()))
    refused(Service(agent.secret + "A"))
    refused(Service(hash_token(agent.secret)))


def test_a_missing_key_is_refused() -> None:
    secret = service().secret
    for client in (
        Visitor(),
        started(),  # a visitor's cookie is not a key
        Visitor(headers={"Authorization": f"Basic {secret}"}),
        Visitor(headers={"Authorization": secret}),
        Visitor(headers={"X-Api-Key": secret}),
    ):
        refused(client, "service_key_required")
    assert "service.refused" in events()


def test_a_visitors_token_is_not_a_key() -> None:
    visitor = started()
    refused(Service(visitor.token))


@pytest.mark.parametrize("path", ["/api/v1/sessions/current/", "/api/v1/uploads/"])
def test_a_key_is_refused_at_visitors_endpoints(path: str) -> None:
    visitor, agent = started(), service()
    uploaded(visitor)

    answer = agent.get(path, **visitor.named)

    assert (answer.status_code, code(answer)) == (401, "session_invalid")


def test_a_key_beside_a_visitors_cookie_still_works() -> None:
    agent = service()
    agent.cookies["maria_session"] = started().token
    assert agent.feed().status_code == 200


@pytest.mark.both
def test_invalid_keys_are_limited_and_valid_ones_of_the_same_address_are_not(settings: Any) -> None:
    agent = service()
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "failed_proof": ["3/d"]}
    for _ in range(3):
        refused(Service("msk1_" + "A" * 43))

    answer = Service("msk1_" + "A" * 43).feed()

    assert (answer.status_code, code(answer)) == (429, "rate_limited")
    assert agent.feed().status_code == 200
    assert events().count("service.refused") == 1  # one row a minute; the others are counted


@pytest.mark.both
def test_each_key_has_a_limit_of_its_own(settings: Any) -> None:
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "service": ["2/d"]}
    busy, other = service(name="busy"), service(name="other")
    assert [busy.feed().status_code for _ in range(3)] == [200, 200, 429]
    assert other.feed().status_code == 200
    limited = AuditLog.objects.get(event_type="ratelimit.exceeded")
    assert (limited.actor, limited.details["limit"]) == ("service:busy", "service-86400s")


def test_its_use_is_recorded_at_most_once_a_minute() -> None:
    agent = service()
    assert ServiceKey.objects.get().last_used_at is None

    agent.feed()
    first = ServiceKey.objects.get().last_used_at
    assert first is not None
    agent.feed()
    assert ServiceKey.objects.get().last_used_at == first

    ServiceKey.objects.update(last_used_at=F("last_used_at") - timedelta(minutes=1))
    agent.feed()
    again = ServiceKey.objects.get().last_used_at
    assert again is not None
    assert again >= first


def test_a_services_events_carry_its_name() -> None:
    visitor, agent = started(), service()
    upload = uploaded(visitor)
    agent.file(visitor.uuid, upload.pk)
    visitor.current()

    log = AuditLog.objects.get(event_type="upload.downloaded")
    assert log.actor == "service:maria-agent"
    uploaded(visitor)
    assert AuditLog.objects.latest("id").actor == "visitor"  # the name ends with the request


def test_t03_only_a_keys_hash_is_stored() -> None:
    agent = service()
    agent.introspect(started().assertion())
    Service(agent.secret + "A").feed()

    kept = database_text()

    assert hash_token(agent.secret) in kept
    assert agent.secret.removeprefix("msk1_") not in kept


def test_t04_a_key_and_an_assertion_are_in_no_log_line(
    log_lines: Any,
) -> None:
    visitor, agent = started(), service()
    upload = uploaded(visitor)
    assertion = visitor.assertion()
    agent.introspect(assertion)
    agent.files(visitor.uuid)
    agent.file(visitor.uuid, upload.pk)
    agent.get("/api/v1/service/nowhere/")
    Service(agent.secret + "A").feed()
    logging.getLogger("app").warning("an app logs %s", {"key": agent.secret})

    logged = log_lines.getvalue()

    assert hash_token(agent.secret) in logged  # the SQL is logged, so a leaked key would be found
    assert agent.secret.removeprefix("msk1_") not in logged
    assert assertion not in logged
