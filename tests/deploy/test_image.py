"""The image of deploy/Dockerfile is built, and its web processes and worker run without any right."""

import os
from pathlib import Path

import pytest
import requests

from tests.deploy.image import Image
from tests.helpers import SOAK
from tests.maria_project.server import wait_for
from tests.need import need
from tests.ports import free_port


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.skipif(not SOAK, reason="make soak")
def test_web_and_worker_run_from_a_read_only_image(tmp_path: Path) -> None:
    for program, package in (
        ("buildah", "buildah"),
        ("debootstrap", "debootstrap"),
        ("bwrap", "bubblewrap"),
    ):
        need(program, package)
    if os.geteuid() != 0:
        pytest.skip("debootstrap needs root")
    image, data = Image(tmp_path), tmp_path / "data"
    data.mkdir()
    image.build()
    print(f"The image adds {image.megabytes()} MB to its base.")
    settings = {"PORT": str(free_port()), "SECRET_KEY": "x" * 50}
    url = f"http://localhost:{settings['PORT']}"

    def parts() -> dict[str, str]:
        try:
            answer: dict[str, dict[str, str]] = requests.get(
                f"{url}/health/ready", timeout=10
            ).json()
        except requests.RequestException:
            return {}
        return answer["parts"]

    with image.running(data, settings, image.command("migrate")) as migrate:
        assert migrate.wait(300) == 0
    with (
        image.running(data, settings, image.command()),
        image.running(data, settings, image.command("qcluster")),
    ):
        wait_for(lambda: parts().get("queue") == "ok", 300, "the worker")
        assert parts()["spool"] == parts()["storage"] == "ok"
        assert requests.post(f"{url}/api/v1/sessions/", json={}, timeout=30).status_code == 201
        with image.running(data, settings, image.health_check()) as check:
            assert check.wait(60) == 0
    with image.running(data, settings, image.health_check()) as check:
        assert check.wait(60) != 0  # nothing serves any more
