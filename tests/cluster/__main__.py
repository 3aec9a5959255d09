"""`python -m tests.cluster`: start a cluster, print its addresses, and run it until Ctrl-C.

With --faults it is put through faults instead: all of them, one (--fault NAME), or the short
form (--short).
"""

import argparse
import os
import socket
import sys
from pathlib import Path

from tests import scratch
from tests.cluster import namespaces
from tests.cluster.cluster import PORT


def main(arguments: list[str]) -> int:
    """Run the command in namespaces of its own; return its exit code."""
    if missing := namespaces.missing_programs():
        print(f"Missing: {', '.join(missing)}. {namespaces.INSTALL_HINT}", file=sys.stderr)
        return 1
    if not namespaces.are_allowed():
        print(namespaces.NOT_ALLOWED, file=sys.stderr)
        return 1
    command = _parser().parse_args(arguments)
    folder = scratch.begin_run()
    # For modules that read settings when they are imported.
    os.environ.update(ENV_FILE=os.devnull, DATA_DIR=str(folder / "data"))
    if command.faults:
        return namespaces.run("tests.cluster.rehearsal", [*map(str, _faults(command, folder))])
    with socket.create_server(("127.0.0.1", PORT)) as door:
        arguments = [str(folder), str(door.fileno())]
        return namespaces.run("tests.cluster.inside", arguments, [door.fileno()])


def _faults(command: argparse.Namespace, folder: Path) -> list[object]:
    chosen = [text for name in command.fault for text in ("--fault", name)]
    return [folder, *chosen, *command.short]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    parser.add_argument("--faults", action="store_true", help="inject faults and print a table")
    parser.add_argument("--fault", metavar="NAME", action="append", default=[], help="only these")
    parser.add_argument("--short", action="store_const", const=["--short"], default=[])
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
