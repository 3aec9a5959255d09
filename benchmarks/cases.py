"""The measured requests and their clients."""

from dataclasses import dataclass

JSON = "application/json"
API = "/api/v1"
FILE_BYTES = 5 * 1024 * 1024


@dataclass(frozen=True)
class BenchmarkCase:
    """One kind of request. `{upload}` in the path is a file of the visitor.

    `effect` is the work outside the database: `store` writes the uploaded file,
    `send` reads one. `limit` is the maximum number of requests in a round, for
    requests that use much disk space.
    """

    name: str
    method: str
    path: str
    body: bytes = b""
    content_type: str = ""
    proven: bool = True
    effect: str = ""
    limit: int = 100_000


@dataclass(frozen=True)
class Client:
    """A visitor of the load generator: one connection, one session, one stored file."""

    uuid: str
    token: str
    upload: str

    def head(self, case: BenchmarkCase) -> str:
        """Return the request line and headers."""
        lines = [
            f"{case.method} {case.path.format(upload=self.upload)} HTTP/1.1",
            "Host: localhost",
            "User-Agent: benchmark",
            f"X-Case: {case.name}",
        ]
        if case.proven:
            lines += [f"Cookie: maria_session={self.token}", f"X-Session-UUID: {self.uuid}"]
        if case.content_type:
            lines += [f"Content-Type: {case.content_type}", f"Content-Length: {len(case.body)}"]
        return "\r\n".join(lines) + "\r\n\r\n"


def cases(form: bytes, form_type: str) -> list[BenchmarkCase]:
    """Return every case. `form` is the body of the upload, which is last because it changes the list."""
    known = b'{"uuid":"11111111-1111-4111-8111-111111111111"}'
    uploads, sessions = f"{API}/uploads/", f"{API}/sessions/"
    return [
        BenchmarkCase("create", "POST", sessions, b"{}", JSON, proven=False),
        BenchmarkCase("validate", "POST", f"{sessions}validate/", known, JSON, proven=False),
        BenchmarkCase("current", "GET", f"{sessions}current/"),
        BenchmarkCase("list", "GET", uploads),
        BenchmarkCase("download 5 MiB", "GET", uploads + "{upload}/download/", effect="send"),
        BenchmarkCase("upload 5 MiB", "POST", uploads, form, form_type, effect="store", limit=30),
    ]
