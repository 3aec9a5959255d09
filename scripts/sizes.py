"""Prints the sizes of docs/plan.md and fails if one is over its limit (`make sizes`).

The length of a function is the number of lines with code in its signature and body, without
docstrings, comments and blank lines.
"""

import ast
import io
import re
import statistics
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LONGEST, LONG, MANY_LONG = 400, 300, 12
MEDIAN_FUNCTION, DOCSTRINGS, COMMENTS = 7, 0.10, 0.06
# The apps are the folders whose name ends in _app; the rest by name.
FOLDERS = ("maria_project", "common", "scripts", "benchmarks", "frontend/src", "frontend/demo")
KINDS = (".py", ".ts", ".tsx", ".css", ".html", ".js")
LEFT_OUT = {"migrations", "node_modules", "dist", "coverage", "__pycache__"}
GENERATED = re.compile(r"generated|do not (edit|make direct changes)", re.IGNORECASE)
# These folders do not run in a deployment.
NOT_PRODUCTION = ("scripts/", "benchmarks/", "frontend/demo/")
_TS_COMMENT = re.compile(r"/\*.*?\*/|(?<![:\"'`\\])//[^\n]*", re.DOTALL)
_TS_FUNCTION = re.compile(
    r"\bfunction\*?\s*\w*\s*(?:<[^>]*>)?\(|=>\s*\{|^\s+(?:async\s+|get\s+|set\s+)?\w+\([^()]*\)[^\n;=]*\{$",
    re.MULTILINE,
)
_NO_FUNCTION = re.compile(r"^\s*(?:if|for|while|switch|catch|return)\b")


@dataclass
class Sizes:
    lines: dict[str, int] = field(default_factory=dict)
    functions: list[int] = field(default_factory=list)
    production: int = 0
    docstrings: int = 0
    comments: int = 0

    def problems(self) -> Iterator[str]:
        for path, count in self.lines.items():
            if count > LONGEST:
                yield f"{path} has {count} lines, over {LONGEST}."
        long = sum(count > LONG for count in self.lines.values())
        if long > MANY_LONG:
            yield f"{long} files have over {LONG} lines; at most {MANY_LONG} may."
        if self.functions and statistics.median(self.functions) > MEDIAN_FUNCTION:
            yield f"The median function has over {MEDIAN_FUNCTION} lines."
        if self.production and self.docstrings >= DOCSTRINGS * self.production:
            yield f"Docstrings are not under {DOCSTRINGS:.0%} of the production lines."
        if self.comments > COMMENTS * self.production:
            yield f"Comments are over {COMMENTS:.0%} of the production lines."


def main(arguments: list[str]) -> int:
    sizes = measure(Path(arguments[0]) if arguments else ROOT)
    for path, count in sorted(sizes.lines.items(), key=lambda one: -one[1])[:20]:
        print(f"{count:5} {path}")
    print(
        f"{len(sizes.lines)} files; median function {statistics.median(sizes.functions or [0]):g}"
    )
    for name, count in (("docstrings", sizes.docstrings), ("comments", sizes.comments)):
        print(f"{name}: {count / max(sizes.production, 1):.1%} of {sizes.production} lines")
    problems = list(sizes.problems())
    print(*problems, sep="\n")
    return 1 if problems else 0


def measure(root: Path) -> Sizes:
    sizes = Sizes()
    for path in _files(root):
        text, place = path.read_text(), str(path.relative_to(root))
        sizes.lines[place] = len(text.splitlines())
        if path.suffix == ".py":
            docstrings, comments, functions = measure_python(text)
        elif path.suffix in (".ts", ".tsx"):
            docstrings, comments, functions = measure_typescript(text)
        else:
            continue
        sizes.functions += functions
        if not place.startswith(NOT_PRODUCTION):
            sizes.production += sizes.lines[place]
            sizes.docstrings += docstrings
            sizes.comments += comments
    return sizes


def _files(root: Path) -> Iterator[Path]:
    apps = sorted(path.name for path in root.glob("*_app") if path.is_dir())
    for folder in (*apps, *FOLDERS):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix not in KINDS or LEFT_OUT & set(path.relative_to(root).parts):
                continue
            if not GENERATED.search("\n".join(path.read_text().splitlines()[:4])):
                yield path


def measure_python(text: str) -> tuple[int, int, list[int]]:
    """Return the lines of docstrings and of comments, and the length of each function."""
    code, comments = set[int](), 0
    quiet = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            comments += not token.line[: token.start[1]].strip()
        elif token.type not in (*quiet, tokenize.ENDMARKER):
            code.update(range(token.start[0], token.end[0] + 1))
    nodes, docstrings = list(ast.walk(ast.parse(text))), set[int]()
    for node in nodes:
        match node:
            case ast.Expr(value=ast.Constant(value=str())):
                docstrings.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    code -= docstrings
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    ends = [(node.lineno, node.end_lineno or node.lineno) for node in functions]
    lengths = [sum(first <= line <= last for line in code) for first, last in ends]
    return len(docstrings), comments, lengths


def measure_typescript(text: str) -> tuple[int, int, list[int]]:
    """Return the lines of doc comments and other comments, and the length of each function body."""
    doc = comments = 0
    for part in _TS_COMMENT.finditer(text):
        lines = part[0].count("\n") + 1
        if part[0].startswith("/**"):
            doc += lines
        elif not text[text.rfind("\n", 0, part.start()) + 1 : part.start()].strip():
            comments += lines
    code = _TS_COMMENT.sub(lambda part: re.sub(r"[^\n]", " ", part[0]), text)
    return doc, comments, [*_typescript_functions(code)]


def _typescript_functions(code: str) -> Iterator[int]:
    for match in _TS_FUNCTION.finditer(code):
        if _NO_FUNCTION.match(match[0]):
            continue
        start = code.find("{", match.end() - 1)
        depth, end = 0, start
        for end in range(start, len(code)) if start >= 0 else ():
            depth += (code[end] == "{") - (code[end] == "}")
            if depth == 0:
                break
        lines = code[code.rfind("\n", 0, match.start() + 1) + 1 : end + 1].splitlines()
        yield sum(bool(line.strip()) for line in lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
