"""The connection to a bucket: its clients, its deadlines, and a circuit breaker."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from botocore.config import Config
from storages.backends.s3 import S3Storage

from common.breaker import CircuitBreaker
from uploads_app.storage.s3_requests import BOUNDED, BRIEF, StoreAway, pages, translated


class S3Connection(S3Storage):  # type: ignore[misc]  # django-storages has no types
    """django-storages' settings and credentials, with clients of our own."""

    def get_default_settings(self) -> dict[str, Any]:
        defaults: dict[str, Any] = super().get_default_settings()
        return defaults | {
            "client_config": BOUNDED,
            "file_overwrite": False,
            "public_endpoint_url": None,
        }

    @cached_property
    def client(self) -> Any:
        """One client for all threads: creating one takes longer than most requests."""
        return self._client(self.endpoint_url, self.client_config)

    @cached_property
    def public_client(self) -> Any:
        """A client that only signs, for the address that browsers use."""
        endpoint = self.public_endpoint_url or self.endpoint_url
        # On AWS use the address of the region: the global one redirects at first.
        style = {"addressing_style": "path" if endpoint else "virtual"}
        return self._client(endpoint, self.client_config.merge(Config(s3=style)))

    def check(self) -> None:
        try:
            with translated(self.bucket_name):
                self._brief_client.head_bucket(Bucket=self.bucket_name)
        except StoreAway as error:
            self._breaker.failed(error)
            raise
        self._breaker.works()

    @contextmanager
    def requesting(self, what: str) -> Iterator[None]:
        """Send a request, unless the store is known not to answer; raises OSError as `translated`."""
        if not self._breaker.lets_through(self._answers):
            raise StoreAway(f"{what}: the store has not answered lately")
        try:
            with translated(what):
                yield
        except StoreAway as error:
            self._breaker.failed(error)
            raise

    def pages(self, operation: str, **parameters: str) -> Iterator[dict[str, Any]]:
        """Yield every page of a listing; raises ListingIncomplete."""

        def request(**page: str) -> Any:
            with self.requesting(operation):
                return getattr(self.client, operation)(**page)

        return pages(request, operation, Bucket=self.bucket_name, **parameters)

    @cached_property
    def _brief_client(self) -> Any:
        return self._client(self.endpoint_url, self.client_config.merge(BRIEF))

    def _client(self, endpoint: str | None, config: Config) -> Any:
        return self._create_session().client(
            "s3",
            region_name=self.region_name,
            endpoint_url=endpoint,
            config=config,
            verify=self.verify,
        )

    @cached_property
    def _breaker(self) -> CircuitBreaker:
        """Opens if the store does not answer. Then one caller at a time asks, and the others fail."""
        return CircuitBreaker(f"The store (bucket {self.bucket_name})", seconds=0)

    def _answers(self) -> bool:
        try:
            self.check()
        except OSError as error:
            return not isinstance(error, StoreAway)  # a refusal is an answer
        return True
