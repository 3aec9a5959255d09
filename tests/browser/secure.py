"""The product in production behind a TLS proxy, which `__Host-` cookies need."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.browser.site import Site, serving
from tests.nginx import ProxyHop, directives, running, self_signed
from tests.ports import free_port

HOST = "maria.example"


@dataclass(frozen=True)
class SecureHop(ProxyHop):
    """A TLS proxy with this certificate and key."""

    certificate: Path
    key: Path

    def __str__(self) -> str:
        return f"""
        server {{
            listen 127.0.0.1:{self.port} ssl;
            ssl_certificate {self.certificate};
            ssl_certificate_key {self.key};
            location / {{
                proxy_pass http://127.0.0.1:{self.upstream};
                {self.directives}
            }}
        }}"""


@contextmanager
def secure_site(folder: Path) -> Iterator[Site]:
    """Run the product as `https://maria.example:…`.

    The same proxy answers for every sibling, like `evil.maria.example`.
    """
    certificate, key = self_signed(folder, HOST)
    port = free_port()
    with serving(
        folder / "data", PUBLIC_URL=f"https://{HOST}:{port}", SECRET_KEY="x" * 50, TRUSTED_PROXIES="1",
        ALLOWED_HOSTS=f"localhost,.{HOST}",
    ) as site:  # fmt: skip
        hop = SecureHop(site.port, directives(), port, certificate, key)
        with running(folder / "nginx", [hop]):
            yield site
