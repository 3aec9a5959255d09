"""The parts of `make soak`: each ends within 100 minutes on two idle cores."""

from collections.abc import Sequence
from dataclasses import dataclass

# Crash points: one kill at each step becomes twenty.
_CRASH_POINTS = ["tests/faults/test_crash_points.py"]
_MOVES = ["tests/faults/test_crash_move.py"]
_DELIVERY = ["tests/faults/test_duplicate_delivery.py"]
_KILLS = ["tests/faults/test_kill_campaign.py", "tests/faults/test_disk_full.py"]
_API = [
    "tests/security/test_raw_fuzz.py",
    "tests/security/test_schema_fuzz.py",
    "tests/security/test_floods.py",
    "tests/security/test_many_tabs.py",
    "tests/security/test_rotation_under_load.py",
]
_CLEANUP = [
    "tests/uploads_app/cleanup/test_cleanup_machine.py",
    "tests/uploads_app/cleanup/test_cleanup_runners.py",
    "tests/uploads_app/cleanup/test_cleanup_races.py",
]
_SEAL = ["tests/audit_app/test_tamper.py", "tests/audit_app/test_honest_logs.py"]
# Fresh hosts, with a PostgreSQL of their own.
_HOSTS = ["tests/deploy/test_rehearsal.py", "tests/deploy/test_image.py"]
CAMPAIGNS = [*_CRASH_POINTS, *_MOVES, *_DELIVERY, *_KILLS, *_API, *_CLEANUP, *_SEAL, *_HOSTS]


@dataclass(frozen=True)
class Part:
    """Some test files on one database; `paths` empty means all that are not in CAMPAIGNS.

    `script` is one of frontend/package.json, which is run instead and needs no database.
    """

    title: str
    paths: Sequence[str] = ()
    only: str = ""
    on_postgresql: bool = False
    script: str = ""

    @property
    def database(self) -> str:
        if self.script or self.paths == _HOSTS:
            return "none"
        return "PostgreSQL" if self.on_postgresql else "SQLite"

    def selection(self) -> list[str]:
        """Return the arguments of pytest that select it."""
        if not self.paths:
            return [f"--ignore={path}" for path in CAMPAIGNS]
        return [*self.paths, *(["-k", self.only] if self.only else [])]


PARTS = [
    Part("all tests that are not a campaign, SQLite"),
    Part("crash points with a disk, SQLite", _CRASH_POINTS, "not s3"),
    Part("crash points with S3, SQLite", _CRASH_POINTS, "s3"),
    Part("crash points of a move of files, SQLite", _MOVES),
    Part("duplicate delivery, SQLite", _DELIVERY),
    Part("kills and full disks, SQLite", _KILLS),
    Part("fuzzing, floods and many tabs, SQLite", _API),
    Part("cleanup machine, runners and races, SQLite", _CLEANUP),
    Part("all tests that are not a campaign, PostgreSQL", on_postgresql=True),
    Part("crash points, PostgreSQL", _CRASH_POINTS, on_postgresql=True),
    Part("duplicate delivery and kills, PostgreSQL", [*_DELIVERY, *_KILLS], on_postgresql=True),
    Part("fuzzing, floods and cleanup, PostgreSQL", [*_API, *_CLEANUP], on_postgresql=True),
    Part("random acts in the tabs of a browser, front end", script="acts"),
    Part("the commands of docs/cluster.md in fresh hosts, and the image", _HOSTS),
    Part("the seal of the audit log, SQLite", _SEAL),
    Part("the seal of the audit log, PostgreSQL", _SEAL, on_postgresql=True),
]
