"""Each audit event has a sentence for staff, with its facts."""

import json
from typing import Any

from django.utils import timezone

from audit_app.events import registered
from audit_app.models import AuditLog, AuditOutcome
from audit_app.sentences import is_technical, sentence
from tests.cases import cases


def event(name: str, outcome: AuditOutcome = AuditOutcome.SUCCESS, **details: Any) -> AuditLog:
    """Return an event without saving it."""
    return AuditLog(event_type=name, outcome=outcome, text=json.dumps({"details": details}))


def test_each_type_of_the_catalogue_has_a_sentence_without_a_gap() -> None:
    for one in registered():
        details: dict[str, Any] = dict.fromkeys(one.keys, 7)
        if "until" in details:
            details["until"] = timezone.now().isoformat()
        said = sentence(event(one.name, **details), who="anna (Support)", file="A•••.pdf")
        assert one.story, one.name
        assert said != one.name
        assert not set("?{}") & set(said), said
        # It speaks to staff, and not to the visitor.
        assert "your" not in said.split(), said


@cases(
    ("log", "who", "file", "said"),
    [
        (event("upload.stored", size=13312, sha256="0"), "", "C•••.pdf", "Uploaded C•••.pdf, 13.0\xa0KB"),
        (event("upload.stored"), "", "", "Uploaded a file"),
        (
            event("upload.deleted", reason="retention"),
            "The system", "C•••.pdf",
            "The system deleted C•••.pdf: its retention was over",
        ),
        (event("upload.deleted", reason="visitor"), "", "C•••.pdf", "Deleted C•••.pdf"),
        (
            event("upload.rejected", AuditOutcome.DENIED, code="type_not_allowed", repeated=4),
            "", "c•••.exe",
            "c•••.exe was refused: its type is not allowed, and 4 more like it",
        ),
        (
            event("upload.inspected", verdict="suspect", suspicions="javascript, embedded_file"),
            "The system", "C•••.pdf",
            "C•••.pdf was inspected: suspicious, the file runs a script, contains other files",
        ),
        (event("staff.session_viewed", page="usersession"), "anna (Support)", "", "anna (Support) viewed this session"),
        (
            event("staff.personal_data_revealed", page="x", reason="to {compare}"),
            "anna (Support)", "",
            "anna (Support) revealed the personal values: “to {compare}”",
        ),
        (
            event("session.identified", fields="email,name"),
            "",
            "",
            "Changed contact data: e-mail address, name",
        ),
        (event("session.expired", reason="idle"), "The system", "", "This session expired: it was not used for too long"),
        (
            event("upload.quota_exceeded", AuditOutcome.DENIED, max_files=3, max_total_bytes=1048576),
            "", "",
            "A file was refused: the session may have at most 3 files and 1.0\xa0MB",
        ),
        (event("an.old_event", reason="x"), "anna", "", "an.old_event"),
    ],
)  # fmt: skip
def test_the_sentence_says_what_happened(log: AuditLog, who: str, file: str, said: str) -> None:
    assert sentence(log, who=who, file=file) == said


@cases(
    ("log", "technical"),
    [
        (event("session.token_rotated"), True),
        (event("upload.inspected", verdict="clean"), True),
        (event("upload.inspected", verdict="suspect"), False),
        (event("session.token_rotated", AuditOutcome.ERROR), False),
        (event("upload.stored"), False),
        (event("an.old_event"), False),
    ],
)
def test_routine_steps_are_technical(log: AuditLog, technical: bool) -> None:
    assert is_technical(log) == technical
