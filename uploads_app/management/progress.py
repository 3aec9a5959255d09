"""How long work shows that it goes on: a bar on a terminal, now and then a line elsewhere."""

import sys
import time
from typing import Any, Protocol

from tqdm import tqdm


class LineWriter(Protocol):
    """Where lines go, such as a command's `stderr`."""

    def write(self, msg: str) -> None: ...


class ProgressLine:
    """Shows a number that grows; use it in a `with` block."""

    SECONDS_BETWEEN_LINES = 10.0

    def __init__(self, lines: LineWriter, unit: str, total: int | None = None) -> None:
        self._lines, self._unit, self._total = lines, unit, total
        self._reported_at = time.monotonic()
        # A terminal only: a bar in a log would be a line for each of its steps.
        self._bar: Any = tqdm(
            total=total, unit=f" {unit}", leave=False, disable=not sys.stderr.isatty()
        )

    def __enter__(self) -> "ProgressLine":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def show(self, number: int) -> None:
        """Show how much has been done."""
        if not self._bar.disable:
            self._bar.update(number - self._bar.n)
        elif time.monotonic() - self._reported_at >= self.SECONDS_BETWEEN_LINES:
            self._reported_at = time.monotonic()
            self._lines.write(f"{number}{f' of {self._total}' if self._total else ''} {self._unit}")
