"""A worker under the control of a test: django-q's own code delivers the queued tasks."""

import multiprocessing
from collections.abc import Callable
from datetime import timedelta
from queue import Queue
from typing import Any

from django.utils import timezone
from django_q.brokers import get_broker
from django_q.models import OrmQ, Success
from django_q.monitor import monitor
from django_q.signing import SignedPackage
from django_q.worker import worker

from common.mailed_alerts import ALERT_SEND_TIMEOUT
from common.worker import HEARTBEAT_FUNC
from tests.processes import fork
from uploads_app.models import StoreState

Say = Callable[[str], None]


def deliver_now() -> None:
    """Deliver the queued tasks, as if the queue's retry time and all leases of dead processes had ended."""
    past = timezone.now() - timedelta(seconds=1)
    OrmQ.objects.update(lock=past)
    StoreState.objects.exclude(lease_holder="").update(lease_expires_at=past)
    StoreState.objects.filter(alert_since__isnull=False, alert_code="").update(
        alert_since=past - ALERT_SEND_TIMEOUT
    )
    child = fork(deliver)
    child.go()
    code, lines = child.end()
    assert code == 0, lines


def deliver(say: Say) -> None:
    """Process one task as a worker does: take it, run it, save and acknowledge it with django-q's code."""
    broker = get_broker()
    tasks: Queue[Any] = Queue()
    results: Queue[Any] = Queue()
    while not (taken := broker.dequeue()):
        """Another worker took the task; there is one task for each worker."""
    for ack_id, package in taken:
        tasks.put({**SignedPackage.loads(package), "ack_id": ack_id})
    tasks.put("STOP")
    worker(tasks, results, multiprocessing.Value("f", -1))
    results.put("STOP")
    monitor(results, broker)


def beat(ago: timedelta = timedelta(0)) -> None:
    """Write the row of a worker that finished its last heartbeat so long ago."""
    then = timezone.now() - ago
    Success.objects.create(
        id="beat", name="beat", func=HEARTBEAT_FUNC, started=then, stopped=then, success=True
    )
