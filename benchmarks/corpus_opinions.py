"""What qpdf and pikepdf say about a PDF: whether it is sound, and what is dangerous in it."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pikepdf

SECONDS = 120
_ACTIONS = {
    "/JavaScript", "/Launch", "/GoToR", "/GoToE", "/SubmitForm", "/ImportData", "/Rendition",
    "/Movie", "/Sound", "/RichMediaExecute", "/GoTo3DView",
}  # fmt: skip
_KEYS = {"/JS", "/JavaScript", "/EmbeddedFiles", "/EF", "/Collection", "/XFA", "/OPI"}
_WEB = re.compile(r"\s*(https?:|mailto:|tel:)", re.IGNORECASE)
_SCHEME = re.compile(r"[\x00-\x20]*[a-z][a-z0-9+.-]*:", re.IGNORECASE)


@dataclass
class Opinion:
    """The opinions about one file. `features` are scripts, actions, attachments and references."""

    qpdf: str = ""
    pikepdf: str = ""
    is_encrypted: bool = False
    features: set[str] = field(default_factory=set)

    @property
    def is_sound(self) -> bool:
        """Say whether both open the file without a warning."""
        return not self.qpdf and not self.pikepdf and not self.is_encrypted


def opinion_on(path: Path) -> Opinion:
    opinion = Opinion(qpdf=_qpdf(path))
    try:
        with pikepdf.open(path, suppress_warnings=True) as document:
            opinion.is_encrypted = document.is_encrypted
            for value in _dictionaries(document):
                opinion.features.update(_features(value))
            opinion.pikepdf = "\n".join(map(str, document.get_warnings()))
    except pikepdf.PasswordError:
        opinion.is_encrypted = True
    except Exception as error:  # each of its errors means the same here
        opinion.pikepdf = repr(error)
    return opinion


def _qpdf(path: Path) -> str:
    """Return the complaints of `qpdf --check`, an empty text without."""
    try:
        done = subprocess.run(  # noqa: S603  (our own command line)
            ["qpdf", "--check", path],  # noqa: S607  (the qpdf that is installed)
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "takes too long"
    return done.stderr.decode(errors="replace") or "failed" if done.returncode else ""


def _dictionaries(document: pikepdf.Pdf) -> Iterator[Any]:
    waiting: list[Any] = [document.trailer, *document.objects]
    while waiting:
        value = waiting.pop()
        if isinstance(value, (pikepdf.Dictionary, pikepdf.Stream)):
            yield value
            waiting.extend(item for _, item in value.items() if _is_inside(item))
        elif isinstance(value, pikepdf.Array):
            waiting.extend(item for item in value if _is_inside(item))


def _is_inside(value: Any) -> bool:
    """Say whether a value is not an object of its own."""
    return isinstance(value, pikepdf.Object) and not value.is_indirect


def _features(value: Any) -> Iterator[str]:
    keys = set(value.keys())
    yield from keys & _KEYS
    action = str(value.get("/S", "")) if "/S" in keys else ""
    if action in _ACTIONS or (action == "/Thread" and "/F" in keys):
        yield action
    if isinstance(value, pikepdf.Stream) and isinstance(
        value.get("/F"), (pikepdf.String, pikepdf.Dictionary)
    ):
        yield "a stream in another file"
    if isinstance(reference := value.get("/Ref"), pikepdf.Dictionary) and "/F" in reference:
        yield "a page of another file"
    if isinstance(link := value.get("/URI"), pikepdf.String):
        text = str(link)
        if _SCHEME.match(text) and not _WEB.match(text):
            yield "/URI"
