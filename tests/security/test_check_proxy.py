"""`manage.py check_proxy`: its verdict on every kind of proxy, and inconclusive results."""

import io
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count, cycle
from typing import NamedTuple

import pytest
from django.core.management import call_command, load_command_class
from django.core.management.base import CommandError

from maria_project.proxies import FORGERIES
from tests import nginx
from tests.ports import free_port
from tests.security.edge import Caller, all_started, fresh_source


class ProxyCheckResult(NamedTuple):
    """The command's output and exit code."""

    code: int
    lines: list[str]
    sentence: str

    @property
    def believed(self) -> set[str]:
        """The forged headers that it reports as trusted."""
        return {line.removesuffix(": TRUSTED") for line in self.lines if "TRUSTED" in line}


def check(url: str, timeout: float = 10.0) -> ProxyCheckResult:
    """Run the command."""
    out = io.StringIO()
    try:
        call_command("check_proxy", url, timeout=timeout, stdout=out)
    except CommandError as error:
        return ProxyCheckResult(error.returncode, out.getvalue().splitlines(), str(error))
    lines = out.getvalue().splitlines()
    return ProxyCheckResult(0, lines[:-1], lines[-1])


class Proxies(NamedTuple):
    """The product with one trusted proxy, behind one correct and several wrong proxies."""

    right: str
    passes_on: str
    believes_real_ip: str
    renames: str


@pytest.fixture(scope="module")
def proxies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxies]:
    nginx.need_nginx()
    folder = tmp_path_factory.mktemp("check")
    with ExitStack() as stack:
        env = {"TRUSTED_PROXIES": "1", "RATE_LIMIT_VALIDATE": "60/d"}
        (product,) = all_started(stack, folder, env)
        realip = "set_real_ip_from 127.0.0.0/8; real_ip_header X-Real-IP;"
        # A separate address, whose limit no other test has used.
        own = f"proxy_set_header X-Forwarded-For {fresh_source()};"
        hops = [
            nginx.hop(product.port),
            nginx.hop(product.port, "proxy_set_header Host $http_host;"),
            nginx.hop(product.port, realip + nginx.directives()),
            nginx.hop(product.port, own + "proxy_set_header Host localhost;"),
        ]
        stack.enter_context(nginx.running(folder / "nginx", hops))
        yield Proxies(*(f"http://127.0.0.1:{hop.port}" for hop in hops))


@pytest.mark.slow
def test_t72_a_proxy_as_documented_is_safe_even_at_the_limit(
    proxies: Proxies,
) -> None:
    result = check(proxies.right)
    again = check(proxies.right)  # the limit of 60 a minute is used up by now

    for said in (result, again):
        assert (said.code, said.sentence) == (0, "The client address cannot be faked.")
        assert said.lines == [f"{forgery}: not trusted" for forgery in FORGERIES]
    port = int(proxies.right.rpartition(":")[2])
    assert Caller(port, "127.0.0.1").ask().status == 429
    assert Caller(port, fresh_source()).ask().status == 200


@pytest.mark.slow
def test_t72_a_proxy_that_forwards_the_clients_header_is_detected(proxies: Proxies) -> None:
    result = check(proxies.passes_on)

    assert result.code == 1
    assert {
        name for name in result.believed if name.startswith("X-Forwarded-For")
    } == result.believed
    assert "X-Forwarded-For (one address)" in result.believed
    assert "X-Forwarded-For (sent twice)" in result.believed
    assert result.sentence.startswith("The client address can be faked. Set TRUSTED_PROXIES to")


@pytest.mark.slow
def test_t72_a_proxy_that_trusts_another_header_is_detected(proxies: Proxies) -> None:
    result = check(proxies.believes_real_ip)

    assert (result.code, result.believed) == (1, {"X-Real-IP (one address)"})
    assert "the outermost proxy remove or overwrite it" in result.sentence


@pytest.mark.slow
def test_an_unknown_host_is_reported(proxies: Proxies) -> None:
    result = check(proxies.renames)

    assert result.code == 0
    assert result.lines[0].startswith(f"Requests of pages of {proxies.renames} would be refused")


# Fake servers: a function from the request's forged headers to the answer.
Answer = Callable[[set[str]], tuple[int, dict[str, str]]]


@contextmanager
def something(answer: Answer) -> Iterator[str]:
    """Run a fake server and yield its address."""

    class ProxyCheckHandler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            usual = {"host", "accept-encoding", "content-length", "content-type", "user-agent", "origin"}  # fmt: skip
            status, headers = answer({name.lower() for name in self.headers} - usual)
            self.send_response(status)
            for name, value in {"Content-Length": "0", **headers}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), ProxyCheckHandler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def says(left: int) -> tuple[int, dict[str, str]]:
    """Answer like the product when `left` requests are left."""
    return 200 if left >= 0 else 429, {"RateLimit": f'"validate-60s";r={max(0, left)};t=9'}


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ((301, {"Location": "https://elsewhere.example/"}), "redirects to https://elsewhere.example/"),
        ((200, {}), "has no RateLimit header"),
        ((429, {"Retry-After": "60"}), "has no RateLimit header"),
        ((200, {"RateLimit": '"other";r=9;t=1'}), "has no RateLimit header"),
        ((404, {}), "answered 404, not 200"),
        ((400, {}), "answered 400, not 200"),
        ((503, {"Retry-After": "60"}), "answered 503, not 200"),
    ],
    ids=["redirect", "no header", "another limit", "another header", "404", "400", "503"],
)  # fmt: skip
def test_unexpected_answers_are_inconclusive(
    answer: tuple[int, dict[str, str]], sentence: str
) -> None:
    with something(lambda _: answer) as url:
        result = check(url)

    assert (result.code, result.lines) == (2, [])
    assert result.sentence.startswith("No result. ")
    assert sentence in result.sentence


def test_jumping_counters_are_inconclusive() -> None:
    processes = cycle([count(50, -1), count(30, -1)])
    with something(lambda _: says(next(next(processes)))) as url:
        result = check(url)

    assert result.code == 2
    assert "several web processes count separately" in result.sentence


def test_failing_forged_requests_are_inconclusive() -> None:
    left = count(59, -1)
    with something(lambda forged: (500, {}) if forged else says(next(left))) as url:
        result = check(url)

    assert result.code == 2
    assert "With a forged X-Forwarded-For (one address)" in result.sentence


def test_a_proxy_that_blocks_forged_requests_is_safe() -> None:
    left = count(59, -1)
    with something(lambda forged: (400, {}) if forged else says(next(left))) as url:
        result = check(url)

    assert (result.code, result.believed) == (0, set())


@pytest.mark.parametrize("window", range(7, 14))
def test_a_windows_edge_is_not_taken_for_a_trusted_header(window: int) -> None:
    requested = count()
    with something(lambda _: says(59 - next(requested) % window)) as url:
        result = check(url)

    assert result.code == 0


def test_windows_that_end_just_with_a_forged_request_are_tried_again() -> None:
    left, ends = [60], iter([True, True, True])

    def answer(forged: set[str]) -> tuple[int, dict[str, str]]:
        left[0] = 59 if (bool(forged) and next(ends, False)) else left[0] - 1
        return says(left[0])

    with something(answer) as url:
        result = check(url)

    assert (result.code, result.believed) == (0, set())


@pytest.mark.parametrize("step", [-2, -3, -7])
def test_other_clients_in_the_bucket_do_not_change_the_verdict(step: int) -> None:
    left = count(10_000, step)
    with something(lambda _: says(next(left))) as url:
        result = check(url)

    assert (result.code, result.believed) == (0, set())


@pytest.mark.parametrize("other", [59, 3, 1], ids=["fresh", "used", "nearly used up"])
def test_a_bucket_that_others_use_is_another_bucket_too(other: int) -> None:
    """An invalid address falls back to the proxy's own, which is not a new bucket."""
    own, others = count(500, -1), count(other, -1)
    with something(lambda forged: says(next(others if "forwarded" in forged else own))) as url:
        result = check(url)

    assert (result.code, result.believed) == (1, {"Forwarded (IPv4)", "Forwarded (IPv6)"})


def test_a_closed_port_is_inconclusive() -> None:
    result = check(f"http://127.0.0.1:{free_port()}")

    assert result.code == 2
    assert "does not answer" in result.sentence


def test_an_address_that_never_answers_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        result = check(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.2)

    assert result.code == 2
    assert "timed out" in result.sentence


@pytest.mark.parametrize(
    "url", ["", "maria.example", "ftp://maria.example", "http://", "http://[x"]
)
def test_an_invalid_address_is_reported(url: str) -> None:
    result = check(url)

    assert result.code == 2
    assert "is not an address" in result.sentence


def test_the_exit_code_is_the_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    """Without the fixture `db` a query would fail, so the command needs no database."""
    with pytest.raises(SystemExit) as exit_:
        load_command_class("maria_project", "check_proxy").run_from_argv(
            ["manage.py", "check_proxy", f"http://127.0.0.1:{free_port()}"]
        )

    assert exit_.value.code == 2
    assert re.fullmatch(r"CommandError: No result\. .+\n", capsys.readouterr().err)
