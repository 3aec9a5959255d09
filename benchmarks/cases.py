"""The requests that are measured, and who sends them."""

from dataclasses import dataclass

JSON = "application/json"
API = "/api/v1"
FILE_BYTES = 5 * 1024 * 1024


@dataclass(frozen=True)
class BenchmarkCase:
    """One kind of request. `{upload}` in the path is a file of the visitor who asks.

    `effect` is what happens beside the database: `store` writes the file that
    arrived, `send` reads one. `limit` ends a round early where each request
    leaves much behind.
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
    """A visitor as the load generator plays them: one connection, one session, one stored file."""

    uuid: str
    token: str
    upload: str

    def head(self, case: BenchmarkCase) -> str:
        """Return the head of this visitor's request."""
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
    """Return every case; `form` is the multipart body of the upload, which comes last: it changes the others."""
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
