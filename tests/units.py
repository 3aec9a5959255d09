"""The systemd units of deploy/, and what their lines mean for a program that is started without systemd."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "deploy" / "systemd"
INTERPRETER = "/opt/maria/.venv/bin/python"
SETTINGS, DATA = "/etc/maria/maria.env", "/var/lib/maria"
_COMMON = FOLDER / "maria-.service.d" / "10-common.conf"
_LINE = re.compile(r"^(\w+)=(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Unit:
    """One unit with the lines that all units share."""

    name: str
    lines: list[tuple[str, str]]

    @property
    def arguments(self) -> list[str]:
        """The arguments of its `manage.py`."""
        interpreter, program, *arguments = shlex.split(self.last("ExecStart"))
        if (interpreter, program) != (INTERPRETER, "manage.py"):
            raise ValueError(f"{self.name} does not start manage.py of {INTERPRETER}")
        return arguments

    @property
    def stop_seconds(self) -> int:
        """How long systemd waits for its end."""
        return int(self.last("TimeoutStopSec"))

    def environment(self, places: Mapping[str, str]) -> dict[str, str]:
        """Return its variables, with other places for these of its values."""
        pairs = [
            pair.partition("=")
            for key, text in self.lines
            if key == "Environment"
            for pair in shlex.split(text)
        ]
        return {name: places[value] for name, _, value in pairs}

    def last(self, key: str) -> str:
        """Return the value of a key; the last one counts."""
        return [text for name, text in self.lines if name == key][-1]


def read(name: str) -> Unit:
    """Read the unit maria-NAME.service."""
    text = _COMMON.read_text() + (FOLDER / f"maria-{name}.service").read_text()
    return Unit(name, _LINE.findall(text))
