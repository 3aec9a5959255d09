"""Refuses names with words that docs/glossary.md does not allow.

python scripts/check_words.py [folder]   checks every name that we define, in Python and TypeScript

A name is split at `_` and at capitals. scripts/word_exceptions.txt lists exceptions: a name, then its reason.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("frontend/src", "frontend/demo", "frontend/tests")
LEFT_OUT = {"migrations", "node_modules", "dist", "coverage", "frontend"}
_WORDS = (
    "told tell tells telling whom asked asking stray strays anomaly anomalies disagreement disagreements"
    " takeout takeouts desk desks look looks looking looked survey surveys acting alarm alarms trouble"
    " troubles aside gone went held mend mends mended nobody chronicle noted"
)
REFUSED = frozenset(_WORDS.split())
_STRING = r"\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'"
# Comments and strings are replaced by spaces, so that their words do not look like declarations.
_NO_CODE = re.compile(
    rf"/\*.*?\*/|(?<![:\\])//[^\n]*|{_STRING}|`(?:\\.|[^`\\$]|\$(?!\{{))*`", re.DOTALL
)
_DECLARED = re.compile(
    r"\b(?:const|let|var|function\*?|class|interface|type|enum|namespace)\s+([A-Za-z_$][\w$]*)"
)
# Parameters, members of types and keys of objects: a name before `:` or `?:`.
_MEMBER = re.compile(
    r"(?<=[({,;\n])\s*(?:readonly\s+|private\s+|async\s+|\.\.\.)*([A-Za-z_$][\w$]*)\??\s*:"
)
_METHOD = re.compile(
    r"^\s*(?:private\s+|static\s+|async\s+)*([A-Za-z_$][\w$]*)\([^()\n]*\)[^\n;]*\{$", re.M
)
_ARROW = re.compile(r"(?:\(([^()]*)\)|\b([A-Za-z_$][\w$]*))\s*(?::[^=\n]*)?=>")
_PATTERN = re.compile(r"\b(?:const|let|var)\s*[\[{]([^=;]*?)[\]}]\s*(?::[^=]*)?=")
_NAME = re.compile(r"[A-Za-z_$][\w$]*")


def main(arguments: list[str]) -> int:
    root = Path(arguments[0]) if arguments else ROOT
    allowed = exceptions(root / "scripts" / "word_exceptions.txt")
    found = [hit for hit in sorted(set(hits(root))) if hit[2] not in allowed]
    for path, line, name in found:
        print(
            f"{path}:{line}: {name}: {', '.join(refused_in(name))} is not a word of docs/glossary.md"
        )
    print(f"{len(found)} names with refused words, {len(allowed)} exceptions.")
    return 1 if found else 0


def exceptions(path: Path) -> dict[str, str]:
    """Return the exceptions, each with its reason."""
    lines = path.read_text().splitlines() if path.exists() else []
    pairs = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]
    if missing := [pair[0] for pair in pairs if len(pair) < 2]:
        raise SystemExit(f"{path}: no reason is given for {', '.join(missing)}.")
    return {pair[0]: pair[1] for pair in pairs}


def hits(root: Path) -> Iterator[tuple[str, int, str]]:
    """Yield path, line and name of each refused name in a folder."""
    for path in sorted(root.rglob("*.py")):
        place = path.relative_to(root)
        if not any(part in LEFT_OUT or part.startswith(".") for part in place.parts):
            yield from _refused(place, [(1, path.stem), *python_names(path.read_text())])
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.ts*")):
            place = path.relative_to(root)
            if not LEFT_OUT - {"frontend"} & set(place.parts):
                stem = path.name.split(".", 1)[0]
                yield from _refused(place, [(1, stem), *typescript_names(path.read_text())])


def _refused(place: Path, names: list[tuple[int, str]]) -> Iterator[tuple[str, int, str]]:
    return ((str(place), line, name) for line, name in names if refused_in(name))


def refused_in(name: str) -> list[str]:
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    return [word.lower() for word in words if word.lower() in REFUSED]


def python_names(source: str) -> Iterator[tuple[int, str]]:
    """Yield every name that Python code binds: definitions, parameters, variables, attributes."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case (
                ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.ClassDef(name=name)
            ):
                yield node.lineno, name
            case ast.arg(arg=name):
                yield node.lineno, name
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield node.lineno, name
            case ast.ExceptHandler(name=str(name)) | ast.alias(asname=str(name)):
                yield node.lineno, name
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield node.lineno, name


def typescript_names(source: str) -> Iterator[tuple[int, str]]:
    """Yield the names that TypeScript code declares, found with regular expressions, without a parser."""
    code = _NO_CODE.sub(lambda part: re.sub(r"[^\n]", " ", part[0]), source)
    for pattern in (_DECLARED, _MEMBER, _METHOD, _ARROW, _PATTERN):
        for match in pattern.finditer(code):
            group = next(n for n in range(1, len(match.groups()) + 1) if match[n] is not None)
            for name in _NAME.finditer(match[group]):
                yield code.count("\n", 0, match.start(group) + name.start()) + 1, name[0]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
