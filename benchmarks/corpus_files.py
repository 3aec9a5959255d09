"""Real files out of Debian packages, which are downloaded and unpacked, but not installed."""

import hashlib
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

# Documentation packages: those with a PDF in their name, TeX's manuals, then all others.
PATTERNS = ("-doc-pdf$|-pdf$", "^texlive-.*-doc$", "-doc$")
OFFICE_PACKAGES = (
    "r-cran-openxlsx", "r-cran-readxl", "r-cran-officer", "r-cran-rio", "python3-docx",
    "python3-docxtpl", "python3-docxcompose", "libspreadsheet-parsexlsx-perl", "gnumeric-doc",
    "golang-github-tealeg-xlsx-dev", "libexcel-writer-xlsx-perl",
)  # fmt: skip
SUFFIXES = {".pdf", ".docx", ".xlsx"}
# Larger packages than this are left out.
PACKAGE_BYTES = 300_000_000


@dataclass(frozen=True)
class RealFile:
    path: Path
    package: str
    sha256: str

    @property
    def is_pdf(self) -> bool:
        return self.path.suffix.lower() == ".pdf"


def real_files(folder: Path, packages: Sequence[str]) -> Iterator[RealFile]:
    """Yield each different PDF and Office file of the packages once."""
    seen: set[str] = set()
    for package in packages:
        for path in _files(folder, package):
            sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
            if sha256 not in seen:
                seen.add(sha256)
                yield RealFile(path, package, sha256)


def packages_with_documentation() -> list[str]:
    """Return names of documentation packages, the small ones of each kind first."""
    names: dict[str, None] = dict.fromkeys(OFFICE_PACKAGES)
    for pattern in PATTERNS:
        found = _output("apt-cache", "search", "--names-only", "--", pattern).splitlines()
        sizes = _sizes([line.split(" ")[0] for line in found])
        small = [name for name, size in sizes.items() if size <= PACKAGE_BYTES]
        names.update(dict.fromkeys(sorted(small, key=lambda name: sizes[name])))
    return list(names)


def _sizes(names: list[str]) -> dict[str, int]:
    """Return the download size of each package."""
    if not names:
        return {}
    sizes, name = {}, ""
    for line in _output("apt-cache", "show", "--no-all-versions", "--", *names).splitlines():
        if line.startswith("Package: "):
            name = line.split(" ")[1]
        elif line.startswith("Size: "):
            sizes[name] = int(line.split(" ")[1])
    return sizes


def _files(folder: Path, package: str) -> list[Path]:
    """Return the files of a package that interest us; none if it cannot be downloaded."""
    target = folder / package
    if not target.is_dir():
        before = set(folder.glob("*.deb"))
        _run("apt-get", "download", "-qq", package, folder=folder)
        for archive in set(folder.glob("*.deb")) - before:
            _run("dpkg-deb", "-x", archive.name, package, folder=folder)
            archive.unlink()
    found = (path for path in target.rglob("*") if path.suffix.lower() in SUFFIXES)
    return sorted(path for path in found if path.is_file() and not path.is_symlink())


def _run(*command: str, folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=False)  # noqa: S603  (our own command line)


def _output(*command: str) -> str:
    done = subprocess.run(  # noqa: S603  (our own command line)
        command, capture_output=True, text=True, check=True
    )
    return done.stdout
