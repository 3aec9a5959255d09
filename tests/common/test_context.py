"""The request context: the client behind our own proxies, the request id and the actor."""

import ipaddress
import json
import re
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client, RequestFactory

from audit_app.models import AuditLog, AuditPersonal
from common import context
from sessions_app.tasks import expire_sessions
from tests.cases import cases
from tests.helpers import Visitor, age_session, pdf, started, uploaded
from tests.sessions_app.people import log_lines
from uploads_app.models import CleanupRun
from uploads_app.tasks import cleanup_orphans

PEER, REAL, FORGED = "198.51.100.9", "203.0.113.77", "192.0.2.66"


def client_of(proxies: int, forwarded: str | None, settings: Any, peer: str = PEER) -> str:
    """Return the client address of a request with this header."""
    settings.TRUSTED_PROXIES = proxies
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    request = RequestFactory().get("/", headers=headers, REMOTE_ADDR=peer)
    return str(context.client_address(request.META))


@cases(
    ("proxies", "forwarded", "client"),
    [
        # No proxy: the peer is the client, whatever the header says.
        (0, None, PEER),
        (0, REAL, PEER),
        (0, f"{FORGED}, {REAL}", PEER),
        (0, "garbage", PEER),
        # One proxy: it appended the last entry; the others came from outside.
        (1, None, PEER),
        (1, REAL, REAL),
        (1, f"{FORGED}, {REAL}", REAL),
        (1, f"{FORGED},{FORGED},{FORGED},{REAL}", REAL),
        (1, f"garbage, {REAL}", REAL),
        (1, f" , ,{REAL}, ", REAL),
        (1, f"{REAL}:4711", REAL),
        (1, f"{FORGED}, ::ffff:{REAL}", REAL),
        (1, "2001:db8::1", "2001:db8::1"),
        (1, "[2001:db8::1]:4711", "2001:db8::1"),
        (1, "[2001:db8::1]", "2001:db8::1"),
        (1, "fe80::1%eth0", "fe80::1"),
        (1, "2001:DB8:0:0::1", "2001:db8::1"),
        # Two proxies: the last entry but one.
        (2, None, PEER),
        (2, f"{REAL}, 10.0.0.1", REAL),
        (2, f"{FORGED}, {REAL}, 10.0.0.1", REAL),
        (2, f"{FORGED}, {REAL}:80, [fd00::1]:80", REAL),
        # Fewer entries than proxies: the request went to the inner proxy directly.
        (2, REAL, REAL),
        (3, f"{REAL}, 10.0.0.1", REAL),
        # An invalid entry counts as the nearest proxy.
        (1, "garbage", PEER),
        (1, f"{REAL}, unknown", PEER),
        (1, f"{REAL}, _hidden", PEER),
        (1, f"{REAL}, 999.1.1.1", PEER),
        (1, f"{REAL}, 203.0.113.077", PEER),
        (1, f"{REAL}, １.2.3.4", PEER),
        (1, f"{REAL}, [", PEER),
        (1, f"{REAL}, [::1", "::1"),
        (1, f"{REAL}, %", PEER),
        (1, f"{REAL}, 1.2.3.4\x00", PEER),
        (1, f"{REAL}, 'OR 1=1--", PEER),
        (1, "," * 10_000, PEER),
        (1, "x" * 100_000, PEER),
    ],
)
def test_t72_the_client_is_the_one_that_our_own_proxies_saw(
    settings: Any, proxies: int, forwarded: str | None, client: str
) -> None:
    assert client_of(proxies, forwarded, settings) == client


@cases("peer", ["", "unix:", "garbage", "\x00"])
@cases("proxies", [0, 1, 2])
def test_t72_a_peer_without_an_address_is_not_an_error(
    settings: Any, peer: str, proxies: int
) -> None:
    assert client_of(proxies, None, settings, peer) == "None"
    assert client_of(proxies, "garbage", settings, peer) == "None"
    assert context.RequestContext().client == "unknown"
    assert context.RequestContext().network == ""


@cases("proxies", [0, 1, 2])
@cases("forwarded", [REAL, "garbage", "fe80::1%" + "x" * 300, "fe80::1%\x00", "," * 99, "\ud800"])
def test_t72_a_whole_request_with_any_such_header_is_answered(
    db: None, settings: Any, proxies: int, forwarded: str
) -> None:
    settings.TRUSTED_PROXIES = proxies
    assert Visitor(HTTP_X_FORWARDED_FOR=forwarded).start().status_code == 201
    assert len(AuditPersonal.objects.get().address) <= 45


def test_t72_forged_entries_change_neither_the_event_nor_the_limit(db: None, settings: Any) -> None:
    settings.TRUSTED_PROXIES = 1
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "create": ["3/h"]}
    answers = [
        Visitor(REMOTE_ADDR=PEER, HTTP_X_FORWARDED_FOR=f"10.0.0.{n}, {REAL}").start().status_code
        for n in range(4)
    ]
    assert answers == [201, 201, 201, 429]
    assert {part.address for part in AuditPersonal.objects.all()} == {REAL}


@pytest.mark.parametrize(
    ("address", "client", "network"),
    [
        ("203.0.113.77", "203.0.113.77/32", "203.0.113.0/24"),
        ("::ffff:203.0.113.77", "203.0.113.77/32", "203.0.113.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", "2001:db8:1::/48"),
        ("fe80::1%eth0", "fe80::/64", "fe80::/48"),
    ],
)
def test_t73_a_client_is_an_ipv4_address_or_an_ipv6_64(
    address: str, client: str, network: str
) -> None:
    request_context = context.RequestContext(address=context.parse_address(address))
    assert (request_context.client, request_context.network) == (client, network)


def test_t73_a_64_is_one_client_and_mapped_addresses_are_many() -> None:
    base = int(ipaddress.IPv6Address("2001:db8:1:2::"))
    turning = [str(ipaddress.IPv6Address(base + n * 7919)) for n in range(10_000)]
    mapped = [f"::ffff:203.0.113.{n}" for n in range(8)]
    for addresses, count in ((turning, 1), (mapped, 8)):
        clients = {
            context.RequestContext(address=context.parse_address(text)).client for text in addresses
        }
        assert len(clients) == count


def request_id(proxies: int, claimed: str, settings: Any) -> str:
    """Return the id in the response to a request that sends one."""
    settings.TRUSTED_PROXIES = proxies
    answer = Client().get("/health/live", headers={"X-Request-ID": claimed})
    return str(answer["X-Request-ID"])


OURS = re.compile("[0-9a-f]{32}")


@cases(
    "claimed",
    [
        "12345678",
        "a" * 64,
        "0b55bd1c-2c50-4fd6-9d3c-0a8d7f8a6b11",
        "trace-1.2_3",
        "0b55bd1c2c504fd69d3c0a8d7f8a6b11",
    ],
)
def test_an_id_from_our_proxy_is_kept_and_one_from_a_visitor_is_not(
    settings: Any, claimed: str
) -> None:
    assert request_id(1, claimed, settings) == claimed
    made = request_id(0, claimed, settings)
    assert made != claimed
    assert OURS.fullmatch(made)


@cases(
    "claimed",
    ["", "1234567", "a" * 65, "a" * 100_000, "with space", "12345678\n", "12345678\r\nX: y", "ü" * 8,
     "<script>1", "12345678\x00", "a/b/c/d/e", "１２３４５６７８"],
)  # fmt: skip
def test_an_id_of_another_form_is_replaced(settings: Any, claimed: str) -> None:
    assert OURS.fullmatch(request_id(1, claimed, settings))


TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def traced(header: str, proxies: int, settings: Any) -> set[str]:
    """Return the trace ids in the log line and the audit event of a request."""
    settings.TRUSTED_PROXIES = proxies
    visitor = Visitor()
    with log_lines() as lines:
        assert visitor.start(headers={"traceparent": header}).status_code == 201
    (line,) = (
        entry for row in lines.getvalue().splitlines() if "route" in (entry := json.loads(row))
    )
    event = AuditLog.objects.latest("id")
    return {line.get("trace_id", ""), event.trace_id}


@cases(
    "header",
    [f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-00", f"cc-{TRACE}-{SPAN}-01", f"cc-{TRACE}-{SPAN}-01-what-comes"],
)  # fmt: skip
def test_a_trace_is_taken_over_from_our_proxy(db: None, settings: Any, header: str) -> None:
    assert traced(header, 1, settings) == {TRACE}
    assert traced(header, 0, settings) == {""}


@cases(
    "header",
    ["", "00", f"00-{TRACE}-{SPAN}", f"00-{TRACE}-{SPAN}-01-more", f"00-{TRACE}-{SPAN}-01-", f"ff-{TRACE}-{SPAN}-01",
     f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE.upper()}-{SPAN}-01", f"00-{TRACE[1:]}-{SPAN}-01",
     f"00-{TRACE}-{SPAN}-1", f"cc-{TRACE}-{SPAN}-01more", f" 00-{TRACE}-{SPAN}-01", f"00_{TRACE}_{SPAN}_01"],
)  # fmt: skip
def test_a_trace_of_another_form_is_ignored(db: None, settings: Any, header: str) -> None:
    assert traced(header, 1, settings) == {""}


def test_every_request_has_its_own_id(visitor: Visitor) -> None:
    ids = {visitor.current()["X-Request-ID"] for _ in range(20)}
    assert len(ids) == 20


def test_every_kind_of_response_has_the_id(
    visitor: Visitor, make_staff: Any, settings: Any
) -> None:
    upload = uploaded(visitor)
    stranger, staff = Visitor(), make_staff("Support")
    answers = {
        200: [visitor.current(), stranger.get("/"), stranger.get("/api/docs/"),
              stranger.get("/health/ready"), staff.get("/admin/"),
              stranger.get("/static/maria/tokens.css"),
              visitor.get(f"/api/v1/uploads/{upload.pk}/download/")],
        201: [Visitor().start()],
        204: [started().end()],
        301: [],
        302: [stranger.get("/admin/")],
        400: [visitor.reset(reason="x"), visitor.get("/", headers={"Host": "evil.example"}),
              visitor.get("/api/v1/uploads/", headers={"Host": "evil.example"})],
        401: [stranger.current(), stranger.get("/api/v1/audit-logs/")],
        403: [visitor.delete("/api/v1/sessions/current/"),
              make_staff().get("/api/v1/audit-logs/"),
              make_staff().get("/admin/audit_app/auditlog/")],
        404: [visitor.get("/api/v1/nothing/"), visitor.get("/nothing"),
              visitor.get(f"/api/v1/uploads/{uuid.uuid4()}/")],
        405: [visitor.put("/api/v1/sessions/current/"), visitor.post("/health/live")],
        413: [visitor.upload(pdf(size=6_000_000))],
        415: [visitor.upload(b"no pdf"), visitor.post("/api/v1/sessions/", b"x", "text/plain")],
    }  # fmt: skip
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "create": ["0/m"]}
    answers[429] = [stranger.start()]
    settings.RATE_LIMITS = {}
    failing = Visitor(raise_request_exception=False)
    answers[500] = [failing.start()]
    for status, those in answers.items():
        for answer in those:
            assert answer.status_code == status, (answer.request, answer.content)
            assert OURS.fullmatch(answer["X-Request-ID"])
            if answer.get("Content-Type") == "application/problem+json":
                assert answer.json()["request_id"] == answer["X-Request-ID"]


def actors() -> list[tuple[str, str]]:
    """Return the actor and type of each event, oldest first."""
    return list(AuditLog.objects.order_by("id").values_list("event_type", "actor"))


def test_the_actor_is_a_visitor_until_more_is_proven(db: None) -> None:
    started().end()
    Visitor().current()
    assert {actor for _, actor in actors()} == {"visitor"}


def test_the_actor_of_staff_is_their_id(visitor: Visitor, make_staff: Any) -> None:
    staff = make_staff("Support")
    page = f"/admin/sessions_app/usersession/{visitor.uuid}/revoke/"
    assert staff.post(page, {"reason": "abuse"}).status_code == 302
    assert actors()[-1] == ("session.revoked", f"staff:{staff.user.pk}")
    # A visitor stays a visitor, even if the same browser has a staff session.
    staff.post("/api/v1/sessions/", {}, content_type="application/json")
    assert actors()[-1] == ("session.created", "visitor")


def test_the_actor_of_a_command_is_the_login_that_runs_it(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "anna")
    age_session(visitor.row, timedelta(days=2))
    call_command("expire_sessions", verbosity=0)
    call_command("cleanup_orphans", verbosity=0)
    assert actors()[1:] == [
        ("session.expired", "operator:anna"),
        ("cleanup.completed", "operator:anna"),
    ]
    assert CleanupRun.objects.get().actor == "operator:anna"
    assert AuditLog.objects.filter(actor="operator:anna", network="", request_id="").count() == 2


def test_the_actor_of_a_task_is_system(visitor: Visitor) -> None:
    age_session(visitor.row, timedelta(days=2))
    expire_sessions()
    cleanup_orphans()
    assert actors()[1:] == [("session.expired", "system"), ("cleanup.completed", "system")]


def test_the_actor_of_a_sign_in_is_who_signed_in(db: None, settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    user = User.objects.create_superuser("boss", password="right")
    for password in ("wrong", "right"):
        Client().post("/admin/login/", {"username": "boss", "password": password})
    assert actors() == [
        ("staff.sign_in_failed", "visitor"),
        ("staff.signed_in", f"staff:{user.pk}"),
    ]


def test_a_context_ends_with_its_block() -> None:
    with context.as_actor("operator:anna"):
        with context.as_actor("staff:1"):
            assert context.current().actor == "staff:1"
        assert context.current().actor == "operator:anna"
    with pytest.raises(ZeroDivisionError), context.as_actor("staff:1"):
        raise ZeroDivisionError
    assert context.current().actor == "system"
