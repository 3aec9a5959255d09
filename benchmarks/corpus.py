"""`python -m benchmarks.corpus`: what `make corpus` runs.

Takes real PDFs and Office files out of Debian packages, uploads each to a
running product, downloads it again, has it inspected, and compares the verdict
with the opinions of qpdf and pikepdf.
"""

import argparse
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import django
import requests

from benchmarks import report
from benchmarks.corpus_files import RealFile, packages_with_documentation, real_files
from benchmarks.corpus_opinions import Opinion, opinion_on
from benchmarks.deployment import PRODUCT, ROOT, serving, sqlite

_BATCH = 50
_SETTINGS = {"UPLOAD_TYPES": "pdf,docx,xlsx", "UPLOAD_MAX_BYTES": str(64 * 1024 * 1024)}


@dataclass
class Result:
    """One file: how its upload was answered, whether its bytes came back, verdict, cost, opinion."""

    file: RealFile
    status: int = 0
    is_same: bool = False
    verdict: str = ""
    cost: int = 0
    opinion: Opinion | None = None

    @property
    def is_sound(self) -> bool:
        return self.opinion is not None and self.opinion.is_sound

    @property
    def is_false(self) -> bool:
        """Say whether a sound PDF has a verdict that says it is not."""
        return self.is_sound and self.verdict in ("malformed", "too_expensive")

    @property
    def is_missed(self) -> bool:
        """Say whether the file is called clean although there is something in it."""
        return self.verdict == "clean" and self.opinion is not None and bool(self.opinion.features)


class CorpusVisitor:
    """A visitor without cookies: uploads files, and downloads them again."""

    def __init__(self, port: int) -> None:
        self._root = f"http://127.0.0.1:{port}/api/v1/"
        answer = requests.post(f"{self._root}sessions/", json={"credential": "bearer"}, timeout=60)
        answer.raise_for_status()
        self._headers = {"Authorization": f"Bearer {answer.json()['token']}"}

    def send(self, result: Result) -> str:
        """Upload and download a file; return the id of its row, an empty text if it is refused."""
        body = result.file.path.read_bytes()
        answer = requests.post(
            f"{self._root}uploads/",
            files={"file": (f"file{result.file.path.suffix.lower()}", body)},
            headers=self._headers,
            timeout=300,
        )
        result.status = answer.status_code
        if answer.status_code != 201:
            return ""
        upload_id = str(answer.json()["id"])
        got = requests.get(
            f"{self._root}uploads/{upload_id}/download/", headers=self._headers, timeout=300
        )
        result.is_same = got.content == body
        return upload_id


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    packages = options.packages or packages_with_documentation()
    ends = time.monotonic() + 60 * options.minutes
    results: list[Result] = []
    with sqlite() as env:
        os.environ.update(env | _SETTINGS)
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=os.environ, check=True
        )
        django.setup()
        with serving(PRODUCT, os.environ) as server:
            for batch in _batches(_chosen(real_files(options.folder, packages), options.pdfs)):
                results += _examine(CorpusVisitor(server.port), batch)
                print(_progress(results), file=sys.stderr, flush=True)
                if time.monotonic() > ends:
                    break
    print((report.markdown if options.markdown else report.plain)(_table(results)))
    _list_failures(results)
    return int(any(result.is_missed or not result.is_same for result in results))


def _chosen(files: Iterable[RealFile], pdfs: int) -> Iterator[RealFile]:
    """Yield files until there are enough PDFs."""
    count = 0
    for file in files:
        count += file.is_pdf
        yield file
        if count == pdfs:
            return


def _batches(files: Iterator[RealFile]) -> Iterator[list[RealFile]]:
    while batch := list(islice(files, _BATCH)):
        yield batch


def _examine(visitor: CorpusVisitor, files: list[RealFile]) -> list[Result]:
    from uploads_app.models import UploadedFile
    from uploads_app.tasks import inspect_uploads

    results = [Result(file) for file in files]
    rows = {visitor.send(result): result for result in results}
    while UploadedFile.objects.uninspected().exists():
        inspect_uploads()
    for upload in UploadedFile.objects.filter(pk__in=[row for row in rows if row]):
        result = rows[str(upload.pk)]
        result.verdict = ", ".join(upload.suspicions) or upload.inspection
        result.cost = upload.inspection_cost
        if result.file.is_pdf:
            result.opinion = opinion_on(result.file.path)
    return results


def _progress(results: list[Result]) -> str:
    pdfs = [result for result in results if result.file.is_pdf]
    wrong = sum(result.is_false or result.is_missed for result in pdfs)
    return f"{len(pdfs)} PDFs, {len(results) - len(pdfs)} others, {wrong} wrong verdicts"


def _table(results: list[Result]) -> report.Table:
    pdfs = [result for result in results if result.file.is_pdf and result.status == 201]
    sound = [result for result in pdfs if result.is_sound]
    verdicts = Counter(result.verdict for result in sound)
    costs = sorted(result.cost for result in pdfs) or [0]
    rows: list[tuple[str, Any]] = [
        ("files uploaded", len(results)),
        ("from packages", len({result.file.package for result in results})),
        ("refused", sum(result.status != 201 for result in results)),
        ("returned with other bytes", sum(not r.is_same for r in results if r.status == 201)),
        ("PDFs", len(pdfs)),
        ("of these encrypted", sum(bool(r.opinion and r.opinion.is_encrypted) for r in pdfs)),
        ("opened by qpdf and pikepdf without a warning", len(sound)),
        ("of these malformed", _share(verdicts["malformed"], sound)),
        ("of these too expensive", _share(verdicts["too_expensive"], sound)),
        ("of these clean", _share(verdicts["clean"], sound)),
        ("clean though something is in it", sum(result.is_missed for result in pdfs)),
        ("over the first try's time", _share(sum(cost > 1000 for cost in costs), pdfs)),
        ("processor time, p50, p95, most (ms)", ", ".join(
            str(costs[int(q * (len(costs) - 1))]) for q in (0.5, 0.95, 1)
        )),
    ]  # fmt: skip
    return [["what", "number"], *([name, str(value)] for name, value in rows)]


def _share(count: int, of: Sequence[Any]) -> str:
    return f"{count} ({100 * count / max(len(of), 1):.2f} %)"


def _list_failures(results: list[Result]) -> None:
    """Print each file with a wrong answer or verdict."""
    for result in results:
        if result.status != 201 or not result.is_same or result.is_false or result.is_missed:
            features = sorted(result.opinion.features) if result.opinion else []
            print(result.status, result.verdict, *features, result.file.path, file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.corpus")
    parser.add_argument(
        "--markdown", action="store_true", help="print the table of docs/benchmarks.md"
    )
    parser.add_argument(
        "--pdfs", type=int, default=1500, help="how many different PDFs (default: %(default)s)"
    )
    parser.add_argument(
        "--minutes", type=float, default=600, help="start no other 50 files after this time"
    )
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path("var/corpus"),
        help="where packages are unpacked, and kept for the next run (default: %(default)s)",
    )
    parser.add_argument("--packages", nargs="+", metavar="NAME", help="these packages only")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
