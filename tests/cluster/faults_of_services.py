"""PostgreSQL, Redis and S3 that die, hang, fail over or refuse writes, and a full disk."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

from tests.cluster.cluster import wait_for
from tests.cluster.fault import Away, Scene, fault
from tests.cluster.hosts import cut_between, join_again
from tests.cluster.journal import Journal
from tests.cluster.visitors import GaveUp, Visitor

# What is promised while the store hangs.
SHORT_SECONDS, UPLOAD_SECONDS = 0.5, 25
UPLOADS_AT_ONCE = 48
# So many effects are acknowledged while the asynchronous standby is cut off.
MISSED = 10
_SHORT = ("create", "validate", "current")


@fault(in_short_form=True)
def kill_redis(scene: Scene) -> Iterator[None]:
    """Redis is away, and comes back empty."""
    scene.cluster.hosts["redis"].kill()
    yield
    scene.cluster.start_redis()


@fault()
def freeze_redis(scene: Scene) -> Iterator[None]:
    """Redis accepts connections and answers nothing."""
    host = scene.cluster.hosts["redis"]
    host.freeze()
    yield
    host.resume()


@fault(Away.DATABASE)
def kill_database(scene: Scene) -> Iterator[None]:
    """The primary dies, and starts again with its data."""
    database = scene.cluster.database
    database.primary.kill()
    yield
    database.start(database.primary)


@fault(Away.DATABASE, seconds=10)
def freeze_database(scene: Scene) -> Iterator[None]:
    """The primary accepts connections and answers nothing."""
    host = scene.cluster.database.primary
    host.freeze()
    yield
    host.resume()


@fault(Away.STORE)
def kill_store(scene: Scene) -> Iterator[None]:
    """The store dies, and starts again with its objects."""
    scene.cluster.hosts["s3"].kill()
    yield
    scene.cluster.start_s3()


@fault(Away.STORE, seconds=25)
def freeze_store(scene: Scene) -> Iterator[None]:
    """The store hangs while 48 uploads begin at once. What needs no store stays quick."""
    visitors = [_visitor(scene) for _ in range(UPLOADS_AT_ONCE)]
    host = scene.cluster.hosts["s3"]
    with _short_requests(scene) as short, ThreadPoolExecutor(len(visitors)) as pool:
        host.freeze()
        uploads = pool.map(_upload, visitors)
        yield
        slowest_upload = max(uploads)
    host.resume()
    slowest = max(reply.seconds for reply in short.replies)
    scene.notes.append(
        f"{len(visitors)} uploads at once: slowest answer {slowest_upload:.1f} s; meanwhile "
        f"{len(short.replies)} × {', '.join(_SHORT)}: slowest {slowest:.2f} s"
    )
    if slowest_upload > UPLOAD_SECONDS or slowest > SHORT_SECONDS:
        scene.broken.append(f"the limits are {UPLOAD_SECONDS} s and {SHORT_SECONDS} s")


@fault(Away.DATABASE, seconds=8, in_short_form=True)
def failover(scene: Scene) -> Iterator[None]:
    """The primary's host is gone for good, and the synchronous standby takes over."""
    database = scene.cluster.database
    database.primary.cut()
    database.primary.kill()
    database.promote()
    yield
    database.standby.join()
    database.add_standby()


@fault(Away.DATABASE, seconds=8, may_lose=True)
def failover_to_asynchronous_standby(scene: Scene) -> Iterator[None]:
    """The standby has missed some changes when it takes over: these are lost."""
    database = scene.cluster.database
    database.wait_for_standby(is_synchronous=False)
    pair = database.primary, database.standby
    cut_between(*pair)
    before = scene.journal.effects
    wait_for(lambda: scene.journal.effects >= before + MISSED, f"{MISSED} acknowledged effects")
    database.primary.kill()
    join_again(*pair)
    database.promote()
    yield
    database.add_standby()


@fault(Away.DATABASE, seconds=8)
def read_only_database(scene: Scene) -> Iterator[None]:
    """The primary refuses every change."""
    scene.cluster.database.set("default_transaction_read_only", "on")
    yield
    scene.cluster.database.set("default_transaction_read_only", "off")


@fault(Away.STORE, seconds=15, upload_bytes=1_000_000)
def full_disk(scene: Scene) -> Iterator[None]:
    """The disk for arriving files of one web host is full."""
    filler = scene.cluster.web_hosts[0].folder / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(bytes(1024 * 1024)):
            pass
    yield
    filler.unlink()


def _visitor(scene: Scene) -> Visitor:
    cluster = scene.cluster
    visitor = Visitor(cluster.url, str(cluster.certificate), scene.journal, size=4000)
    visitor.create()
    return visitor


def _upload(visitor: Visitor) -> float:
    """Send one upload; return how long its answer took."""
    return visitor.send_upload().seconds


@contextmanager
def _short_requests(scene: Scene) -> Iterator[Journal]:
    """Send requests that need no store within the block; yield their journal."""
    journal = Journal()
    cluster = scene.cluster
    visitor = Visitor(cluster.url, str(cluster.certificate), journal, size=0)

    def send() -> None:
        with suppress(GaveUp):
            while not journal.stop.is_set():
                visitor.use_without_files()

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield journal
    finally:
        journal.stop.set()
        thread.join()
        scene.journal.replies.extend(journal.replies)
        scene.journal.created.update(journal.created)
