"""Refuses a change to a migration that has landed: databases exist that were made by it.

python scripts/check_migrations.py         compares every migration with scripts/landed_migrations.txt
python scripts/check_migrations.py --add   adds the digests of new migrations to that list

Write another migration instead. Each line of the list is a SHA-256 and a path.
"""

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_LIST = Path("scripts", "landed_migrations.txt")


def main(arguments: list[str]) -> int:
    root = next((Path(one) for one in arguments if not one.startswith("-")), ROOT)
    if "--add" in arguments:
        write(root, {**found(root), **landed(root)})
    problems = list(compare(landed(root), found(root)))
    print("\n".join(problems) or "Every migration is as it landed.")
    return int(bool(problems))


def compare(landed: dict[str, str], found: dict[str, str]) -> Iterator[str]:
    for path, digest in landed.items():
        if path not in found:
            yield f"{path} has landed and is missing."
        elif found[path] != digest:
            yield f"{path} has landed and was changed. Restore it, and write another migration."
    for path in sorted(found.keys() - landed.keys()):
        yield f"{path} is new. When it is finished: python scripts/check_migrations.py --add"


def landed(root: Path) -> dict[str, str]:
    file = root / _LIST
    lines = file.read_text().splitlines() if file.exists() else []
    return {path: digest for digest, path in (line.split() for line in lines)}


def found(root: Path) -> dict[str, str]:
    """Return the digest of every migration."""
    return {
        str(file.relative_to(root)): hashlib.sha256(file.read_bytes()).hexdigest()
        for pattern in ("*/migrations/0*.py", "*/*/migrations/0*.py")
        for file in root.glob(pattern)
        if "site-packages" not in file.parts
    }


def write(root: Path, digests: dict[str, str]) -> None:
    lines = [f"{digest}  {path}\n" for path, digest in sorted(digests.items())]
    (root / _LIST).write_text("".join(lines))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
