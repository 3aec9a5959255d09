"""Python packages are installed only if their hash is listed, by the shell function of ./run and ./test."""

import hashlib
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.maria_project.pages import ROOT

LISTS = (
    "requirements.txt", "requirements-dev.txt", "requirements-bench.txt", "requirements-deploy.txt",
)  # fmt: skip
ENTRY = re.compile(r"[\w.\[\],-]+==\S+( ; [^\\]+)?( \\\n    --hash=sha256:[0-9a-f]{64})+")


@pytest.mark.parametrize("name", LISTS)
def test_t102_each_package_has_an_exact_version_and_hashes(name: str) -> None:
    text = re.sub(r"\n *#.*", "", f"\n{(ROOT / name).read_text()}").strip()
    entries = re.split(r"\n(?=\S)", text)
    assert len(entries) > 5
    assert [entry for entry in entries if not ENTRY.fullmatch(entry)] == []


def test_t102_the_hashes_are_those_of_all_platforms() -> None:
    text = (ROOT / "requirements.txt").read_text()
    binary = text[text.index("psycopg-binary==") :].partition("# via")[0]
    assert binary.count("--hash=") > 20


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    """A folder that is the only source of packages. It has one package, `tiny`."""
    wheel = tmp_path / "tiny-1.0-py3-none-any.whl"
    info = "tiny-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny.py", "")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", f"tiny.py,,\n{info}/RECORD,,\n")
    return tmp_path


def install(registry: Path, requirement: str) -> tuple[int, bool, str]:
    """Install a requirement; return the exit code, whether it is installed, and what was printed."""
    (registry / "requirements.txt").write_text(requirement)
    interpreter = registry / ".venv" / "bin" / "python"
    interpreter.parent.mkdir(parents=True)
    interpreter.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    interpreter.chmod(0o755)
    script = f". {ROOT}/scripts/venv.sh; venv requirements.txt"
    done = subprocess.run(
        ["sh", "-c", script], cwd=registry, capture_output=True, text=True,
        env={
            "PATH": os.environ["PATH"], "HOME": str(registry), "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(registry),
            "PIP_TARGET": str(registry / "installed"),
        },
    )  # fmt: skip
    return done.returncode, (registry / "installed" / "tiny.py").exists(), done.stderr


def test_t102_a_package_with_its_hash_is_installed(registry: Path) -> None:
    digest = hashlib.sha256((registry / "tiny-1.0-py3-none-any.whl").read_bytes()).hexdigest()
    code, installed, _ = install(registry, f"tiny==1.0 --hash=sha256:{digest}\n")
    assert (code, installed) == (0, True)


@pytest.mark.parametrize(
    ("requirement", "reason"),
    [
        (f"tiny==1.0 --hash=sha256:{'0' * 64}\n", "DO NOT MATCH THE HASHES"),
        ("tiny==1.0\n", "Hashes are required"),
    ],
)
def test_t102_a_replaced_or_unlisted_package_is_refused(
    registry: Path, requirement: str, reason: str
) -> None:
    code, installed, said = install(registry, requirement)
    assert (code, installed) == (1, False)
    assert "Installing requirements.txt failed" in said
    log = (registry / ".venv" / "install.log").read_text()
    assert reason in log
