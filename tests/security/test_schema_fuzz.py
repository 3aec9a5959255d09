"""Schemathesis requests for every operation of docs/openapi.yaml get documented answers.

Half of the requests fit the schema and half do not; most have a valid proof,
so that they pass authentication. Each operation must succeed at least once;
otherwise its success answers would be untested.
"""

from collections import Counter
from collections.abc import Callable
from functools import cache as cache_calls
from typing import Any, TypeAlias

import pytest
import schemathesis
import yaml
from django.core.cache import cache
from django.db import transaction
from django.db.models import F
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as campaign
from hypothesis.strategies import SearchStrategy
from schemathesis import GenerationMode, Response
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from audit_app.models import AuditLog
from common.groups import AUDITOR
from maria_project.wsgi import application
from sessions_app.models import EmailCode, Scope, UserSession
from sessions_app.services.identity import SEND_INTERVAL
from sessions_app.services.recovery import issue_recovery_code
from tests.helpers import (
    SOAK,
    Visitor,
    keeping_connection,
    made_key,
    mailed_code,
    pdf,
    started,
    store_root,
    uploaded,
)
from tests.maria_project.pages import ROOT, documented_errors
from tests.uploads_app.direct_support import arrive, offer_forms

pytestmark = [pytest.mark.both, pytest.mark.slow]

Case: TypeAlias = schemathesis.Case[Any]
REQUESTS = 20_000 if SOAK else 260
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]
DOCUMENT = yaml.load((ROOT / "docs" / "openapi.yaml").read_text(), yaml.CSafeLoader)
OPERATIONS = [
    f"{method.upper()} {path}" for path, methods in DOCUMENT["paths"].items() for method in methods
]
# One test for each operation in a soak, which workers share; otherwise one test, and one world.
GROUPS = [[label] for label in OPERATIONS] if SOAK else [OPERATIONS]
# How the generated data fits the schema, whether proofs and ids are good, and its share of the requests.
ROUNDS = [
    (GenerationMode.POSITIVE, True, 0.4),
    (GenerationMode.NEGATIVE, True, 0.4),
    (GenerationMode.POSITIVE, False, 0.1),
    (GenerationMode.NEGATIVE, False, 0.1),
]


@cache_calls
def schema() -> Any:
    """Return the schemathesis schema of the document; loading it is slow."""
    loaded = schemathesis.openapi.from_dict(DOCUMENT)
    loaded.app = application
    return loaded


class FuzzFixtures:
    """The data for valid requests: a session with a file and codes, staff, and a service."""

    def __init__(self, make_staff: Callable[[str], Any]) -> None:
        self.visitor: Visitor = started()
        self.upload = uploaded(self.visitor)
        self.arrived = arrive(self.visitor, pdf("fuzzed directly"))
        self.visitor.identify(email="fuzz@example.com")
        self.visitor.ask_for_code()
        self.code = mailed_code()
        age_code(self.visitor.row)
        self.recovery = issue_recovery_code(session=self.visitor.row, reason="fuzzed")
        self.staff = make_staff(AUDITOR).cookies["maria_staff"].value
        self.key = made_key(*Scope.values)
        files = [path for path in store_root().rglob("*") if path.is_file()]
        self._objects = {path: path.read_bytes() for path in files}

    def restore(self) -> None:
        """Restore objects that requests have moved or deleted, which a rollback does not."""
        cache.clear()
        for path, content in self._objects.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def good_bodies(self, label: str) -> list[dict[str, Any]]:
        """Return bodies that no generator finds: a real file, and codes that were sent."""
        upload = {"body": {"file": pdf("fuzzed")}, "media_type": "multipart/form-data"}
        named = {"name": "fuzzed.pdf", "size": 1000}
        announce = {"body": named, "media_type": "application/json"}
        verify = {"body": {"code": self.code}, "media_type": "application/json"}
        recover = {"body": {"code": self.recovery}, "media_type": "application/json"}
        return {
            "POST /api/v1/uploads/": [upload],
            "POST /api/v1/uploads/direct/": [announce],
            "POST /api/v1/sessions/current/email/verify/": [verify],
            "POST /api/v1/sessions/recover/": [recover],
        }.get(label, [])

    def prove(self, case: Case) -> None:
        """Add the proof that the operation accepts, and the ids of existing rows, to a request."""
        for scheme in case.operation.definition.raw["security"][0] or ["sessionCookie"]:
            match scheme:
                case "sessionCookie":
                    case.cookies = {"maria_session": self.visitor.token}
                    case.headers["X-Session-UUID"] = self.visitor.uuid
                case "staffCookie":
                    case.cookies = {"maria_staff": self.staff}
                case "serviceKey":
                    case.headers["Authorization"] = f"Bearer {self.key}"
                case _:
                    raise LookupError(f"tell {__name__} how to prove {scheme}")
        case.path_parameters = {
            name: self.visitor.uuid if name == "uuid" else self.an_id(case.path)
            for name in case.path_parameters
        }

    def an_id(self, path: str) -> str:
        """Return the id of an existing row for a URL with `{id}`."""
        if "audit-logs" in path:
            return str(AuditLog.objects.values_list("id", flat=True)[0])
        return str(self.arrived.pk if "complete" in path else self.upload.pk)


def age_code(session: UserSession) -> None:
    """Move the last code back in time, so that another can be sent."""
    EmailCode.objects.filter(session=session).update(sent_at=F("sent_at") - SEND_INTERVAL)


@pytest.fixture
def world(db: None, make_staff: Any, settings: Any) -> FuzzFixtures:
    settings.RATE_LIMITS = {name: ["1000000/m"] for name in settings.RATE_LIMITS}
    offer_forms(settings)
    return FuzzFixtures(make_staff)


@pytest.mark.timeout(1800 if SOAK else 300)
@pytest.mark.parametrize("labels", GROUPS)
def test_every_answer_is_as_documented(world: FuzzFixtures, labels: list[str]) -> None:
    failures = {}
    for label in labels:
        world.restore()
        try:
            try_operation(world, label)
        except Exception as error:
            failures[label] = error
    if failures:
        raise ExceptionGroup(
            f"answers that are not as documented: {[*failures]}", [*failures.values()]
        )


def try_operation(world: FuzzFixtures, label: str) -> None:
    """Send the requests of one operation."""
    operation, statuses = schema().find_operation_by_label(label), Counter[int]()

    def ask(case: Case) -> None:
        with keeping_connection(), transaction.atomic():  # each request meets the same world
            response = case.call()
            transaction.set_rollback(True)
        statuses[response.status_code] += 1
        case.validate_response(response, checks=[*CHECKS, is_documented])

    def ask_well(case: Case) -> None:
        world.prove(case)
        ask(case)

    for mode, good, share in ROUNDS:
        requests = max(1, int(REQUESTS * share / len(OPERATIONS)))
        each(operation.as_strategy(generation_mode=mode), requests, ask_well if good else ask)
    for content in world.good_bodies(label):
        ask_well(operation.Case(**content))

    assert any(status < 300 for status in statuses), f"no good answer among {dict(statuses)}"


def each(cases: SearchStrategy[Case], count: int, ask: Callable[[Case], None]) -> None:
    """Generate `count` cases, the same in every run."""

    @campaign(
        max_examples=count,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def run(case: Case) -> None:
        ask(case)

    run()


def is_documented(_: Any, response: Response, case: Case) -> None:
    """Assert that a success is documented, and that an error has a code of docs/api.md with its status."""
    status = response.status_code
    if status < 400:
        assert str(status) in case.operation.definition.raw["responses"]
    else:
        problem = response.json()
        assert documented_errors()[problem["code"]][0] == problem["status"] == status
