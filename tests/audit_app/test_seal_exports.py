"""An outsider's check: an export, the public keys and one file, on a Python without packages."""

import json
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from audit_app.models import AuditLog, SealHead
from audit_app.seal import sealer
from audit_app.seal.exports import with_proofs
from tests.audit_app.seal_support import use_key, write_rows
from tests.cases import cases

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "verify_audit_export.py"
Outsider = Callable[..., tuple[int, str]]


@pytest.fixture
def folder(db: None, settings: Any, tmp_path: Path, monkeypatch: Any) -> Path:
    """An empty folder with the verifier, the keys, and an export of several heads."""
    use_key(settings, tmp_path)
    monkeypatch.setattr(sealer, "HEAD_ROWS", 9)
    write_rows(25)
    sealer.seal_all()
    call_command("create_seal_key", "--rotate")
    write_rows(3)
    sealer.seal_all()
    place = tmp_path / "outside"
    place.mkdir()
    shutil.copy(SCRIPT, place / "verify.py")
    shutil.copy(settings.AUDIT_SEAL_PUBLIC_KEYS_FILE, place / "keys.json")
    call_command("export_audit", "--output", place / "whole.jsonl")
    newest_first = iter(AuditLog.objects.filter(actor="visitor").order_by("-id")[:12])
    (place / "some.jsonl").write_text("".join(with_proofs(newest_first)))
    return place


@pytest.fixture
def outsider(folder: Path) -> Outsider:
    """Run the verifier without packages: its signatures are verified by openssl."""

    def run(export: str, *, bare: bool = True, path: str = "/usr/bin:/bin") -> tuple[int, str]:
        flags = ["-I", "-S"] if bare else []
        done = subprocess.run(
            [sys.executable, *flags, "verify.py", export, "keys.json"],
            cwd=folder,
            env={"PATH": path},
            capture_output=True,
            text=True,
        )
        assert done.stderr == ""
        return done.returncode, done.stdout

    return run


def change(file: Path, edit: Callable[[list[dict[str, Any]]], None]) -> None:
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    edit(lines)
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_t41_an_outsider_checks_whole_batches(outsider: Outsider) -> None:
    code, text = outsider("whole.jsonl")
    heads = SealHead.objects.count()
    assert (code, f"under {heads} signed heads" in text) == (0, True), text
    assert f"The heads 1 to {heads} are one chain." in text


@pytest.mark.parametrize("bare", [True, False])
def test_t41_an_outsider_checks_a_filtered_list_by_its_proofs(
    outsider: Outsider, bare: bool
) -> None:
    code, text = outsider("some.jsonl", bare=bare)
    assert (code, text.startswith("12 rows under")) == (0, True), text


def _row(lines: list[dict[str, Any]]) -> dict[str, Any]:
    return next(line for line in lines if "row" in line)


def _head(lines: list[dict[str, Any]]) -> dict[str, Any]:
    return next(line for line in lines if "signature" in line)


EDITS: dict[str, Callable[[list[dict[str, Any]]], Any]] = {
    "a changed row": lambda lines: _row(lines).update(row=_row(lines)["row"].replace("v", "w", 1)),
    "a changed head": lambda lines: _head(lines).update(
        head=_head(lines)["head"].replace('"after":', '"after":1', 1)
    ),
    "a changed signature": lambda lines: _head(lines).update(signature="00" * 64),
    "a missing head": lambda lines: lines.remove(_head(lines)),
    "rows in another order": lambda lines: lines.__setitem__(slice(None), lines[::-1]),
}
WHOLE: dict[str, Callable[[list[dict[str, Any]]], Any]] = {
    "a missing row": lambda lines: lines.remove(_row(lines)),
    "an additional row": lambda lines: lines.insert(lines.index(_row(lines)), _row(lines)),
    "a cut end": lambda lines: lines.pop(),
}


@cases(
    ("export", "edit"),
    [
        *((name, edit) for name in ("whole.jsonl", "some.jsonl") for edit in EDITS),
        *(("whole.jsonl", edit) for edit in WHOLE),
    ],
)
def test_t41_an_outsider_finds_a_change(folder: Path, capsys: Any, export: str, edit: str) -> None:
    """In this process, because a Python for each change would take longer than everything else."""
    changed = folder / "changed.jsonl"
    shutil.copy(folder / export, changed)
    change(changed, {**EDITS, **WHOLE}[edit])
    verifier = runpy.run_path(str(SCRIPT))
    assert verifier["main"]([str(changed), str(folder / "keys.json")]) == 1, edit
    assert capsys.readouterr().out.startswith("DIFFERS: line ")


def test_t43_an_outsider_trusts_no_key_but_those_of_the_list(
    outsider: Outsider, folder: Path
) -> None:
    keys = json.loads((folder / "keys.json").read_text())
    (folder / "keys.json").write_text(json.dumps({"keys": keys["keys"][1:]}))
    assert outsider("whole.jsonl")[0] == 1


def test_without_anything_that_verifies_signatures_nothing_is_checked(outsider: Outsider) -> None:
    code, text = outsider("whole.jsonl", path="/nonexistent")
    assert code == 2
    assert "install the package cryptography or the program openssl" in text


def test_rows_that_are_not_sealed_are_reported(outsider: Outsider, folder: Path) -> None:
    write_rows(2)
    rows = iter(AuditLog.objects.order_by("-id")[:4])
    (folder / "new.jsonl").write_text("".join(with_proofs(rows)))
    code, text = outsider("new.jsonl")
    # The rows themselves, and that about the export.
    assert (code, "3 rows are not sealed yet" in text) == (3, True), text
