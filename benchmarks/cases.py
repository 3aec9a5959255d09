"""The measured requests, and who sends them."""

import json
from dataclasses import dataclass

JSON = "application/json"
API = "/api/v1"
FILE_BYTES = 5 * 1024 * 1024
_UPLOADS, _SESSIONS = f"{API}/uploads/", f"{API}/sessions/"
_KNOWN = b'{"uuid":"11111111-1111-4111-8111-111111111111"}'


@dataclass(frozen=True)
class BenchmarkCase:
    """One kind of request. `{upload}` in the path is a file of the visitor.

    Every good answer `contains` this text. `effect` is the work outside the database:
    `store` writes the uploaded file, `send` reads one. `limit` is the maximum number of
    requests in a turn, for requests that use much disk space.
    """

    name: str
    method: str
    path: str
    contains: str = ""
    sender: str = "anyone"  # or "visitor", "service"
    body: bytes = b""
    effect: str = ""
    limit: int = 100_000


# The upload is last because it changes the list.
CASES = (
    BenchmarkCase("validate", "POST", f"{_SESSIONS}validate/", "well_formed", body=_KNOWN),
    BenchmarkCase("current", "GET", f"{_SESSIONS}current/", '"used"', "visitor"),
    BenchmarkCase("list", "GET", _UPLOADS, '"sha256"', "visitor"),
    BenchmarkCase("create", "POST", _SESSIONS, '"support_code"', body=b"{}"),
    BenchmarkCase(
        "introspect", "POST", f"{API}/service/sessions/introspect/", '"identity"', "service"
    ),
    BenchmarkCase(
        "download 5 MiB", "GET", _UPLOADS + "{upload}/download/", sender="visitor", effect="send"
    ),
    BenchmarkCase(
        "upload 5 MiB", "POST", _UPLOADS, '"sha256"', "visitor", effect="store", limit=30
    ),
)


@dataclass(frozen=True)
class Form:
    """The body of the upload, and its content type."""

    body: bytes
    content_type: str


@dataclass(frozen=True)
class Client:
    """A visitor with one session and one file, or the service that a visitor gave an assertion."""

    uuid: str
    cookie: str
    upload: str
    service_key: str = ""
    assertion: str = ""

    def path(self, case: BenchmarkCase) -> str:
        return case.path.format(upload=self.upload)

    def body(self, case: BenchmarkCase, form: Form) -> tuple[bytes, str]:
        """Return the body and its content type."""
        if case.effect == "store":
            return form.body, form.content_type
        if case.sender == "service":
            return json.dumps({"assertion": self.assertion}).encode(), JSON
        return case.body, JSON if case.body else ""

    def headers(self, case: BenchmarkCase) -> dict[str, str]:
        """Return the headers without those of the body. `X-Case` is for the bare program."""
        proof = {
            "anyone": {},
            "visitor": {"Cookie": self.cookie, "X-Session-UUID": self.uuid},
            "service": {"Authorization": f"Bearer {self.service_key}"},
        }[case.sender]
        shared = {"User-Agent": "benchmark", "Accept": JSON, "X-Case": f"{case.name} {self.uuid}"}
        return {**shared, **proof}


def head(method: str, path: str, headers: dict[str, str]) -> str:
    """Return the request line and headers of a request to this machine."""
    lines = [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", *lines, "", ""])
