"""Multiplies an invented history on PostgreSQL by copying its rows in SQL.

In copy n every UUID has other digits, every time is n × SHIFT earlier, and
unique values are replaced, in columns and in the canonical texts of the audit
log. Each copied audit row is what `record` would have written: its commitment
matches its personal part.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.db import connection, models, transaction

from audit_app.models import AuditLog, AuditPersonal
from demo_app.history.sessions import code_of
from sessions_app import events as session_events
from sessions_app.models import Consent, UserSession
from uploads_app import events as upload_events
from uploads_app.models import ErasureNote, UploadedFile, UploadQuota

# Not a whole number of seconds, so that two copies of an event never have the same time.
SHIFT = "interval '15.371417 s'"
ROWS_AT_ONCE = 80_000
# The least interesting events. Without them a million sessions have about five million events.
LEFT_OUT = (
    upload_events.INSPECTED,
    session_events.CONSENT_GRANTED,
    session_events.CONSENT_WITHDRAWN,
    session_events.IDENTIFIED,
    session_events.TOKEN_ROTATED,
)
# Four digits are replaced in three places: at the start, so that copies spread over an index,
# and twice more, so that no copy has the UUID of an existing row.
_UUID = (
    "[0-9a-f]{4}([0-9a-f]{4}-)[0-9a-f]{4}(-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{8})[0-9a-f]{4}"
)
# An odd factor, so that each copy has other digits.
_DIGITS = "lpad(to_hex(c.n * 40503 %% 65536), 4, '0')"


_REQUEST = "CASE WHEN t.request_id > '' THEN md5(t.request_id || c.n) ELSE '' END"


def copy(sessions: Sequence[UUID], copies: int, *, first_code: int, jobs: int) -> Iterator[int]:
    """Copy sessions with their rows; yield the number of sessions after each transaction."""
    with _templates(sessions, copies, first_code):
        yield from _in_turn(_copy_sessions, range(1, copies + 1), jobs)
        for _ in _in_turn(lambda edges: _copy_events(edges, copies), _slices(copies), jobs):
            yield 0


def _in_turn(work: Callable[[Any], int], pieces: Iterable[Any], jobs: int) -> Iterator[int]:
    if jobs == 1:
        yield from map(work, pieces)
        return

    def with_own_connection(piece: Any) -> int:
        try:
            return work(piece)
        finally:
            connection.close()

    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(with_own_connection, pieces)


@contextmanager
def _templates(sessions: Sequence[UUID], copies: int, first_code: int) -> Iterator[None]:
    """Create temporary tables: the sessions to copy, and a support code for each copy."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE UNLOGGED TABLE demo_template (uuid uuid PRIMARY KEY)")
        cursor.execute(
            "CREATE UNLOGGED TABLE demo_code (uuid uuid, n int, code text, PRIMARY KEY (uuid, n))"
        )
        with cursor.copy("COPY demo_template FROM STDIN") as rows:
            for uuid in sessions:
                rows.write_row([uuid])
        with cursor.copy("COPY demo_code FROM STDIN") as rows:
            for number in range(len(sessions) * copies):
                copied, place = divmod(number, len(sessions))
                rows.write_row([sessions[place], copied + 1, code_of(first_code + number)])
        cursor.execute("ANALYZE demo_template")
        cursor.execute("ANALYZE demo_code")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE demo_template, demo_code")


def _copy_sessions(number: int) -> int:
    """Write one copy of every session with its consents, quotas and files."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            _insert(
                UserSession,
                "JOIN demo_code d ON d.uuid = t.uuid AND d.n = c.n",
                support_code="d.code",
                token_hash="md5(c.n || t.token_hash) || md5(t.token_hash || c.n)",  # noqa: S106
                email=_email("t.email"),
            ),
            [number, number],
        )
        copied: int = cursor.rowcount
        for model in (Consent, UploadQuota):
            cursor.execute(
                _insert(model, "JOIN demo_template d ON d.uuid = t.session_id"), [number, number]
            )
        cursor.execute(
            _insert(ErasureNote, "JOIN demo_template d ON d.uuid = t.session_uuid"),
            [number, number],
        )
        cursor.execute(
            _insert(
                UploadedFile,
                "JOIN demo_template d ON d.uuid = t.session_id",
                key=_with_other_uuids("t.key"),
                sha256=f"CASE WHEN t.sha256 > '' THEN {_hash('t.sha256')} ELSE '' END",
            ),
            [number, number],
        )
    return copied


def _slices(copies: int) -> list[tuple[Any, Any]]:
    """Split the time of the events into ranges of about ROWS_AT_ONCE copies each."""
    step = max(ROWS_AT_ONCE // copies, 1)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT occurred_at FROM audit_app_auditlog t "
            "JOIN demo_template d ON d.uuid = t.session_uuid ORDER BY 1"
        )
        edges = [time for (time,) in cursor.fetchall()][::step]
    return list(zip(edges, [*edges[1:], None], strict=True))


def _copy_events(edges: tuple[Any, Any], copies: int) -> int:
    """Write every copy of the events in a time range, oldest first."""
    columns = _columns(AuditLog)
    made = {
        **{name: _expression(field) for name, field in columns.items()},
        "id": "nextval(pg_get_serial_sequence('audit_app_auditlog', 'id'))",
        "target": _target(),
        "request_id": _REQUEST,
        "text": _text(),
    }
    parts = {
        **{name: f"p.{name}" for name in _columns(AuditPersonal) if name != "log_id"},
        "email": _email("p.email"),
    }
    names = ", ".join(columns)
    part_names = ", ".join(parts)
    query = f"""
    WITH made AS MATERIALIZED (
      SELECT {", ".join(f"{value} AS {name}" for name, value in made.items())},
        {", ".join(f"{value} AS part_{name}" for name, value in parts.items())}
      FROM audit_app_auditlog t
        JOIN demo_template ON demo_template.uuid = t.session_uuid
        LEFT JOIN audit_app_auditpersonal p ON p.log_id = t.id
        CROSS JOIN (SELECT n, n * {SHIFT} AS shift FROM generate_series(1, %s) n) c
        LEFT JOIN demo_code d
          ON t.event_type = 'session.created' AND d.uuid = t.session_uuid AND d.n = c.n
      WHERE t.occurred_at >= %s AND t.occurred_at < coalesce(%s, 'infinity'::timestamptz)
        AND t.event_type <> ALL(%s)
      ORDER BY t.occurred_at - c.shift
    ), logs AS (INSERT INTO audit_app_auditlog ({names}) SELECT {names} FROM made)
    INSERT INTO audit_app_auditpersonal (log_id, {part_names})
    SELECT id, {", ".join(f"part_{name}" for name in parts)} FROM made WHERE part_salt IS NOT NULL
    """  # noqa: S608  (names and expressions of our own)
    with transaction.atomic(), connection.cursor() as cursor:
        # Canonical texts contain times in UTC.
        cursor.execute("SET LOCAL TimeZone = 'UTC'")
        cursor.execute(query, [copies, *edges, [event.name for event in LEFT_OUT]])
    return copies


def _insert(model: type[models.Model], join: str, **chosen: str) -> str:
    """Return the INSERT statement for copy %s of a table's rows, %s times SHIFT earlier."""
    columns = {name: _expression(field) for name, field in _columns(model).items()}
    if isinstance(model._meta.pk, models.AutoField):
        del columns["id"]
    columns |= chosen
    names = ", ".join(f'"{name}"' for name in columns)
    table = model._meta.db_table
    return (
        f"INSERT INTO {table} ({names}) SELECT {', '.join(columns.values())} FROM {table} t "  # noqa: S608
        f"CROSS JOIN (SELECT %s::int AS n, %s * {SHIFT} AS shift) c {join}"
    )


def _columns(model: type[models.Model]) -> dict[str, Any]:
    return {
        str(field.column): field for field in model._meta.concrete_fields if not field.generated
    }


def _expression(field: Any) -> str:
    """Return the SQL of a copied column: another UUID, an earlier time, or the same value."""
    if isinstance(getattr(field, "target_field", field), models.UUIDField):
        return f"({_other(f't.{field.column}::text')})::uuid"
    if isinstance(field, models.DateTimeField):
        return f't."{field.column}" - c.shift'
    return f't."{field.column}"'


def _other(uuid: str) -> str:
    """Return the SQL of the copy's UUID, as text; see _UUID."""
    return f"{_DIGITS} || substr({uuid}, 5, 5) || {_DIGITS} || substr({uuid}, 14, 19) || {_DIGITS}"


def _target() -> str:
    """Return the SQL of a copied target, which is empty or ends in a UUID."""
    other = _other("right(t.target, 36)")
    return f"CASE WHEN t.target > '' THEN left(t.target, -36) || {other} ELSE '' END"


def _with_other_uuids(text: str) -> str:
    """Return the SQL of a text with every UUID in it replaced."""
    other = f"{_DIGITS} || '\\1' || {_DIGITS} || '\\2' || {_DIGITS}"
    return f"regexp_replace({text}, '{_UUID}', {other}, 'g')"


def _email(column: str) -> str:
    return f"replace({column}, '@', '.' || c.n || '@')"


def _hash(text: str) -> str:
    return f"encode(sha256(convert_to({text} || c.n, 'UTF8')), 'hex')"


def _text() -> str:
    """Return the SQL of a copied row's canonical text."""
    digest, code, personal_part = _part("sha256"), _part("support_code"), _part("personal")
    # Addresses and user agents are ASCII. No personal part has both an e-mail address and a file name.
    values = (
        """'{"address":"' || p.address || '","email":"' || """
        + _email("p.email")
        + """ || '","user_agent":"' || p.user_agent || '"}'"""
    )
    commitment = f"encode(sha256(convert_to(p.salt || E'\\n' || {values}, 'UTF8')), 'hex')"
    # Replace known values of columns: a search through the whole text takes ten times as long.
    text = f"CASE WHEN t.event_type = 'session.reset' THEN {_with_other_uuids('t.text')} ELSE t.text END"
    text = _replaced(text, "t.event_id::text", _other("t.event_id::text"))
    text = _replaced(text, "t.session_uuid::text", _other("t.session_uuid::text"))
    text = _replaced(text, "t.target", _target())
    text = _replaced(text, _isoformat("t.occurred_at"), _isoformat("(t.occurred_at - c.shift)"))
    text = _replaced(text, "t.request_id", _REQUEST)
    text = _replaced(text, digest, _hash(digest))
    text = _replaced(text, code, "d.code")
    return _replaced(text, personal_part, f"CASE WHEN p.email > '' THEN {commitment} END")


def _part(key: str) -> str:
    """Return the SQL of the value of a key in the text; empty if there is none."""
    return f"""split_part(split_part(t.text, '"{key}":"', 2), '"', 1)"""


def _isoformat(time: str) -> str:
    """Return the SQL of a time as `datetime.isoformat` formats it."""
    return f"""replace(to_char({time}, 'YYYY-MM-DD"T"HH24:MI:SS.US+00:00'), '.000000+', '+')"""


def _replaced(text: str, old: str, new: str) -> str:
    # replace() ignores an empty `old`; a NULL `new` keeps the old value.
    return f"replace({text}, coalesce({old}, ''), coalesce({new}, {old}, ''))"
