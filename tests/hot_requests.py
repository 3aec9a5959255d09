"""`python -m tests.hot_requests`: counts what each hot request costs, and prints it as JSON.

Everything is counted in this process, through the WSGI application, as the environment sets it:
`budgets.measure` starts this program with production's settings. A request is sent three times
to warm up. Then each number is the lowest of three: a session is touched once a minute, and a
window of a rate limit may begin between two of them.
"""

import gc
import io
import json
import logging
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import django
from django.core.management import call_command
from waitress.buffers import ReadOnlyFileBasedBuffer

WARM_UPS = REPEATS = 3
HOST = "sessions.example.com"
FILE_BYTES = 5 * 1024 * 1024
API = "/api/v1"
_JSON = "application/json"
_IO = Path("/proc/self/io")


@dataclass
class HotRequest:
    """A request as a browser sends it, through a proxy that ends TLS."""

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    content_type: str = ""

    def environ(self) -> dict[str, Any]:
        """Return what the web server passes to the application."""
        headers = {
            "Host": HOST,
            "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            "Accept": "application/json",
            "Accept-Encoding": "gzip, deflate, br",
            "X-Forwarded-For": "203.0.113.7",
            "X-Forwarded-Proto": "https",
            **self.headers,
        }
        named = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
        described = {"CONTENT_TYPE": self.content_type, "CONTENT_LENGTH": str(len(self.body))}
        return {
            **named,
            **(described if self.content_type else {}),
            "REQUEST_METHOD": self.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": self.path,
            "QUERY_STRING": "",
            "REMOTE_ADDR": "127.0.0.1",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "8000",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            # The web server has a few bodies of uploads in memory, and all small ones.
            "wsgi.input": io.BytesIO(self.body),
            "wsgi.input_terminated": True,
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "wsgi.file_wrapper": ReadOnlyFileBasedBuffer,
        }


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


def send(request: HotRequest, counting: Callable[[], Any] = suppress) -> Answer:
    """Answer a request as a web server does; `counting` is the context in which it is answered."""
    from maria_project.wsgi import application

    environ = request.environ()
    started: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> Any:
        started.extend([int(status[:3]), dict(headers)])

    with environ["wsgi.input"], counting():
        answer: Any = application(environ, start_response)
        body = b"".join(answer)
        answer.close()
    assert started[0] < 300 or started[0] == 304, body
    return Answer(started[0], started[1], body)


class CallCounter:
    """Counts calls (`call` and `c_call`) by layer and module while it is the profiler.

    A call of a built-in function belongs to the module that calls it. The layers are the WSGI
    `server` side, the `middleware`, and the `view` with its routing and rendering.
    """

    def __init__(self) -> None:
        from django.core.handlers.base import BaseHandler

        self.calls: Counter[tuple[str, str]] = Counter()
        self._layers = ["server"]
        self._inner = {
            BaseHandler.get_response.__code__: "middleware",
            BaseHandler._get_response.__code__: "view",  # type: ignore[attr-defined]
        }

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        inner = self._inner.get(frame.f_code)
        if inner and event == "call":
            self._layers.append(inner)
        elif inner and event == "return":
            self._layers.pop()
        if event in ("call", "c_call"):
            self.calls[self._layers[-1], frame.f_globals.get("__name__", "?")] += 1

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count in the block; the last call of a generator and of `setprofile` count too."""
        gc.collect()
        gc.disable()
        sys.setprofile(self)
        try:
            yield
        finally:
            sys.setprofile(None)
            gc.enable()


def cost(request: HotRequest) -> dict[str, Any]:
    """Return the calls of a request by layer and module, its statements, and the bytes that it reads."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    for _ in range(WARM_UPS):
        _send(request)
    profiles, statements, bytes_read = [], [], []
    for _ in range(REPEATS):
        counter = CallCounter()
        _send(request, counter.counting)
        profiles.append(counter.calls)
        before = _bytes_read()
        with CaptureQueriesContext(connection) as captured:
            _send(request)
        bytes_read.append(_bytes_read() - before)
        statements.append([query["sql"][:200] for query in captured])
    calls = min(profiles, key=Counter.total)
    return {
        "calls": [[layer, module, number] for (layer, module), number in calls.most_common()],
        "statements": min(statements, key=len),
        "bytes_read": min(bytes_read),
    }


def _send(request: HotRequest, counting: Callable[[], Any] = suppress) -> None:
    """Send a request; the next one names the revision of the answer, as a page that polls does."""
    answer = send(request, counting)
    if etag := answer.headers.get("ETag"):
        request.headers["If-None-Match"] = etag


def _bytes_read() -> int:
    """Return the bytes that this process has read from files so far; 0 if the system does not say."""
    return int(_IO.read_text().split()[1]) if _IO.exists() else 0


def hot_requests() -> dict[str, HotRequest]:
    """Return the requests of the budgets, with the sessions, files and keys that they need."""
    from tests.helpers import pdf
    from tests.uploads_app.samples import FORM, form, part

    visitor, uploader = _visitor(), _visitor()
    uploads, sessions = f"{API}/uploads/", f"{API}/sessions/"
    body = form(part(pdf(size=FILE_BYTES)))
    stored = json.loads(send(HotRequest("POST", uploads, visitor, body, FORM)).body)
    known = json.dumps({"uuid": visitor["X-Session-UUID"]}).encode()
    return {
        "validate": HotRequest("POST", f"{sessions}validate/", body=known, content_type=_JSON),
        "current": HotRequest("GET", f"{sessions}current/", visitor),
        "list": HotRequest("GET", uploads, visitor),
        "revision": HotRequest("GET", f"{sessions}current/revision/", dict(visitor)),
        "create": HotRequest("POST", sessions, body=b"{}", content_type=_JSON),
        "upload": HotRequest("POST", uploads, uploader, body, FORM),
        "download": HotRequest("GET", f"{uploads}{stored['id']}/download/", visitor),
        "introspect": _introspection(visitor),
        **_polls(visitor),
    }


def _polls(visitor: dict[str, str]) -> dict[str, HotRequest]:
    """Return the polls of the pages that staff keep open."""
    from django.conf import settings
    from django.contrib.auth.models import Group, User
    from django.test import Client

    staff, _ = User.objects.get_or_create(username="hot", is_staff=True)
    staff.groups.add(Group.objects.get(name="Support"))
    client = Client()
    client.force_login(staff)
    name = settings.SESSION_COOKIE_NAME
    signed_in = {"Cookie": f"{name}={client.cookies[name].value}"}
    session = f"/admin/sessions_app/usersession/{visitor['X-Session-UUID']}/live/"
    return {
        "poll session": HotRequest("GET", session, dict(signed_in)),
        "poll dashboard": HotRequest("GET", "/admin/live/", dict(signed_in)),
        "poll attention": HotRequest("GET", "/admin/live/attention/", dict(signed_in)),
    }


def _visitor() -> dict[str, str]:
    """Create a session; return the headers that prove it."""
    answer = send(HotRequest("POST", f"{API}/sessions/", body=b"{}", content_type=_JSON))
    return {
        "Cookie": answer.headers["Set-Cookie"].partition(";")[0],
        "X-Session-UUID": json.loads(answer.body)["uuid"],
        "Sec-Fetch-Site": "same-origin",
    }


def _introspection(visitor: dict[str, str]) -> HotRequest:
    request = HotRequest("POST", f"{API}/sessions/current/assertion/", visitor)
    body = json.dumps({"assertion": json.loads(send(request).body)["assertion"]}).encode()
    secret = io.StringIO()
    call_command(
        "create_service_key", "hot", "--scope", "sessions", stdout=secret, stderr=io.StringIO()
    )
    key = {"Authorization": f"Bearer {secret.getvalue().strip()}"}
    return HotRequest("POST", f"{API}/service/sessions/introspect/", key, body, _JSON)


def main() -> None:
    django.setup()
    from maria_project.health.parts import is_migrated

    if not is_migrated():
        call_command("migrate", verbosity=0)
    assert logging.getLogger("maria_project.requests").isEnabledFor(logging.INFO)
    print(json.dumps({name: cost(request) for name, request in hot_requests().items()}))


if __name__ == "__main__":
    main()
