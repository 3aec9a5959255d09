"""A rename replaces nothing, can be repeated, and loses nothing to a process that was frozen in it."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from uploads_app.storage import renaming
from uploads_app.storage.renaming import rename

BODY = b"%PDF-1.4 only once"
# The calls that change names in a folder.
CALLS = ("link", "replace", "unlink")


@pytest.fixture(params=["in one step", "by a link"])
def names(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, Path]:
    """The old and the new name of a file, where the system can rename in one step or not."""
    if request.param == "by a link":
        monkeypatch.setattr(renaming, "_renameat2", None)
    source, target = tmp_path / "source.pdf", tmp_path / "target.pdf"
    source.write_bytes(BODY)
    return source, target


def test_a_rename_replaces_nothing(names: tuple[Path, Path]) -> None:
    source, target = names
    target.write_bytes(b"another")
    with pytest.raises(FileExistsError):
        rename(source, target)
    assert (source.read_bytes(), target.read_bytes()) == (BODY, b"another")


@pytest.mark.parametrize("cut", ["linked", "copied"])
def test_an_interrupted_rename_can_be_repeated(names: tuple[Path, Path], cut: str) -> None:
    source, target = names
    target.hardlink_to(source) if cut == "linked" else target.write_bytes(BODY)
    rename(source, target)
    assert (source.exists(), target.read_bytes()) == (False, BODY)
    with pytest.raises(FileNotFoundError):
        rename(source, target)
    assert list(source.parent.iterdir()) == [target]


@pytest.mark.parametrize("is_linked", [False, True], ids=["", "after a crash"])
@pytest.mark.parametrize("back", [False, True], ids=["renamed", "renamed and back"])
def test_t59_a_process_that_was_frozen_at_any_step_loses_nothing(
    names: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, is_linked: bool, back: bool
) -> None:
    """Meanwhile another process finishes the rename, and perhaps undoes it."""
    source, target = names

    def others() -> None:
        rename(source, target)
        if back:
            rename(target, source)

    for number in range(20):
        for path in (source, target):
            path.unlink(missing_ok=True)
        source.write_bytes(BODY)
        if is_linked:
            target.hardlink_to(source)
        with monkeypatch.context() as patch:
            calls = _frozen_at(number, others, patch)
            with suppress(FileNotFoundError):
                rename(source, target)
        assert BODY in [path.read_bytes() for path in (source, target) if path.exists()], number
        if next(calls) <= number:
            return
    raise AssertionError("a rename has too many steps")


def _frozen_at(number: int, others: Callable[[], None], patch: pytest.MonkeyPatch) -> Iterator[int]:
    """Call `others` before the call with that number; return a counter of the calls."""
    calls = iter(range(1000))

    def freezing(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            if next(calls) == number:
                others()
            return real(*args, **options)

        return call

    for name in CALLS:
        patch.setattr(os, name, freezing(getattr(os, name)))
    return calls
