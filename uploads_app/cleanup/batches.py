"""Batches of rows of which a bad one does not stop the others."""

import logging
from collections.abc import Callable
from typing import TypeVar

from django.core.exceptions import SuspiciousOperation
from django.db import DataError, IntegrityError

from uploads_app.cleanup.removal import RemovalResult

logger = logging.getLogger(__name__)

T = TypeVar("T")
# Errors of one row: a key or a value that does not fit. Errors of the database or the store are others.
_BAD_ROW = (IntegrityError, DataError, SuspiciousOperation, ValueError)


def each_alone_if_needed(work: Callable[[list[T]], RemovalResult], page: list[T]) -> RemovalResult:
    """Do a batch. If a bad row makes it fail, do each row alone and count the bad ones as failed."""
    try:
        return work(page)
    except _BAD_ROW:
        if len(page) == 1:
            logger.exception("the cleanup cannot process %s", page[0])
            return RemovalResult(failed=1)
    total = RemovalResult()
    for row in page:
        outcome = each_alone_if_needed(work, [row])
        total.done |= outcome.done
        total.failed += outcome.failed
    return total
