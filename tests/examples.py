"""The built examples of frontend/examples/, each on an origin of its own, for a browser to visit."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.node import copy_of_frontend
from tests.static_server import serving

EXAMPLES = ("vite", "plain")
# The API is on another origin. Neither has a line for inline styles or scripts.
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src http://localhost:*"
# The address of the API in the sources.
_WRITTEN = "http://localhost:8000"


@dataclass
class Example:
    """An example that is served, and will be built for an API whose address is not known yet."""

    name: str
    folder: Path
    origin: str

    def build(self, frontend: Path, api: str, mode: str = "production") -> None:
        """Build it with its own command from a copy of frontend/, where the package is built."""
        source = frontend / "examples" / self.name
        for path in (source / ".env", source / "index.html"):
            if path.exists():
                path.write_text(path.read_text().replace(_WRITTEN, api))
        command = ["npm", "run", "--silent", "build", "--", *self._quiet()]
        printed = _run(command, source, {"NODE_ENV": mode})
        assert printed == "", f"building {self.name} prints {printed}"
        shutil.copytree(source / self._result(), self.folder, dirs_exist_ok=True)

    def _quiet(self) -> list[str]:
        return ["--logLevel", "warn"] if self.name == "vite" else []

    def _result(self) -> str:
        return "dist" if self.name == "vite" else "."


@contextmanager
def served(name: str, folder: Path, policy: str = POLICY) -> Iterator[Example]:
    """Serve the folder of an example, which is empty until it is built."""
    folder.mkdir(exist_ok=True)
    with serving(folder, policy) as address:
        # Cookies ignore ports, so this is the same site as the API.
        yield Example(name, folder, address.replace("127.0.0.1", "localhost").rstrip("/"))


def built_package(folder: Path) -> Path:
    """Return a copy of frontend/ in which the package is built."""
    copy = copy_of_frontend(folder)
    _run(["npm", "run", "--silent", "build"], copy)
    return copy


def _run(command: list[str], folder: Path, extra_env: dict[str, str] | None = None) -> str:
    env = {**os.environ, **(extra_env or {})}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
