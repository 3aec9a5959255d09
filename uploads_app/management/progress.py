"""Progress of a long command: a bar on a terminal, otherwise a line every few seconds."""

import sys
import time
from typing import Any, Protocol

from tqdm import tqdm


class LineWriter(Protocol):
    """Something with a `write` method, such as a command's `stderr`."""

    def write(self, msg: str) -> None: ...


class ProgressLine:
    """Shows a growing number; use it in a `with` block."""

    SECONDS_BETWEEN_LINES = 10.0

    def __init__(self, lines: LineWriter, unit: str, total: int | None = None) -> None:
        self._lines, self._unit, self._total = lines, unit, total
        self._reported_at = time.monotonic()
        # Only on a terminal: in a log each step of the bar would be a line.
        self._bar: Any = tqdm(
            total=total, unit=f" {unit}", leave=False, disable=not sys.stderr.isatty()
        )

    def __enter__(self) -> "ProgressLine":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def show(self, number: int) -> None:
        if not self._bar.disable:
            self._bar.update(number - self._bar.n)
        elif time.monotonic() - self._reported_at >= self.SECONDS_BETWEEN_LINES:
            self._reported_at = time.monotonic()
            self._lines.write(f"{number}{f' of {self._total}' if self._total else ''} {self._unit}")
