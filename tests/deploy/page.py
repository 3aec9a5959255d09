"""The commands of docs/cluster.md: each block of shell, and the hosts that are named before it."""

import re
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "cluster.md"
_SECTION = re.compile(r"^## (.*)$", re.MULTILINE)
_BLOCK = re.compile(r"^(.*?On (?:`\w+`(?:, )?)+:)\n\n```sh\n(.*?)```$", re.MULTILINE | re.DOTALL)
_ANY_BLOCK = re.compile(r"^```sh$", re.MULTILINE)
_LEFT_OUT = "Not run by a test."


@dataclass(frozen=True)
class Block:
    """Commands for some hosts; `is_run` unless the page says that no test runs them."""

    section: str
    hosts: tuple[str, ...]
    script: str
    is_run: bool


def blocks() -> list[Block]:
    """Return all blocks in order; ValueError if one does not say on which host it is to be run."""
    text = PAGE.read_text()
    parts = _SECTION.split(text)[1:]
    found = [
        block
        for section, body in zip(parts[::2], parts[1::2], strict=True)
        for block in _blocks_of(section, body)
    ]
    if len(found) != len(_ANY_BLOCK.findall(text)):
        raise ValueError(f"A block of commands in {PAGE} has no line “On `host`:” before it.")
    return found


def _blocks_of(section: str, body: str) -> list[Block]:
    return [
        Block(
            section,
            tuple(re.findall(r"`(\w+)`", head.rpartition("On ")[2])),
            script,
            _LEFT_OUT not in head.splitlines()[-1],
        )
        for head, script in _BLOCK.findall(body)
    ]
