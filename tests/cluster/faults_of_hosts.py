"""Hosts that die, hang, or lose their cable: web, worker and proxy."""

from collections.abc import Iterator

from tests.cluster.fault import Away, Scene, fault
from tests.cluster.hosts import cut_between, join_again


@fault(Away.PROCESS, in_short_form=True)
def kill_web(scene: Scene) -> Iterator[None]:
    """A web host loses all its processes."""
    web = scene.cluster.web[0]
    scene.watcher.down.add(web.host.name)
    web.kill()
    yield
    web.start()
    scene.cluster.wait_until_ready()


@fault(Away.PROCESS, Away.DATABASE)
def freeze_web(scene: Scene) -> Iterator[None]:
    """A web host accepts connections and answers nothing.

    Afterwards its deadlines are over, so for a second it takes the database for away.
    """
    host = scene.cluster.web_hosts[0]
    scene.watcher.down.add(host.name)
    host.freeze()
    yield
    host.resume()
    scene.cluster.wait_until_ready()


@fault(in_short_form=True)
def kill_worker(scene: Scene) -> Iterator[None]:
    """A worker host loses all its processes."""
    worker = scene.cluster.workers[0]
    worker.kill()
    yield
    worker.start()


@fault()
def freeze_worker(scene: Scene) -> Iterator[None]:
    """A worker host stops in the middle of whatever it does."""
    host = scene.cluster.workers[0].host
    host.freeze()
    yield
    host.resume()


@fault(Away.PROCESS)
def kill_proxy(scene: Scene) -> Iterator[None]:
    """The proxy loses all its processes."""
    scene.cluster.hosts["proxy"].kill()
    yield
    scene.cluster.start_proxy()


@fault(Away.PROCESS)
def freeze_proxy(scene: Scene) -> Iterator[None]:
    """The proxy accepts connections and answers nothing."""
    host = scene.cluster.hosts["proxy"]
    host.freeze()
    yield
    host.resume()


@fault(Away.PROCESS, Away.DATABASE, seconds=10)
def cut_web_from_all(scene: Scene) -> Iterator[None]:
    """A web host loses its cable. What it had begun waits for the database."""
    host = scene.cluster.web_hosts[0]
    scene.watcher.down.add(host.name)
    host.cut()
    yield
    host.join()
    scene.cluster.wait_until_ready()


@fault(Away.DATABASE, seconds=12)
def cut_web_from_database(scene: Scene) -> Iterator[None]:
    """A web host and the primary do not reach each other; all others reach both."""
    pair = scene.cluster.web_hosts[0], scene.cluster.database.primary
    cut_between(*pair)
    yield
    join_again(*pair)


@fault(Away.DATABASE, seconds=8)
def cut_standby_from_primary(scene: Scene) -> Iterator[None]:
    """Commits wait for a standby that does not answer."""
    pair = scene.cluster.database.primary, scene.cluster.database.standby
    cut_between(*pair)
    yield
    join_again(*pair)
