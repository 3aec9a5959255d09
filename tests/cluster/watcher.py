"""Asks the web hosts of a cluster for their health, without the proxy, as a load balancer does."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import requests

from tests.cluster import programs
from tests.cluster.hosts import Host
from tests.cluster.journal import now

LIVE_PAUSE, READY_PAUSE = 0.2, 1.0
# A host that does not answer for so long is called silent.
PATIENCE_SECONDS = 5


@dataclass
class Watcher:
    """What health said while it was watched."""

    # The slowest answer of `live`, of hosts that run; and the slowest without the time for which
    # the threads of its host and of this script waited for a processor, because other programs used them all.
    slowest_live: float = 0.0
    slowest_own_live: float = 0.0
    # What `ready` said about each host that was not well, in the order of time.
    said: dict[str, list[str]] = field(default_factory=dict)
    # Hosts that a fault has killed, frozen or cut off, or that it restarts.
    down: set[str] = field(default_factory=set)
    stop: threading.Event = field(default_factory=threading.Event)
    _usual: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return "; ".join(f"{host}: {', '.join(texts)}" for host, texts in sorted(self.said.items()))

    def ask_live(self, host: Host) -> None:
        """Measure `live` until the end of the watch."""
        while not self.stop.wait(LIVE_PAUSE):
            was_down, started, waited = host.name in self.down, now(), host.processor_wait()
            answered = _answers(host)
            if not (was_down or host.name in self.down):
                seconds = now() - started if answered else PATIENCE_SECONDS
                # Threads that have ended since are no longer in the sum.
                own = seconds - max(host.processor_wait() - waited, 0)
                self.slowest_live = max(self.slowest_live, seconds)
                self.slowest_own_live = max(self.slowest_own_live, own)

    def ask_ready(self, host: Host) -> None:
        """Note what `ready` says until the end of the watch."""
        while not self.stop.wait(READY_PAUSE):
            text = _describe(host)
            if host.name not in self.down and text not in ("", self._usual[host.name]):
                said = self.said.setdefault(host.name, [])
                if text not in said:
                    said.append(text)

    def begin(self, hosts: list[Host]) -> None:
        """Note what is not well already, such as a worker that has only just started."""
        self._usual = {host.name: _describe(host) for host in hosts}


@contextmanager
def watching(hosts: list[Host]) -> Iterator[Watcher]:
    """Watch hosts within the block."""
    watcher = Watcher()
    watcher.begin(hosts)
    asks = [(ask, host) for host in hosts for ask in (watcher.ask_live, watcher.ask_ready)]
    threads = [threading.Thread(target=ask, args=(host,)) for ask, host in asks]
    for thread in threads:
        thread.start()
    try:
        yield watcher
    finally:
        watcher.stop.set()
        for thread in threads:
            thread.join()


def _answers(host: Host) -> bool:
    try:
        return programs.health(host, "live", PATIENCE_SECONDS).ok
    except requests.RequestException:
        return False


def _describe(host: Host) -> str:
    """Return what is not well; empty if everything is."""
    try:
        response = programs.health(host, "ready", PATIENCE_SECONDS)
    except requests.RequestException:
        return "no answer"
    states = response.json()["parts"].items()
    parts = " ".join(name for name, state in states if state != "ok")
    return f"{response.status_code} {parts}" if parts else ""
