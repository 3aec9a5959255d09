"""A deployment of ten hosts: proxy, web, workers, PostgreSQL with a standby, Redis, S3 and mail."""

import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import requests

from tests import nginx, redis_server, s3_server
from tests.cluster import mail, programs
from tests.cluster.hosts import NETWORK, Host, Network, write_names
from tests.cluster.postgres_pair import PostgresPair
from tests.cluster.programs import NAME

PORT, REDIRECT_PORT = 8443, 8080
ADMINISTRATOR = "operator@maria.example"
READY_SECONDS = 400
# The last number of each host's address, and the size of its disk in MiB.
_HOSTS = {
    "proxy": (10, 64),
    "web1": (11, 64),
    "web2": (12, 64),
    "worker1": (21, 64),
    "worker2": (22, 64),
    "postgres1": (31, 512),
    "postgres2": (32, 512),
    "redis": (41, 16),
    "s3": (51, 1024),
    "mail": (61, 16),
}


class Cluster:
    """The hosts, and what runs on them once it was started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = ExitStack()
        network = Network()
        self.hosts = {
            name: network.host(name, number, folder / name, size)
            for name, (number, size) in _HOSTS.items()
        }
        addresses = {name: host.address for name, host in self.hosts.items()}
        write_names({**addresses, NAME: self.hosts["proxy"].address}, folder)
        self.certificate, self._key = nginx.self_signed(folder, NAME)
        self.database = PostgresPair(self.hosts["postgres1"], self.hosts["postgres2"])
        redis = self.hosts["redis"]
        self.redis = redis_server.RedisServer(str(redis.folder), 6379, redis.address)
        self.s3 = _s3(self.hosts["s3"])
        self.staff_password = secrets.token_urlsafe(12)

    @property
    def url(self) -> str:
        """The PUBLIC_URL."""
        return f"https://{NAME}:{PORT}"

    @property
    def web_hosts(self) -> list[Host]:
        """The hosts with a web server."""
        return [web.host for web in self.web]

    def start(self) -> None:
        """Start everything and wait until all web hosts can serve."""
        self.mailbox = mail.serve(self.hosts["mail"])
        together(self.database.create, self.start_redis, self.start_s3)
        self.bucket = self.s3.make("maria")
        self.settings = self._settings()
        programs.migrate(self.hosts["web1"], self.settings, "--verbosity", "0")
        self.web = [programs.web(self.hosts[name], self.settings) for name in ("web1", "web2")]
        self.workers = [
            programs.worker(self.hosts[name], self.settings) for name in ("worker1", "worker2")
        ]
        self.start_proxy()
        # The first one creates the first staff user.
        for program in (*self.web, *self.workers):
            program.start()
        self.wait_until_ready()

    def start_proxy(self) -> None:
        """Start nginx on its host."""
        host = self.hosts["proxy"]
        folder = host.folder / f"nginx-{time.monotonic_ns()}"
        with host:
            self._stack.enter_context(nginx.running(folder, [self._site()]))

    def start_redis(self) -> None:
        """Start Redis on its host."""
        with self.hosts["redis"]:
            self.redis.start()

    def start_s3(self) -> None:
        """Start the object store on its host."""
        with self.hosts["s3"]:
            self.s3.start()

    def wait_until_ready(self) -> None:
        """Wait until every web host can serve, and the proxy reaches one."""
        for host in self.web_hosts:
            wait_for(partial(programs.is_ready, host), f"{host.name}, see {host.log}")
        wait_for(self._answers, "the proxy")

    def _answers(self) -> bool:
        try:
            return requests.get(
                f"{self.url}/health/live", verify=str(self.certificate), timeout=5
            ).ok
        except requests.RequestException:
            return False

    def _site(self) -> str:
        """Return the site of deploy/ with the names, addresses and ports of this cluster."""
        end = "max_fails=1 fail_timeout=10s;"
        servers = [f"server {host.address}:{programs.WEB_PORT} {end}" for host in self.web_hosts]
        return nginx.edited(
            {
                f"server 127.0.0.1:8000 {end}": "\n".join(servers),
                "https://maria.example.com": self.url,
                "server_name maria.example.com;": f"server_name {NAME};",
                "/etc/maria/tls/fullchain.pem": str(self.certificate),
                "/etc/maria/tls/privkey.pem": str(self._key),
                "]:80;": f"]:{REDIRECT_PORT};",
                "listen 80;": f"listen {REDIRECT_PORT};",
                "]:443 ": f"]:{PORT} ",
                "listen 443 ": f"listen {PORT} ",
            }
        )

    def _settings(self) -> dict[str, str]:
        return {
            "PUBLIC_URL": self.url,
            "TRUSTED_PROXIES": "1",
            "SECRET_KEY": secrets.token_urlsafe(48),
            "DATABASE_URL": self.database.url,
            "CACHE_URL": f"{self.redis.url}/0",
            "STORAGE_URL": self.bucket.url,
            "EMAIL_URL": f"smtp://{self.hosts['mail'].address}:{mail.PORT}",
            "ALERT_EMAILS": ADMINISTRATOR,
            "STAFF_USERNAME": "maria",
            "STAFF_PASSWORD": self.staff_password,
            # All visitors of a rehearsal have one address.
            "RATE_LIMIT_TRUSTED_NETWORKS": f"{NETWORK}.0/24",
            "RATE_LIMIT_TRUSTED_FACTOR": "1000",
        }


def together(*jobs: Callable[[], None]) -> None:
    """Run jobs at the same time; raise the first error."""
    with ThreadPoolExecutor(len(jobs)) as pool:
        for done in [pool.submit(job) for job in jobs]:
            done.result()


def wait_for(condition: Callable[[], object], what: str, seconds: float = READY_SECONDS) -> None:
    """Wait until a condition is true; RuntimeError after so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.2)


def _s3(host: Host) -> s3_server.S3Server:
    program = s3_server.find_program()
    if program is None:
        raise RuntimeError(f"SeaweedFS is missing: {s3_server.INSTALL_HINT}")
    with host:
        return s3_server.S3Server(program, host.folder, host.address)
