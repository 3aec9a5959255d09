"""Hosts that differ: another clock, another secret, other code; and two workers on one schedule."""

import secrets
import time
from collections.abc import Iterator
from pathlib import Path

from tests.cluster import code, programs
from tests.cluster.cluster import wait_for
from tests.cluster.fault import Scene, fault
from tests.cluster.programs import Program

SCHEDULE, EXPIRE = "expire sessions", "sessions_app.tasks.expire_sessions"
DAY_MINUTES = 24 * 60
ROUNDS = 5
# Hosts that differ are named within a minute.
NOTICED_SECONDS = 70
# So long nginx sends no request to a host that refused one (`fail_timeout` of its site).
AVOIDED_SECONDS = 10


@fault(seconds=NOTICED_SECONDS)
def clock_ahead(scene: Scene) -> Iterator[None]:
    """The clock of a web host is 10 minutes ahead."""
    yield from _with_changed_web(scene, **programs.clock(10))
    (future,) = scene.cluster.database.query(
        "SELECT count(*) FROM audit_app_auditlog WHERE occurred_at > now() + interval '1 minute'"
    )
    scene.notes.append(f"audit events in the future: {future[0]}")


@fault(seconds=NOTICED_SECONDS)
def clock_behind(scene: Scene) -> Iterator[None]:
    """The clock of a web host is 10 minutes behind."""
    yield from _with_changed_web(scene, **programs.clock(-10))


@fault(seconds=NOTICED_SECONDS)
def other_secret(scene: Scene) -> Iterator[None]:
    """A web host has another SECRET_KEY: it refuses the links of the other host."""
    yield from _with_changed_web(scene, SECRET_KEY=secrets.token_urlsafe(48))
    refused = sum(r.operation == "follow" and 400 <= r.status < 500 for r in scene.journal.replies)
    scene.notes.append(f"links that were refused: {refused}")


@fault(seconds=10)
def new_code_on_old_schema(scene: Scene) -> Iterator[None]:
    """A web host starts with new code before the database is migrated: it refuses to start."""
    web = scene.cluster.web[0]
    scene.watcher.down.add(web.host.name)
    web.restart(code.next_version(scene.cluster.folder, "renamed"))
    yield
    _put_back(scene, web)


@fault(seconds=NOTICED_SECONDS)
def old_worker(scene: Scene) -> Iterator[None]:
    """After an upgrade with a renamed column, one worker still has the old code."""
    cluster, new = scene.cluster, code.next_version(scene.cluster.folder, "renamed")
    programs.migrate(cluster.web_hosts[0], cluster.settings, "--verbosity", "0", code=new)
    for web in cluster.web:
        _restart_web(scene, web, new)
    cluster.workers[0].restart(new)
    cluster.workers[1].host.log.write_text("")
    _make_due(scene, "watch the cleanup")
    yield
    _make_due(scene, "watch the cleanup")
    scene.notes += [
        f"the old worker logged: {line}" for line in code.complaints(cluster.workers[1])
    ]
    # The other way round, the new code would refuse the old tables.
    for program in (*cluster.web, cluster.workers[0]):
        _put_back(scene, program)
    code.migrate_back(cluster, new)


@fault(seconds=1)
def rolling_upgrade(scene: Scene) -> Iterator[None]:
    """A new version is migrated and started host by host, and then the old one again."""
    cluster, new = scene.cluster, code.next_version(scene.cluster.folder, "extended")
    programs.migrate(cluster.web_hosts[0], cluster.settings, "--verbosity", "0", code=new)
    for worker in cluster.workers:
        worker.restart(new)
    for web in cluster.web:
        _restart_web(scene, web, new)
    yield
    for program in (*cluster.web, *cluster.workers):
        _put_back(scene, program)
    code.migrate_back(cluster, new)


@fault(seconds=1)
def both_workers_on_one_schedule(scene: Scene) -> Iterator[None]:
    """A schedule is due for both workers at the same moment, five times: it runs five times."""
    database = scene.cluster.database
    # Not due by itself meanwhile, however long that takes.
    ((usual,),) = database.query("SELECT minutes FROM django_q_schedule WHERE name = %s", SCHEDULE)
    _set_minutes(scene, DAY_MINUTES)
    _make_due(scene, SCHEDULE)
    wait_for(lambda: not database.query("SELECT 1 FROM django_q_ormq"), "an empty queue")
    before = database.query("SELECT count(*) FROM django_q_task WHERE func = %s", EXPIRE)
    for _ in range(ROUNDS):
        _make_due(scene, SCHEDULE)
        wait_for(lambda: not database.query("SELECT 1 FROM django_q_ormq"), "an empty queue")
    yield
    after = database.query("SELECT count(*) FROM django_q_task WHERE func = %s", EXPIRE)
    _set_minutes(scene, usual)
    _make_due(scene, SCHEDULE)
    runs = int(str(after[0][0])) - int(str(before[0][0]))
    scene.notes.append(f"{ROUNDS} times due, {runs} runs")
    if runs != ROUNDS:
        scene.broken.append("a schedule ran more or less often than it was due")


def _with_changed_web(scene: Scene, **changed: str) -> Iterator[None]:
    web = scene.cluster.web[0]
    _restart_web(scene, web, programs.ROOT, **changed)
    yield
    _put_back(scene, web)


def _restart_web(scene: Scene, web: Program, tree: Path, **changed: str) -> None:
    scene.watcher.down.add(web.host.name)
    web.restart(tree, **changed)
    # One with a wrong clock is never ready.
    wait_for(lambda: programs.is_live(web.host), web.host.name)
    scene.watcher.down.discard(web.host.name)
    _wait_until_used()


def _put_back(scene: Scene, program: Program) -> None:
    scene.watcher.down.add(program.host.name)
    program.restart()
    scene.cluster.wait_until_ready()
    _wait_until_used()


def _wait_until_used() -> None:
    """Wait: if the next host was restarted now, the proxy would have none that it uses."""
    time.sleep(AVOIDED_SECONDS)


def _set_minutes(scene: Scene, minutes: object) -> None:
    """Change how often the schedule is due; the next time stays."""
    statement = "UPDATE django_q_schedule SET minutes = %s WHERE name = %s RETURNING id"
    scene.cluster.database.query(statement, minutes, SCHEDULE)


def _make_due(scene: Scene, schedule: str) -> None:
    """Let a schedule be due now, and wait until a worker has taken it."""
    database = scene.cluster.database
    database.query(
        "UPDATE django_q_schedule SET next_run = now() - interval '1 second' WHERE name = %s"
        " RETURNING id",
        schedule,
    )
    due = "SELECT 1 FROM django_q_schedule WHERE name = %s AND next_run < now()"
    wait_for(lambda: not database.query(due, schedule), f"a worker to take {schedule}")
    time.sleep(1)
