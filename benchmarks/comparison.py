"""Measures the product and the baseline program in turns, on one database."""

import json
import re
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.cases import BenchmarkCase, Client, cases
from benchmarks.deployment import PRODUCT, ROOT, BenchmarkServer, serving
from benchmarks.load import Job, LoadMeasurement, ask


class UnequalWork(Exception):
    """The two programs do not do the same work, so their rates cannot be compared."""


@dataclass(frozen=True)
class ComparisonRow:
    """One case: every turn of both programs, and the statements of a request."""

    case: str
    statements: int
    product: list[LoadMeasurement]
    bare: list[LoadMeasurement]

    @property
    def ratios(self) -> list[float]:
        """The product's rate divided by the baseline's in each round, smallest first."""
        rounds = zip(self.product, self.bare, strict=True)
        return sorted(ours.rate / theirs.rate for ours, theirs in rounds)

    @property
    def ratio(self) -> float:
        return median(self.ratios)


@dataclass(frozen=True)
class Comparison:
    """Every case on one database, and the memory of both processes afterwards, in MiB."""

    database: str
    rows: list[ComparisonRow]
    product_memory: int
    bare_memory: int


def compare(
    name: str, env: Mapping[str, str], *, connections: int, rounds: int, seconds: float, limit: int
) -> Comparison:
    """Measure every case on one deployment.

    Each program has `rounds` turns, which end after `seconds` or `limit` requests.
    Raises UnequalWork if the numbers of statements or bytes differ, and RuntimeError
    if a server does not start or answer.
    """
    plan = _Plan(env, connections)
    with serving(PRODUCT, env) as product, serving(plan.bare_program, env) as bare:
        rows = []
        for case in plan.cases():
            plan.check(case, product, bare)
            turns = [
                (plan.load(case, product, seconds, limit), plan.load(case, bare, seconds, limit))
                for _ in range(rounds)
            ]
            ours, theirs = map(list, zip(*turns, strict=True))
            rows.append(ComparisonRow(case.name, plan.statements(case), ours, theirs))
        return Comparison(name, rows, product.mebibytes, bare.mebibytes)


class _Plan:
    """What `record` recorded: visitors, statements and answers."""

    def __init__(self, env: Mapping[str, str], connections: int) -> None:
        self._env, self._folder = env, Path(env["DATA_DIR"])
        self._run("benchmarks.record", str(self._folder), str(connections))
        self._plan: dict[str, Any] = json.loads((self._folder / "plan.json").read_text())
        self._clients = [Client(**client) for client in self._plan["clients"]]

    @property
    def bare_program(self) -> tuple[str, ...]:
        """The command that serves the baseline program."""
        return "-m", "benchmarks.bare", str(self._folder / "plan.json"), "127.0.0.1", "{port}"

    def cases(self) -> list[BenchmarkCase]:
        return cases((self._folder / "body").read_bytes(), self._plan["form_type"])

    def statements(self, case: BenchmarkCase) -> int:
        """Return the number of statements of the product, including BEGIN and COMMIT."""
        return len(self._plan["cases"][case.name]["statements"])

    def load(
        self, case: BenchmarkCase, server: BenchmarkServer, seconds: float, limit: int
    ) -> LoadMeasurement:
        body = self._folder / "sent"
        body.write_bytes(case.body)
        heads = [client.head(case) for client in self._clients]
        job = Job(server.port, heads, str(body), seconds, min(limit, case.limit))
        return LoadMeasurement(
            **json.loads(self._run("benchmarks.load", stdin=json.dumps(asdict(job))))
        )

    def check(self, case: BenchmarkCase, product: BenchmarkServer, bare: BenchmarkServer) -> None:
        """Raise UnequalWork unless both send the same number of statements and bytes."""
        request = self._clients[0].head(case).encode() + case.body
        ours, theirs = (_answer(server, request) for server in (product, bare))
        lengths = [_header(answer, "content-length") for answer in (ours, theirs)]
        statements = _header(theirs, "x-statements")
        if lengths[0] != lengths[1] or statements != self.statements(case):
            raise UnequalWork(
                f"{case.name}: {lengths} bytes, {[self.statements(case), statements]} statements"
            )

    def _run(self, module: str, *arguments: str, stdin: str = "") -> str:
        done = subprocess.run(  # noqa: S603  (our own command line)
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT, env=self._env, input=stdin, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{module}: {done.stderr}")
        return done.stdout


def _answer(server: BenchmarkServer, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        return ask(connection, request)


def _header(head: bytes, name: str) -> int:
    found = re.search(rf"\r\n{name}: *(\d+)".encode(), head, re.IGNORECASE)
    return int(found[1]) if found else -1
