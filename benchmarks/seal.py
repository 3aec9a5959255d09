"""`make bench-seal`: seals and verifies a log of a million rows, and prints rows per second.

Rates are by processor time of one process, because the machine may be busy; the wall time is
printed beside them. Each step runs in a process of its own, so that its peak of memory is its own.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import django

from tests import postgres

ROOT = Path(__file__).resolve().parent.parent
AT_ONCE = 10_000
SEALED_PER_SECOND, VERIFIED_PER_SECOND = 60_000, 40_000
STEPS = ("fill", "seal", "verify", "verify_half")


def fill(rows: int) -> int:
    """Write rows of several types, three quarters with personal parts, one a millisecond."""
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    call_command("create_seal_key", verbosity=0)
    start = datetime.now(UTC) - timedelta(milliseconds=rows)
    for first in range(0, rows, AT_ONCE):
        _insert(first, min(AT_ONCE, rows - first), start)
    return rows


def _insert(first: int, number: int, start: datetime) -> None:
    from audit_app.models import AuditLog, AuditPersonal
    from audit_app.services import Entry, of_the_past
    from common import context
    from sessions_app import events

    kinds = (events.CREATED, events.ENDED, events.REFUSED, events.EXPIRED)
    client = context.RequestContext(
        "request-12345678", context.parse_address("192.0.2.1"), "Mozilla/5.0 " * 8, "visitor"
    )
    made = [
        of_the_past(
            kinds[at % 4],
            Entry(uuid.uuid4()),
            request_context=client
            if at % 4 != 3
            else context.RequestContext("", None, "", "system"),
            occurred_at=start + timedelta(milliseconds=at),
            event_id=uuid.uuid4(),
            salt=f"{at:032x}",
        )
        for at in range(first, first + number)
    ]
    AuditLog.objects.bulk_create([log for log, _ in made])
    parts = []
    for log, part in made:
        if part:
            part.log_id = log.pk
            parts.append(part)
    AuditPersonal.objects.bulk_create(parts)


def seal(rows: int) -> int:
    from audit_app.seal.sealer import seal_all

    return sum(head.rows for head in seal_all())


def verify(rows: int) -> int:
    from audit_app.seal.verification import Scope, verify

    report = verify(Scope())
    assert not report.differences, report.differences[:3]
    return report.rows


def verify_half(rows: int) -> int:
    """Verify half of the heads: memory is flat if that takes as much as verifying all."""
    from audit_app.seal.verification import Verification

    one = Verification()
    one.chain()
    one.rows([(1, one.state.head // 2)], lambda _: None)
    return one.report.rows


def step(name: str, rows: int) -> None:
    """Run one step in this process, and print its figures."""
    run: Callable[[int], int] = globals()[name]
    wall, processor = time.perf_counter(), time.process_time()
    done = run(rows)
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        f"{name}: {done:,} rows, {done / processor:,.0f} rows/s of processor time, "
        f"{done / wall:,.0f} rows/s of wall time, peak {peak} MiB",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.seal")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("--step", choices=STEPS)
    options = parser.parse_args()
    if options.step:
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "maria_project.settings")
        django.setup()
        step(options.step, options.rows)
        return
    print(f"goals: seal {SEALED_PER_SECOND:,}, verify {VERIFIED_PER_SECOND:,} rows/s", flush=True)
    for env in _databases(options.postgresql):
        for name in STEPS:
            command = [sys.executable, "-m", "benchmarks.seal", "--step", name]
            subprocess.run(  # noqa: S603  (a module of our own)
                [*command, "--rows", str(options.rows)], check=True, cwd=ROOT, env=env
            )


def _databases(on_postgresql: bool) -> Iterator[dict[str, str]]:
    with tempfile.TemporaryDirectory(prefix="maria-seal-") as folder:
        env: dict[str, Any] = {**os.environ, "DATA_DIR": folder, "ENV_FILE": os.devnull}
        if on_postgresql:
            with postgres.running() as url:
                yield {**env, "DATABASE_URL": url}
        else:
            yield env


if __name__ == "__main__":
    main()
