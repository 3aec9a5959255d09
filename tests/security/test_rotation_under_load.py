"""Repeated rotations during uploads: no request is refused."""

import sys
import threading
from pathlib import Path

import pytest
import requests

from sessions_app.services.tokens import OVERLAP
from tests.carriers import CARRIERS, CURRENT, Carrier, Holder, age_retired, begin
from tests.helpers import SOAK, at_once, events, pdf
from tests.maria_project.server import answers, environment, process, test_database, wait_for
from tests.ports import free_port
from tests.uploads_app.samples import PLENTY, UPLOADS
from tests.uploads_app.server import WAITRESS
from uploads_app.models import UploadedFile

pytestmark = [pytest.mark.both, pytest.mark.slow]

PARALLEL = 50
RENEWALS = 20 if SOAK else 5


class TokenHolder:
    """A client that remembers the token it received last, in a cookie jar or as a bearer."""

    def __init__(self, holder: Holder, base: str) -> None:
        self.holder, self.base = holder, base

    def upload(self, number: int) -> int:
        """Upload one file with the present token; return the status."""
        content = {"file": (f"{number}.pdf", pdf(f"file {number}"))}
        answer = requests.post(
            self.base + UPLOADS, files=content, headers=self.holder.headers, timeout=60
        )
        return answer.status_code

    def renew(self, number: int) -> int:
        """Set a name and use the token of the answer from now on; return the status."""
        answer = requests.patch(
            self.base + CURRENT, json={"name": f"Ada {number}"}, headers=self.holder.headers, timeout=60
        )  # fmt: skip
        carrier, uuid = self.holder.carrier, self.holder.uuid
        given = answer.json().get("token") or answer.cookies.get("maria_session")
        assert given, answer.text
        self.holder = Holder(uuid, given, carrier)
        return answer.status_code


@pytest.mark.parametrize("carrier", CARRIERS if SOAK else CARRIERS[:1])
def test_t16_rotation_under_load(committed: None, tmp_path: Path, carrier: Carrier) -> None:
    """All within the 30 s for which the tokens before are good: a generous bound for such a server."""
    port = free_port()
    limits = {f"RATE_LIMIT_{name.upper()}": rates[0] for name, rates in PLENTY.items()}
    env = environment(tmp_path, **test_database(), **limits, UPLOAD_MAX_FILES="100")
    first = begin(carrier)
    jar = TokenHolder(first, f"http://127.0.0.1:{port}")
    renewed: list[int] = []

    with process([sys.executable, *WAITRESS, str(port)], env, tmp_path / "log"):
        wait_for(lambda: answers(f"{jar.base}/health/live"), what="the server")
        renewals = threading.Thread(
            target=lambda: renewed.extend(jar.renew(number) for number in range(RENEWALS))
        )
        renewals.start()
        uploads = at_once(PARALLEL, jar.upload)
        renewals.join()

    assert renewed == [200] * RENEWALS
    assert uploads == [201] * PARALLEL
    assert (
        UploadedFile.objects.filter(session__uuid=first.uuid, status="stored").count() == PARALLEL
    )
    assert events(first.uuid).count("session.token_rotated") == RENEWALS
    assert events(first.uuid).count("upload.stored") == PARALLEL
    assert "session.refused" not in events()
    assert jar.holder.current().status_code == 200
    age_retired(first.row, OVERLAP)
    assert first.current().status_code == 401
    assert jar.holder.current().status_code == 200
