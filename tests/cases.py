"""Many cases in one test: for corpora whose set-up costs more than their assertions.

`@cases(names, values)` is used like `pytest.mark.parametrize`, and a test may have
several. The fixtures are set up once; each case then starts from that state, because
its changes of database, disk store, cache, settings and patches are undone. A failing case
does not stop the others: the test fails with all of them, each by name.
"""

import copy
import inspect
import itertools
import shutil
import tempfile
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from django.conf import settings as django_settings
from django.core import mail
from django.core.cache import cache
from django.core.files.storage import storages
from django.db import connection, transaction
from django.test import Client, override_settings

from uploads_app.storage.disk_store import DiskStore

C = TypeVar("C", bound=Client)
Test = Callable[..., None]
Ids = Iterable[str] | Callable[[Any], object] | None


def cases(names: str | Sequence[str], values: Any, ids: Ids = None) -> Callable[[Test], Test]:
    """Return a decorator that runs a test function for every one of the values."""
    names = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    rows = [(value,) if len(names) == 1 else tuple(value) for value in values]
    assert rows, f"no cases for {names}"
    labels = [_label(row, ids) for row in rows] if ids is None or callable(ids) else list(ids)
    table = [
        (label, dict(zip(names, row, strict=True))) for label, row in zip(labels, rows, strict=True)
    ]

    def decorate(test: Test) -> Test:
        inner, tables = getattr(test, "_cases", (test, []))
        return _in_one(inner, [table, *tables], test)

    return decorate


def _label(row: Sequence[Any], shown: Callable[[Any], object] | None) -> str:
    return "-".join(str((shown or repr)(value))[:80] for value in row)


def _in_one(test: Test, tables: list[list[tuple[str, dict[str, Any]]]], decorated: Test) -> Test:
    given = {name for table in tables for name in table[0][1]}
    parameters = inspect.signature(test).parameters
    assert given <= parameters.keys(), f"{test.__name__} does not take {given}"

    def run(**fixtures: Any) -> None:
        failures = []
        for combination in itertools.product(*tables):
            arguments = {k: v for _, values in combination for k, v in values.items()}
            try:
                with undone(fixtures) as own:
                    test(**own, **arguments)
            except (Exception, pytest.fail.Exception) as error:
                where = "".join(traceback.format_exception(error, limit=-2))
                failures.append(f"[{'-'.join(label for label, _ in combination)}]\n{where[-3000:]}")
        if failures:
            pytest.fail(f"{len(failures)} cases:\n" + "\n".join(failures), pytrace=False)

    run.__name__, run.__qualname__ = test.__name__, test.__qualname__
    run.__module__, run.__doc__ = test.__module__, test.__doc__
    run.__dict__.update(decorated.__dict__)
    run.__dict__.update(_cases=(test, tables))
    fixtures = [parameter for name, parameter in parameters.items() if name not in given]
    run.__dict__["__signature__"] = inspect.Signature(fixtures)
    return run


@contextmanager
def undone(fixtures: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield fixtures for one case, and undo its changes afterwards."""
    assert not {"committed", "transactional_db"} & fixtures.keys(), "commits cannot be undone"
    with ExitStack() as stack:
        own = {name: _own(name, value, stack) for name, value in fixtures.items()}
        if connection.in_atomic_block:
            stack.enter_context(rolled_back())
        stack.enter_context(store_put_back())
        stack.callback(cache.clear)
        sent = len(mail.outbox)
        yield own
        del mail.outbox[sent:]


class Settings:
    """The fixture `settings` for one case."""

    def __init__(self, stack: ExitStack) -> None:
        self.__dict__["_stack"] = stack

    def __getattr__(self, name: str) -> Any:
        return getattr(django_settings, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._stack.enter_context(override_settings(**{name: value}))


def _own(name: str, fixture: Any, stack: ExitStack) -> Any:
    """Return a fixture's copy for one case, if a case could change it."""
    if name == "settings":
        return Settings(stack)
    if isinstance(fixture, Client):
        return copied(fixture)
    if isinstance(fixture, pytest.MonkeyPatch):
        return stack.enter_context(pytest.MonkeyPatch.context())
    return fixture


def copied(client: C) -> C:
    """Return a client with the same cookies and defaults, and the same loaded middleware."""
    other = copy.copy(client)
    other.cookies, other.defaults = copy.deepcopy(client.cookies), dict(client.defaults)
    return other


@contextmanager
def store_put_back() -> Iterator[None]:
    """Undo every change of the disk store: its marker would not fit the database of the next case."""
    store = storages["uploads"]
    if not isinstance(store, DiskStore):
        yield
        return
    root = Path(store.base_location)
    with tempfile.TemporaryDirectory(dir=root.parent) as folder:
        copy = Path(folder, "copy")
        if root.exists():
            shutil.copytree(root, copy)
        try:
            yield
        finally:
            shutil.rmtree(root, ignore_errors=True)
            if copy.exists():
                copy.rename(root)


@contextmanager
def rolled_back() -> Iterator[None]:
    """Undo every database change of a block, with a savepoint of the test's transaction."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
