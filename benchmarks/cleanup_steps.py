"""One step of the cleanup benchmark, in its own process, so that its memory can be measured.

`python -m benchmarks.cleanup_steps STEP [NUMBER]` prints one JSON object.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import django

AGE = "2 days"
BODY = b"0123456789"
FILES_PER_SESSION = 3
PLANTERS = 8


def fill(count: int) -> dict[str, Any]:
    """Create files, three for each session: rows with COPY, objects directly in the store."""
    from django.db import connection, transaction

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_SESSIONS, [-(-count // FILES_PER_SESSION)])
        cursor.execute(_FILES, [count])
    for table in ("sessions_app_usersession", "uploads_app_uploadedfile"):
        with connection.cursor() as cursor:
            cursor.execute(f"VACUUM ANALYZE {table}")
    _plant(_keys())
    return {"files": count}


def bare(_: int) -> dict[str, Any]:
    """List the store only."""
    from uploads_app.storage.base import object_store

    return {"objects": sum(1 for _ in object_store().list_objects())}


def keys(_: int) -> dict[str, Any]:
    """List the keys of the store only, without sizes and times."""
    from uploads_app.storage.base import object_store

    return {"objects": sum(1 for _ in object_store().list_keys())}


def scan(_: int) -> dict[str, Any]:
    """Run a cleanup with nothing to do."""
    return _cleanup()


def remove(count: int) -> dict[str, Any]:
    """Run a cleanup that deletes `count` files after their retention, with audit events."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(_END, [-(-count // FILES_PER_SESSION)])
        # No session had ended before. In use PostgreSQL knows how many have.
        cursor.execute("ANALYZE sessions_app_usersession")
    return _cleanup()


def trash(count: int) -> dict[str, Any]:
    """Run a cleanup that moves `count` objects without a row to the trash, with audit events."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(_FORGET, [count])
    return _cleanup()


def naive(_: int) -> dict[str, Any]:
    """Load all keys and all rows into memory and compare them."""
    from uploads_app.models import UploadedFile
    from uploads_app.storage.base import object_store

    objects = {stored.key for stored in object_store().list_objects()}
    rows = set(UploadedFile.objects.values_list("key", flat=True))
    return {"objects": len(objects), "orphans": len(objects - rows)}


def peer(_: int) -> dict[str, Any]:
    """List the files without a row with django-unused-media; delete nothing."""
    from django_unused_media.cleanup import get_unused_media

    return {"orphans": len(get_unused_media(minimum_file_age=60))}


def _cleanup() -> dict[str, Any]:
    from datetime import timedelta

    from uploads_app.cleanup.run import cleanup_orphans
    from uploads_app.cleanup.run_context import CleanupOptions

    # The objects of a bucket are as old as the benchmark.
    grace = timedelta(minutes=0 if os.environ.get("BENCH_S3_FOLDER") else 30)
    options = CleanupOptions(grace=grace, limit=10**9, allow_share=1.0)
    run = cleanup_orphans(options)
    assert run.status == "completed", run.stop_sentence
    return {
        "objects": run.objects_seen,
        "rows": run.rows_seen,
        "removed": run.removed + run.quarantined,
    }


def _keys() -> Iterator[str]:
    from uploads_app.models import UploadedFile

    yield from (
        UploadedFile.objects.order_by("session_id", "id")
        .values_list("key", flat=True)
        .iterator(10_000)
    )


def _plant(keys: Iterator[str]) -> None:
    """Write objects directly to the disk, or to the S3 server without its API."""
    if folder := os.environ.get("BENCH_S3_FOLDER"):
        _plant_on_s3(folder, keys)
        return
    root = Path(os.environ["DATA_DIR"], "storage")
    old = time.time() - 2 * 24 * 60 * 60
    for key in keys:
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(BODY)
        os.utime(path, (old, old))


def _plant_on_s3(folder: str, keys: Iterator[str]) -> None:
    import requests

    with requests.Session() as session, ThreadPoolExecutor(PLANTERS) as pool:
        for answer in pool.map(lambda key: session.put(f"{folder}/{key}", data=BODY), keys):
            answer.raise_for_status()


# Random version 4 UUIDs. The number of a file gives its session.
_SESSIONS = f"""
INSERT INTO sessions_app_usersession
  (uuid, support_code, token_hash, token_used_at, proven_at, status, name, email, email_proven,
   created_at, last_seen_at, used_at, expires_at, end_reason)
SELECT gen_random_uuid(), 'B' || n, md5('a' || n) || md5('b' || n), now(), now(), 'active', '', '',
  false, now() - interval '{AGE}', now(), now(), now() + interval '7 days', ''
FROM generate_series(1, %s) AS n
"""  # noqa: S608  (numbers of our own)
_FILES = f"""
INSERT INTO uploads_app_uploadedfile
  (id, session_id, key, name, status, size, content_type, sha256, created_at, lease_expires_at,
   stored_at, delete_reason, direct, inspection, suspicions)
SELECT id, session, 'uploads/' || session || '/' || id || '.pdf', 'report.pdf', 'stored',
  {len(BODY)}, 'application/pdf', repeat('0', 64), now() - interval '{AGE}', now() - interval '{AGE}',
  now() - interval '{AGE}', '', false, 'clean', '[]'
FROM (
  SELECT gen_random_uuid() AS id, uuid AS session
  FROM sessions_app_usersession, generate_series(1, {FILES_PER_SESSION}) LIMIT %s
) AS made
"""  # noqa: S608
_END = """
UPDATE sessions_app_usersession SET status = 'ended', ended_at = now() - interval '8 days'
WHERE uuid IN (SELECT uuid FROM sessions_app_usersession WHERE status = 'active' LIMIT %s)
"""
_FORGET = """
DELETE FROM uploads_app_uploadedfile
WHERE id IN (SELECT id FROM uploads_app_uploadedfile WHERE status = 'stored' LIMIT %s)
"""
STEPS: dict[str, Callable[[int], dict[str, Any]]] = {
    step.__name__: step for step in (fill, bare, keys, scan, remove, trash, naive, peer)
}


def main(name: str, number: str = "0") -> None:
    """Run a step; print its result, its seconds and the peak memory of the process."""
    django.setup()
    began = time.monotonic()
    seen = STEPS[name](int(number))
    seconds = time.monotonic() - began
    print(json.dumps({**seen, "seconds": seconds, "mebibytes": _peak() / 1024}))


def _peak() -> int:
    """Return the peak memory of this process in KiB; `getrusage` would include its parent."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


if __name__ == "__main__":
    main(*sys.argv[1:])
