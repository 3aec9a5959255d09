"""Looking through the whole store, in as many runs as that takes, and judging what was seen.

What disagrees is written down, and nothing else is changed.
"""

import uuid
from collections.abc import Iterator
from itertools import chain

from sessions_app.models import UserSession
from uploads_app.cleanup import reconcile
from uploads_app.cleanup.reconcile import UNEXPECTED, Finding, Kind, Seen
from uploads_app.cleanup.work import BATCH, Work
from uploads_app.marker import Stop
from uploads_app.models import KEY_LENGTH, Anomaly, StoreState

UNEXPECTED_FLOOR = 100
UNEXPECTED_SHARE = 0.05
# How much of a scheduled run may go into looking, so that some is left to act.
LOOK_SHARE = 0.5


def everything(work: Work, seen: Seen) -> Iterator[Finding]:
    """Yield all that a look finds; what has a key that cannot be written down is only told."""
    for finding in chain(reconcile.look(work.store, work.ages, seen), _temporary_files(work, seen)):
        key = finding.label[:KEY_LENGTH]
        yield finding if key == finding.key else Finding(Kind.UNKNOWN, key, finding.size)


def _temporary_files(work: Work, seen: Seen) -> Iterator[Finding]:
    if not seen.is_partial:
        for name in work.store.temporary_files(work.ages.temporary_before):
            yield Finding(Kind.TEMPORARY, name)


def look_on(work: Work) -> tuple[StoreState, Seen]:
    """Look through the whole store, or as far as a scheduled run may, from where the last one ended."""
    state = StoreState.objects.get()
    is_scheduled = work.options.seconds != float("inf")
    work.run.continued = bool(state.look_after and is_scheduled)
    if not work.run.continued:
        state.look_id, state.look_after = uuid.uuid4(), ""
        state.look_objects = state.look_rows = 0
        Anomaly.objects.all().delete()

    def pause() -> None:
        work.keep_lease()
        work.options.progress(seen.objects)

    def enough() -> bool:
        return not work.has_time(LOOK_SHARE)

    seen = Seen(pause, enough, state.look_objects, state.look_rows, state.look_after)
    found: list[Anomaly] = []
    for finding in everything(work, seen):
        found.append(_anomaly(state, finding))
        if len(found) == BATCH:
            _write(found)
            found = []
    _write(found)
    # A look that is over is not gone on from: what a crash leaves of acting on it, a fresh one finds.
    state.look_after = seen.after if seen.is_partial else ""
    state.look_objects, state.look_rows = seen.objects, seen.rows
    state.save(update_fields=["look_id", "look_after", "look_objects", "look_rows"])
    work.run.objects_seen, work.run.rows_seen = seen.objects, seen.rows
    return state, seen


def judge(work: Work, state: StoreState, seen: Seen) -> None:
    """Raise Stop if what was seen is not plausible, after telling what that was."""
    anomalies = Anomaly.objects.filter(look_id=state.look_id)
    try:
        refuse_implausible(work, seen, anomalies.filter(kind__in=UNEXPECTED).count())
    except Stop:
        for anomaly in anomalies.order_by("id").iterator(BATCH):
            work.tell(finding_of(anomaly))
        work.note_counts()
        forget_look(state)
        raise


def refuse_implausible(work: Work, seen: Seen, unexpected: int) -> None:
    """Raise Stop if there are no sessions, or more files on one side only than is plausible."""
    if seen.objects and not UserSession.objects.exists():
        raise Stop(
            "no_sessions", "There are files but no sessions at all: is it the right database?"
        )
    share = work.options.allow_share
    allowed = max(
        UNEXPECTED_FLOOR,
        (UNEXPECTED_SHARE if share is None else share) * max(seen.objects, seen.rows),
    )
    if unexpected > allowed:
        raise Stop(
            "too_many_unexpected",
            f"{unexpected} files are on one side only, and at most {allowed:.0f} are plausible: "
            "is all of the store there, and is it the right database?",
        )


def forget_look(state: StoreState) -> None:
    """Remove what a look has written down, once it has been acted on or called implausible."""
    Anomaly.objects.filter(look_id=state.look_id).delete()


def finding_of(anomaly: Anomaly) -> Finding:
    """Return what was written down as it was found."""
    return Finding(Kind(anomaly.kind), anomaly.key, anomaly.size)


def _anomaly(state: StoreState, finding: Finding) -> Anomaly:
    return Anomaly(
        look_id=state.look_id,
        kind=finding.kind,
        key=finding.key,
        size=finding.size,
    )


def _write(found: list[Anomaly]) -> None:
    # A look that a crash cut off finds some of them again.
    Anomaly.objects.bulk_create(found, ignore_conflicts=True)
