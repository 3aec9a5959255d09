"""Builds the image of deploy/Dockerfile without a registry, and runs programs of it without a daemon."""

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.deploy.fresh_hosts import RELEASE, copy_reach
from tests.maria_project.pages import ROOT

BASE = "localhost/maria-base"
_PACKAGES = "python3,python3-venv,ca-certificates"
DATA = "/var/lib/maria"


class Image:
    """The built image, unpacked in a folder."""

    def __init__(self, folder: Path) -> None:
        places = ["--root", str(folder / "storage"), "--runroot", str(folder / "run")]
        # Without mounts, which would outlive the test.
        self._storage = [*places, "--storage-driver", "vfs"]
        self._folder = folder

    def build(self) -> None:
        """Make a base with debootstrap, and build the image on it."""
        base = self._folder / "base"
        subprocess.run(
            ["debootstrap", "--variant=minbase", f"--include={_PACKAGES}", RELEASE, str(base)],
            check=True, stdout=subprocess.DEVNULL, umask=0o022,
        )  # fmt: skip
        copy_reach(base)
        container = self._buildah("from", "scratch")
        self._buildah("add", "--quiet", container, str(base), "/")
        self._buildah("commit", "--quiet", container, BASE)
        self._buildah(
            "bud", "--isolation", "chroot", "--format", "docker", "--build-arg", f"BASE={BASE}", "--tag", "maria",
            "--file", "deploy/Dockerfile", ".",
        )  # fmt: skip
        self._container = self._buildah("from", "maria")
        self.root = Path(self._buildah("mount", self._container))
        described = json.loads(self._buildah("inspect", "--type", "image", "maria"))
        self.config = described["Docker"]["config"]

    @contextmanager
    def running(
        self, data: Path, settings: Mapping[str, str], program: Sequence[str]
    ) -> Iterator["subprocess.Popen[bytes]"]:
        """Run a program of it as its account, with a read-only file system and one writable folder."""
        uid, gid = self.config["User"].split(":")
        env = [*self.config["Env"], *(f"{name}={value}" for name, value in settings.items())]
        log = data.with_suffix(".log").open("ab")
        process = subprocess.Popen(
            ["bwrap", "--unshare-user", "--unshare-pid", "--uid", uid, "--gid", gid,
             "--cap-drop", "ALL", "--die-with-parent", "--new-session", "--clearenv",
             "--ro-bind", str(self.root), "/", "--proc", "/proc", "--dev", "/dev",
             "--bind", str(data), DATA, "--chdir", self.config["WorkingDir"],
             *(text for pair in env for text in ("--setenv", *pair.split("=", 1))),
             *program],
            stdout=log, stderr=log,
        )  # fmt: skip
        try:
            yield process
        finally:
            process.terminate()
            process.wait(60)

    def command(self, *arguments: str) -> list[str]:
        """Return its program with these arguments, or with its own."""
        return [*self.config["Entrypoint"], *(arguments or self.config["Cmd"])]

    def health_check(self) -> list[str]:
        """Return the program that says whether it serves."""
        return list(self.config["Healthcheck"]["Test"][1:])

    def megabytes(self) -> int:
        """Return the size of what the image adds to its base."""
        done = subprocess.run(
            ["du", "-sm", self.root / "opt/maria"], capture_output=True, text=True
        )
        return int(done.stdout.split()[0])

    def _buildah(self, *arguments: str) -> str:
        done = subprocess.run(
            ["buildah", *self._storage, *arguments],
            cwd=ROOT, capture_output=True, text=True, umask=0o022,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(
                f"buildah {' '.join(arguments)}: {(done.stdout + done.stderr)[-3000:]}"
            )
        return done.stdout.strip()
