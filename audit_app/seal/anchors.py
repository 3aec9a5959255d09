"""Anchors: places outside the database that get each head, so that a cut-off tail is noticed."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from django.conf import settings
from django.core.mail import send_mail
from django.utils import timezone

from audit_app.models import SealAnchor, SealHead
from audit_app.seal import keys
from audit_app.seal.differences import Difference
from audit_app.seal.heads import Head, parse
from audit_app.seal.problems import Known, SealProblem

PAGE = 200
MAIL_EVERY = timedelta(days=1)
MAIL = "e-mail"
FILE = "file"


@dataclass(frozen=True)
class SignedHead:
    """A head and its signature, as an anchor stores them: one line of JSON."""

    text: str
    signature: str

    def to_line(self) -> str:
        return json.dumps({"head": self.text, "signature": self.signature}) + "\n"

    @classmethod
    def from_line(cls, line: str) -> "SignedHead":
        """Parse the output of `to_line`; raises ValueError for anything else."""
        try:
            values = json.loads(line)
            return cls(str(values["head"]), str(values["signature"]))
        except (KeyError, TypeError, RecursionError) as error:
            raise ValueError("not a signed head") from error


class Anchor(Protocol):
    """A place for heads. Its methods raise OSError if it cannot be reached."""

    name: str

    def write(self, number: int, head: SignedHead) -> None:
        """Add a head. FileExistsError if there is another one of this number."""

    def read(self, number: int) -> SignedHead | None:
        """Return the head with this number, or None."""


class FileAnchor:
    """The file of AUDIT_ANCHOR_FILE: a line for each head, in order."""

    name = FILE

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, number: int, head: SignedHead) -> None:
        with self._path.open("a") as file:
            file.write(head.to_line())
            file.flush()
            os.fsync(file.fileno())

    def read(self, number: int) -> SignedHead | None:
        return next((one for at, one in read_file(self._path) if at == number), None)


_registered: list[Anchor] = []


def register_anchor(anchor: Anchor) -> None:
    """Let an app above offer a place for heads."""
    _registered.append(anchor)


def configured() -> list[Anchor]:
    path = settings.AUDIT_ANCHOR_FILE
    return [*_registered, *([FileAnchor(Path(path))] if path else [])]


def write_waiting() -> None:
    """Write each anchor's missing heads; note what cannot be written."""
    for anchor in configured():
        state, _ = SealAnchor.objects.get_or_create(name=anchor.name)
        try:
            _catch_up(anchor, state)
            problem = ""
        except FileExistsError as error:
            problem = str(Known("anchor_differs", f"The {anchor.name} has another head: {error}."))
        except OSError as error:
            problem = str(Known("anchor_unreachable", f"The {anchor.name}: {error}."))
        _note(state, problem)
    _mail_if_due()


def problems() -> Iterator[Known]:
    """Yield what is wrong with the anchors that are still configured."""
    names = {anchor.name for anchor in configured()} | {MAIL}
    for state in SealAnchor.objects.filter(name__in=names).exclude(problem=""):
        yield Known.of(state.problem)


def read_file(path: Path) -> Iterator[tuple[int, SignedHead]]:
    """Yield the heads of a file; a line that is not one has the number 0."""
    with path.open() as file:
        for line in file:
            try:
                one = SignedHead.from_line(line)
                yield parse(one.text).number, one
            except ValueError:
                yield 0, SignedHead(line, "")


def compare_all() -> Iterator[Difference]:
    """Compare the database with the newest heads of each anchor; raises SealProblem."""
    for anchor in configured():
        state = SealAnchor.objects.filter(name=anchor.name).first() or SealAnchor(name=anchor.name)
        try:
            yield from _compare(anchor, state)
        except OSError as error:
            raise SealProblem("anchor_unreachable", f"The {anchor.name}: {error}.") from error


def compare_file(path: Path) -> Iterator[Difference]:
    """Compare the database with each head of a file; raises SealProblem."""
    try:
        for number, one in read_file(path):
            yield from _compare_head(number, one, path.name)
    except (OSError, UnicodeDecodeError) as error:
        raise SealProblem("anchor_unreachable", f"{path}: {error}.") from error


def _compare(anchor: Anchor, state: SealAnchor) -> Iterator[Difference]:
    """Compare the last head that was written, and those after it that the database lacks."""
    if state.head:
        one = anchor.read(state.head)
        if one is None:
            yield Difference("anchor_behind", f"head {state.head}", f"The {anchor.name}.")
        else:
            yield from _compare_head(state.head, one, anchor.name)
    newest = SealHead.objects.order_by("-number").values_list("number", flat=True).first() or 0
    # A restored database may have forgotten that it wrote more.
    if ahead := anchor.read(newest + 1):
        yield from _compare_head(newest + 1, ahead, anchor.name)


def _compare_head(number: int, one: SignedHead, name: str) -> Iterator[Difference]:
    head = _trusted(one)
    if head is None or head.number != number:
        yield Difference("anchor_invalid", f"head {number}", f"The {name}.")
        return
    row = SealHead.objects.filter(number=number).first()
    if row is None:
        yield Difference("anchor_ahead", f"head {number}", f"The {name}.")
    elif row.text != one.text:
        yield Difference("anchor_differs", f"head {number}", f"The {name}.")


def _trusted(one: SignedHead) -> Head | None:
    try:
        head = parse(one.text)
    except ValueError:
        return None
    key = keys.key_for(keys.public_keys(), head.number)
    return head if key and keys.is_signed(key.public_key, one.signature, one.text) else None


def _catch_up(anchor: Anchor, state: SealAnchor) -> None:
    while True:
        rows = list(SealHead.objects.filter(number__gt=state.head).order_by("number")[:PAGE])
        try:
            for row in rows:
                anchor.write(row.number, SignedHead(row.text, row.signature))
                state.head, state.anchored_at = row.number, timezone.now()
        finally:
            if rows:
                state.save(update_fields=["head", "anchored_at"])
        if len(rows) < PAGE:
            return


def _mail_if_due() -> None:
    newest = SealHead.objects.order_by("-number").first()
    if not settings.AUDIT_ANCHOR_EMAIL or newest is None:
        return
    state, _ = SealAnchor.objects.get_or_create(name=MAIL)
    if state.anchored_at and timezone.now() - state.anchored_at < MAIL_EVERY:
        return
    line = SignedHead(newest.text, newest.signature).to_line()
    text = (
        f"Keep this mail. It shows what the audit log was at head {newest.number}. Save the next "
        f"line in a file to compare it: manage.py verify_audit --anchor FILE\n\n{line}"
    )
    try:
        send_mail(
            f"Maria: head {newest.number} of the audit log",
            text,
            None,
            [settings.AUDIT_ANCHOR_EMAIL],
        )
        state.head, state.anchored_at = newest.number, timezone.now()
        state.save(update_fields=["head", "anchored_at"])
        _note(state, "")
    except OSError as error:
        _note(state, str(Known("anchor_unreachable", f"The {MAIL}: {type(error).__name__}.")))


def _note(state: SealAnchor, problem: str) -> None:
    if state.problem != problem:
        state.problem = problem
        state.save(update_fields=["problem"])
