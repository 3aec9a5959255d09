"""Measures programs in turns, on one database."""

import json
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.cases import BenchmarkCase
from benchmarks.deployment import ROOT, BenchmarkServer
from benchmarks.load import Answer, Job, LoadMeasurement, ask
from benchmarks.programs import Program
from benchmarks.visitors import Visitors

# Before its first turn each program runs for this part of one. Node.js compiles what runs often.
WARM_UP = 0.25


@dataclass(frozen=True)
class Turn:
    """What a program did in a turn: the load's measurement, and its processor time per request in ms."""

    load: LoadMeasurement
    processor: float


@dataclass(frozen=True)
class Comparison:
    """Every turn by case and program on one database, and each program's memory in MiB at the end."""

    database: str
    turns: dict[str, dict[str, list[Turn]]]
    memory: dict[str, int]


@dataclass(frozen=True)
class Effort:
    """Connections of the load, turns of each program, and when a turn ends: after seconds or requests."""

    connections: int
    rounds: int
    seconds: float
    requests: int


def compare(
    database: str,
    programs: Sequence[Program],
    cases: Sequence[BenchmarkCase],
    body: Path,
    effort: Effort,
) -> Comparison:
    """Measure the cases; the product is the first program.

    Raises UnequalWork if a program does other work, RequestFailed or RuntimeError if
    a server does not start or answer.
    """
    with ExitStack() as stack:
        runners: list[_Runner] = []
        for program in programs:
            server = stack.enter_context(program.serve())
            if program.visit:
                visitors = program.visit(server.port, effort.connections)
            else:
                visitors = runners[0].visitors
            runners.append(_Runner(program, server, visitors, body, effort))
        turns = {case.name: _measure(case, runners, effort.rounds) for case in cases}
        return Comparison(
            database, turns, {one.program.name: one.server.mebibytes for one in runners}
        )


def _measure(
    case: BenchmarkCase, runners: Sequence["_Runner"], rounds: int
) -> dict[str, list[Turn]]:
    ready = [runner for runner in runners if runner.prepare(case)]
    ours = ready[0].answer(case)
    for runner in ready:
        runner.program.check(case, runner.visitors.contains(case), ours, runner.answer(case))
    for runner in ready:
        runner.turn(case, WARM_UP)
    turns: dict[str, list[Turn]] = {runner.program.name: [] for runner in ready}
    for _ in range(rounds):
        for runner in ready:
            turns[runner.program.name].append(runner.turn(case))
    return turns


class _Runner:
    """A program that runs, with its clients."""

    def __init__(
        self,
        program: Program,
        server: BenchmarkServer,
        visitors: Visitors,
        body: Path,
        effort: Effort,
    ) -> None:
        self.program, self.server, self.visitors = program, server, visitors
        self._body, self._effort = body, effort
        self._heads: list[bytes] = []

    def prepare(self, case: BenchmarkCase) -> bool:
        """Write the requests of a case; return False if this program does not answer it."""
        self._heads = self.visitors.heads(case)
        return bool(self._heads)

    def answer(self, case: BenchmarkCase) -> Answer:
        body = self._body.read_bytes() if case.effect == "store" else b""
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=60) as connection:
            return ask(connection, self._heads[0] + body)

    def turn(self, case: BenchmarkCase, share: float = 1) -> Turn:
        """Measure one turn, or a `share` of its time."""
        job = Job(
            self.server.port,
            [head.decode() for head in self._heads],
            str(self._body) if case.effect == "store" else "",
            share * self._effort.seconds,
            min(self._effort.requests, case.limit),
            self.visitors.contains(case),
        )
        before = self.server.processor_seconds
        load = send_load(job)
        used = self.server.processor_seconds - before
        return Turn(load, 1000 * used / load.requests)


def send_load(job: Job) -> LoadMeasurement:
    """Send a job from a process of its own. Raises RuntimeError if an answer is not good."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load"],
        cwd=ROOT, input=json.dumps(asdict(job)), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr)
    return LoadMeasurement(**json.loads(done.stdout))
