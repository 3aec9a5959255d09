"""Verifies the rows of a head: completeness, roots, columns, classes and personal parts."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from hashlib import sha256
from itertools import chain
from json import JSONDecoder
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, NamedTuple

from django.db import connection

from audit_app.events import event_type
from audit_app.models import AuditLog
from audit_app.seal.chain_check import CheckedHead
from audit_app.seal.differences import Difference
from audit_app.seal.heads import Head
from audit_app.seal.id_ranges import members
from audit_app.seal.merkle import leaf_hash, root
from audit_app.seal.rows import class_of, read_ranges

PAGE = 5_000
# A transaction may take as long between an event and its commit.
OLD = timedelta(hours=1)
_decode = JSONDecoder().decode
_COLUMNS = "actor, event_type, network, outcome, request_id, target"
_NAMES = tuple(_COLUMNS.split(", "))
# Times and UUIDs as text, because converting them takes longer than everything else.
_AS_TEXT = {
    "sqlite": "occurred_at || '', event_id, session_uuid",
    "postgresql": "to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), "
    "replace(event_id::text, '-', ''), replace(session_uuid::text, '-', '')",
}
_PARTS = "p.log_id, salt, address, email, file_name, user_agent"
_ERASURES = ("session.erasure_requested", "session.erased")
# A session's contact data may also go without the session.
_CONTACT = ("session.contact_erased", "session.identified")
# Requests that were in progress during an erasure are cleaned up for a day.
_LATE_ERASURE = timedelta(days=2)


class LogRow(NamedTuple):
    """A row of the log as it is stored, with its personal part if there is one."""

    id: int
    text: str
    retention: str | None
    actor: str
    event_type: str
    network: str
    outcome: str
    request_id: str
    target: str
    occurred_at: str
    event_id: str
    session_uuid: str | None
    part: int | None
    salt: str
    address: str
    email: str
    file_name: str
    user_agent: str


class RowCheck:
    """Checks the rows of one head after the other. `unsealed` are ids that may be in no batch."""

    def __init__(self, late: Mapping[int, int], unsealed: Sequence[range]) -> None:
        self._late, self._unsealed = late, unsealed
        self.rows = 0

    def head(self, one: CheckedHead) -> Iterator[Difference]:
        """Yield every difference of the rows that a head covers, in the order of their ids."""
        head = one.head
        expected = {number: name for name, ids in one.ids.items() for number in members(ids)}
        own_late = [number for number in expected if number <= head.after]
        leaves: defaultdict[str, list[bytes]] = defaultdict(list)
        unclassed = {name: sealed.unclassed_until for name, sealed in head.batches.items()}
        oldest, newest = _limits(one.before, head)
        unerased: list[LogRow] = []
        unreadable = len(one.ids) < len(head.batches)
        for row in self._rows(head, sorted(own_late)):
            name = expected.pop(row.id, "")
            if not name:
                if not (unreadable or row.id in self._late or self._is_unsealed(row.id)):
                    yield Difference("row_inserted", f"row {row.id}")
                continue
            self.rows += 1
            leaves[name].append(leaf_hash(row.text))
            if row.retention != name and (row.retention or row.id > unclassed[name]):
                yield Difference("class_changed", f"row {row.id}", f"It was sealed as {name}.")
            elif class_of(row.event_type, None) != name and event_type(row.event_type):
                yield Difference("class_changed", f"row {row.id}")
            yield from check_row(row, unerased)
            time = row.occurred_at
            if time < oldest:
                yield Difference("old_time", f"row {row.id}")
            elif time > newest:
                yield Difference("clock", f"row {row.id}")
        for number in expected:
            yield Difference("row_missing", f"row {number}")
        for name in one.ids:
            if root(leaves[name]).hex() != head.batches[name].root:
                yield Difference("batch_root", f"batch {head.batches[name].batch}")
        yield from _not_erased(unerased)

    def above(self, last: Head) -> Iterator[Difference]:
        """Yield differences of the rows that are not sealed yet."""
        waiting = [row.id for row in read_ranges(self._unsealed)]
        oldest = _as_text(last.time - OLD)
        unerased: list[LogRow] = []
        for row in chain(self._by_ids(waiting), read_rows("l.id > %s", [last.through])):
            yield from check_row(row, unerased)
            if row.occurred_at < oldest:
                yield Difference("old_time", f"row {row.id}")
        yield from _not_erased(unerased)

    def _is_unsealed(self, number: int) -> bool:
        return any(number in one for one in self._unsealed)

    def _rows(self, head: Head, late: Sequence[int]) -> Iterator[LogRow]:
        yield from self._by_ids(late)
        yield from read_rows("l.id > %s AND l.id <= %s", [head.after, head.through])

    def _by_ids(self, ids: Sequence[int]) -> Iterator[LogRow]:
        for start in range(0, len(ids), 500):
            some = ids[start : start + 500]
            yield from read_rows(f"l.id IN ({', '.join(['%s'] * len(some))})", some)


def read_rows(condition: str, parameters: Sequence[Any]) -> Iterator[LogRow]:
    """Yield rows with their personal parts in the order of ids, a page at a time."""
    sql = (
        f"SELECT l.id, text, retention, {_COLUMNS}, {_AS_TEXT[connection.vendor]}, {_PARTS} "  # noqa: S608
        "FROM audit_app_auditlog l LEFT JOIN audit_app_auditpersonal p ON p.log_id = l.id "
        f"WHERE {condition} AND l.id > %s ORDER BY l.id LIMIT {PAGE}"
    )
    last = -(2**62)
    while True:
        with connection.cursor() as cursor:
            cursor.execute(sql, [*parameters, last])
            page = cursor.fetchall()
        yield from map(LogRow._make, page)
        if len(page) < PAGE:
            return
        last = page[-1][0]


def check_row(row: LogRow, unerased: list[LogRow]) -> Iterator[Difference]:
    """Yield what differs between the columns, the text and the personal part of a row.

    A row whose personal part is missing is added to `unerased`.
    """
    try:
        values: dict[str, Any] = _decode(row.text)
        same = row[3:9] == (
            values["actor"], values["event_type"], values["network"], values["outcome"],
            values["request_id"], values["target"],
        )  # fmt: skip
        session, time = values["session_uuid"], values["occurred_at"]
        same_session = row.session_uuid == (session and session.replace("-", ""))
        same_id = row.event_id == values["event_id"].replace("-", "")
        commitment = values["personal"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        yield Difference("text_changed", f"row {row.id}")
        return
    if not (same and same_session and same_id and _is_time(row.occurred_at, time)):
        yield Difference("column_changed", f"row {row.id}", _changed(row, values))
    if row.part is None:
        if commitment is not None:
            unerased.append(row)
    elif commitment is None:
        yield Difference("personal_added", f"row {row.id}")
    elif _commitment(row) != commitment:
        yield Difference("personal_changed", f"row {row.id}")


def _commitment(row: LogRow) -> str:
    """Return the same as canonical.commitment, written for speed."""
    values = []
    if row.address:
        values.append(f'"address":{quoted(row.address)}')
    if row.email:
        values.append(f'"email":{quoted(row.email)}')
    if row.file_name:
        values.append(f'"file_name":{quoted(row.file_name)}')
    if row.user_agent:
        values.append(f'"user_agent":{quoted(row.user_agent)}')
    return sha256(f"{row.salt}\n{{{','.join(values)}}}".encode()).hexdigest()


def _changed(row: LogRow, values: Mapping[str, Any]) -> str:
    names = [name for name in _NAMES if getattr(row, name) != values[name]]
    return f"Column {', '.join(names) or 'occurred_at, event_id or session_uuid'}."


def _is_time(column: str, text: str) -> bool:
    """Compare a time as the database formats it with that of the text."""
    return column.removesuffix(".000000").replace(" ", "T") + "+00:00" == text


def _as_text(time: Any) -> str:
    return str(time.replace(tzinfo=None))


def _limits(before: Head | None, head: Head) -> tuple[str, str]:
    """Return the times that a row of a head may have, as the database formats them."""
    oldest = _as_text(min(before.time, head.time) - OLD) if before else ""
    return oldest, _as_text(max(head.time, before.time if before else head.time) + OLD)


def orphans(after: int, through: int) -> Iterator[Difference]:
    """Yield the personal parts whose row is missing."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT log_id FROM audit_app_auditpersonal p WHERE log_id > %s AND log_id <= %s"
            " AND NOT EXISTS (SELECT 1 FROM audit_app_auditlog l WHERE l.id = p.log_id)",
            [after, through],
        )
        for (number,) in cursor.fetchall():
            yield Difference("personal_added", f"row {number}", "The row itself is missing.")


def _not_erased(rows: Iterable[LogRow]) -> Iterator[Difference]:
    """Yield the rows whose personal part is missing, although nothing has erased it."""
    missing = list(rows)
    for start in range(0, len(missing), 500):
        some = missing[start : start + 500]
        erasures = _erasures({row.session_uuid for row in some if row.session_uuid})
        for row in some:
            if not any(_explains(row, one) for one in erasures.get(row.session_uuid or "", ())):
                yield Difference("personal_missing", f"row {row.id}")


def _erasures(sessions: set[str]) -> dict[str, list[AuditLog]]:
    found: defaultdict[str, list[AuditLog]] = defaultdict(list)
    for event in AuditLog.objects.filter(
        session_uuid__in=sessions, event_type__in=(*_ERASURES, *_CONTACT)
    ):
        found[event.session_uuid.hex if event.session_uuid else ""].append(event)
    return found


def _explains(row: LogRow, event: AuditLog) -> bool:
    """Return whether an erasure may have deleted the personal part of a row."""
    if event.event_type in _ERASURES:
        until = _as_text(event.occurred_at + _LATE_ERASURE)
        return event.pk > row.id or row.occurred_at <= until
    if event.event_type == "session.identified" and "email" not in str(event.details.get("fields")):
        return False
    return event.pk > row.id
