"""`manage.py move_storage`: move every file to another store, with a report."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError, OutputWrapper
from django.template.defaultfilters import filesizeformat
from tqdm import tqdm

from common.context import as_operator
from uploads_app.cleanup.relocation import Move, NoPreviousStore, move_storage
from uploads_app.cleanup.store_contents import Disposition, StoreContents
from uploads_app.management.arguments import positive
from uploads_app.models import RunStatus

LINE_EVERY = 1000
# The previous store is needed as long as it contains any of these.
_STILL_NEEDED = (Disposition.OURS, Disposition.CLOSED, Disposition.UNDER_WAY)


class Command(BaseCommand):
    help = (
        "Moves every file from the store of STORAGE_PREVIOUS_URL to the store of STORAGE_URL, while "
        "the product runs with both set. Each copy is read back before its original is deleted, so "
        "a run can be interrupted at any point; the next run continues. Exit code 0: done, or "
        "skipped because the cleanup or another move is running; 1: some files failed and are "
        "still in the previous store; 2: invalid options; 3: stopped because something is wrong."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="report what would be moved, and move nothing"
        )
        parser.add_argument(
            "--limit",
            type=positive,
            metavar="N",
            help="move at most N files; the next run continues (default: all)",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        progress = MoveProgress(self.stderr, options["limit"])
        try:
            with as_operator():
                move = move_storage(
                    limit=options["limit"], dry_run=options["dry_run"], on_progress=progress
                )
        except NoPreviousStore as error:
            raise CommandError(
                "STORAGE_PREVIOUS_URL is not set, so there is no store to move from.", returncode=2
            ) from error
        finally:
            progress.close()
        if options["json"]:
            self.stdout.write(json.dumps(as_json(move), indent=2))
        else:
            self._print(move)
        if move.exit_code:
            sys.exit(move.exit_code)

    def _print(self, move: Move) -> None:
        for key, reason in move.failures:
            self.stderr.write(f"Not moved: {key}: {reason}")
        for unknown in move.after.unknown if move.after else ():
            self.stdout.write(f"Left alone: {unknown.label}  {filesizeformat(unknown.size)}")
        if not move.dry_run and move.status != RunStatus.SKIPPED:
            self.stdout.write(f"{move.moved} files moved, {filesizeformat(move.bytes_moved)}.")
        (self.stderr if move.exit_code else self.stdout).write(next_step(move))


class MoveProgress:
    """Progress of a move: a bar on a terminal, otherwise a line per thousand files."""

    def __init__(self, stream: OutputWrapper, limit: int | None) -> None:
        self._stream, self._limit, self._reported = stream, limit, 0
        self._bar: tqdm[Any] | None = None

    def __call__(self, move: Move) -> None:
        total = move.before.objects[Disposition.OURS]
        total = min(total, self._limit or total)
        if not self._stream.isatty():
            if move.moved >= self._reported + LINE_EVERY:
                self._reported = move.moved
                self._stream.write(f"{move.moved} of {total} files moved")
            return
        if self._bar is None:
            self._bar = tqdm(total=total, unit=" files", file=self._stream._out)
        self._bar.set_postfix_str(filesizeformat(move.bytes_moved), refresh=False)
        self._bar.update(move.moved - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


def next_step(move: Move) -> str:
    """Return the sentence that says what the operator should do next."""
    if move.status == RunStatus.SKIPPED:
        return "Skipped: the cleanup or another move is running. Run this command again later."
    if move.after is None:
        return f"Stopped: {move.stop_sentence} ({move.stop_code}) Fix this, then run this command again."
    left = move.after.objects
    if move.dry_run:
        return (
            f"{left[Disposition.OURS]} files would be moved, "
            f"{filesizeformat(move.after.bytes[Disposition.OURS])}."
        )
    if move.errors:
        return (
            f"{move.errors} files could not be moved and are still served from the previous store. "
            "The reasons are above. Run this command again."
        )
    waiting = [f"{left[kind]} {kind}" for kind in _STILL_NEEDED if left[kind]]
    if waiting:
        return f"Still in the previous store: {', '.join(waiting)}. Run this command again" + (
            " after the next cleanup." if not left[Disposition.OURS] else "."
        )
    return (
        "The previous store contains none of our files. Remove STORAGE_PREVIOUS_URL and restart "
        "every process. Then the previous store is no longer needed."
    )


def as_json(move: Move) -> dict[str, Any]:
    """Return a move as `--json` prints it."""
    return {
        "status": move.status,
        "dry_run": move.dry_run,
        "stop_code": move.stop_code or None,
        "stop_sentence": move.stop_sentence or None,
        "moved": move.moved,
        "bytes_moved": move.bytes_moved,
        "errors": move.errors,
        "failures": [{"key": key, "reason": reason} for key, reason in move.failures],
        "before": _as_json(move.before),
        "after": _as_json(move.after) if move.after else None,
        "next_step": next_step(move),
    }


def _as_json(contents: StoreContents) -> dict[str, Any]:
    return {
        kind.name.lower(): {"objects": contents.objects[kind], "bytes": contents.bytes[kind]}
        for kind in Disposition
    } | {"unknown_keys": [unknown.label for unknown in contents.unknown]}
