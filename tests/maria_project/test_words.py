"""The check for words finds a refused name, and ignores prose."""

from pathlib import Path

import pytest

from scripts import check_words, sizes

GOOD_TS = "// nobody is told\nconst text = 'held: told'; /* let gone: number */\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "some_app").mkdir()
    (tmp_path / "frontend" / "src").mkdir(parents=True)
    (tmp_path / "scripts").mkdir()
    (tmp_path / "some_app" / "good.py").write_text(
        '"""Nobody is told."""\nlookup = "held"  # gone\n'
    )
    (tmp_path / "frontend" / "src" / "good.ts").write_text(GOOD_TS)
    return tmp_path


def test_prose_and_other_words_pass(tree: Path) -> None:
    assert check_words.main([str(tree)]) == 0


@pytest.mark.parametrize(
    "code",
    [
        "def _tell_once(): pass",
        "class FileHeldBack: pass",
        "def good(*, whom=1): pass",
        "strays = []",
        "for asked in (): pass",
        "with open('x') as desk_file: pass",
        "def good(self): self.is_told = 1",
        "import x as alarm",
        "class Good:\n    GONE: int",
        "try:\n    pass\nexcept ValueError as trouble:\n    pass",
    ],
)
def test_a_planted_name_in_python_is_found(tree: Path, code: str) -> None:
    (tree / "some_app" / "planted.py").write_text(code)
    assert check_words.main([str(tree)]) == 1


@pytest.mark.parametrize(
    "code",
    [
        "const told = 1;",
        "export function lookInside() {}",
        "class HeldFile {}",
        "interface Good { isGone: boolean }",
        "type Asked = string;",
        "function good(whom: string) {}",
        "files.map((stray) => stray.id);",
        "files.map(stray => stray.id);",
        "const { gone } = state;",
        "const good = {\n  nobody: 1,\n};",
        "class Good {\n  private tellAll(): void {\n  }\n}",
    ],
)
def test_a_planted_name_in_typescript_is_found(tree: Path, code: str) -> None:
    (tree / "frontend" / "src" / "planted.tsx").write_text(code)
    assert check_words.main([str(tree)]) == 1


def test_a_file_name_is_checked_too(tree: Path) -> None:
    (tree / "some_app" / "survey.py").touch()
    assert check_words.main([str(tree)]) == 1


def test_an_exception_needs_a_reason(tree: Path) -> None:
    (tree / "some_app" / "planted.py").write_text("told = 1")
    exceptions = tree / "scripts" / "word_exceptions.txt"
    exceptions.write_text("# names that stay\ntold  A library calls it by this name.\n")
    assert check_words.main([str(tree)]) == 0
    exceptions.write_text("told\n")
    with pytest.raises(SystemExit, match="no reason"):
        check_words.main([str(tree)])


def test_a_file_that_is_too_long_fails_the_sizes(tree: Path) -> None:
    long = tree / "some_app" / "long.py"
    long.write_text("x = 1\n" * sizes.LONGEST)
    assert sizes.main([str(tree)]) == 0
    long.write_text("x = 1\n" * (sizes.LONGEST + 1))
    assert sizes.main([str(tree)]) == 1


def test_what_counts_as_a_line_of_a_function() -> None:
    text = 'def f(\n    x,\n):\n    """Say.\n\n    More.\n    """\n\n    # why\n    return x\n'
    assert sizes.measure_python(text) == (4, 1, [4])
    assert sizes.measure_typescript("/** Say. */\nfunction f() {\n  // why\n\n  g();\n}\n") == (
        1,
        1,
        [3],
    )
