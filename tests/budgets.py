"""`python -m tests.budgets [--postgresql] [REQUEST…]`: what each hot request costs, and where it goes.

Calls are counted instead of seconds: on every machine with one version of Python they are the
same, however busy it is.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import postgres, redis_server

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ("server", "middleware", "view")
# What a test allows above the figures below.
MARGIN = 1.05


@dataclass(frozen=True)
class Figures:
    """What a request cost when it was last measured. Raise one only with a reason in the commit."""

    calls: int
    middleware: int
    statements: int
    kib_read: int


@dataclass(frozen=True)
class Cost:
    """What a request costs: its calls by layer and module, its statements, the bytes that it reads."""

    calls: Counter[tuple[str, str]]
    statements: tuple[str, ...]
    bytes_read: int

    @property
    def figures(self) -> Figures:
        return Figures(
            self.calls.total(),
            self.in_layer("middleware"),
            len(self.statements),
            self.bytes_read // 1024,
        )

    def in_layer(self, layer: str) -> int:
        return sum(number for (one, _), number in self.calls.items() if one == layer)


def measure(env: Mapping[str, str]) -> dict[str, Cost]:
    """Count the hot requests of a deployment in a process of its own; `env` names its data."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.hot_requests"],
        cwd=ROOT,
        env=_production(env),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-5000:]
    return {
        name: Cost(
            Counter({(layer, module): number for layer, module, number in cost["calls"]}),
            tuple(cost["statements"]),
            cost["bytes_read"],
        )
        for name, cost in json.loads(done.stdout).items()
    }


def _production(env: Mapping[str, str]) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {
        **kept,
        "ENV_FILE": os.devnull,
        "DJANGO_SETTINGS_MODULE": "maria_project.settings",
        "PUBLIC_URL": "https://sessions.example.com",
        "SECRET_KEY": "only-to-count-calls-" * 3,
        "TRUSTED_PROXIES": "1",
        # One session uploads more often than the defaults allow.
        "UPLOAD_MAX_FILES": "100",
        **env,
    }


@contextmanager
def _deployment(*, postgresql: bool) -> Iterator[dict[str, str]]:
    with tempfile.TemporaryDirectory(prefix="maria-budgets-") as folder, ExitStack() as stack:
        env = {"DATA_DIR": folder}
        if postgresql:
            env["DATABASE_URL"] = stack.enter_context(postgres.running())
            env["CACHE_URL"] = f"{stack.enter_context(redis_server.serving()).url}/0"
        yield env


def _print(name: str, cost: Cost) -> None:
    print(f"\n== {name}: {cost.calls.total():,} calls, by layer and module")
    for (layer, module), number in cost.calls.most_common():
        print(f"   {number:>6}  {layer:<11} {module}")
    print("\n".join(f"   {statement}" for statement in cost.statements))


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.budgets", description=__doc__)
    parser.add_argument("--postgresql", action="store_true", help="on PostgreSQL and Redis")
    parser.add_argument("requests", nargs="*", help="print where the calls of these requests go")
    options = parser.parse_args(arguments)
    with _deployment(postgresql=options.postgresql) as env:
        costs = measure(env)
    for name in options.requests:
        _print(name, costs[name])
    headings = ("request", *LAYERS, "calls", "statements", "KiB read")
    print("\n" + "".join(f"{heading:>12}" for heading in headings))
    for name, cost in costs.items():
        layers = map(cost.in_layer, LAYERS)
        figures = cost.figures
        row = (name, *layers, figures.calls, figures.statements, figures.kib_read)
        print("".join(f"{value:>12}" for value in row))


if __name__ == "__main__":
    main(sys.argv[1:])
