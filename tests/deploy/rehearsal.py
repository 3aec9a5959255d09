"""Runs the commands of docs/cluster.md in fresh hosts; see test_rehearsal.py.

python -m tests.deploy.rehearsal FOLDER BASE: in namespaces of its own, with the folder of all hosts.
"""

import subprocess
import sys
import time
from pathlib import Path

import requests

from tests import s3_server
from tests.cluster.cluster import wait_for
from tests.cluster.hosts import Host, Network, write_names
from tests.cluster.inside import run
from tests.deploy.fresh_hosts import ROOT, connect, make_root, run_in
from tests.deploy.page import blocks

NAME = "maria.example.com"
NUMBERS = {"db1": 31, "cache1": 41, "web1": 11, "web2": 12, "worker1": 21, "proxy1": 10, "s3": 51}
DISK_MIB = 2048
SECONDS = 360
RENEW = """
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 -subj /CN=maria.example.com \\
    -addext subjectAltName=DNS:maria.example.com -keyout /etc/maria/tls/privkey.pem -out /etc/maria/tls/fullchain.pem
systemctl reload nginx
"""


class Rehearsal:
    """The hosts of the page."""

    def __init__(self, folder: Path, base: Path) -> None:
        network = Network()
        self.hosts = {
            name: network.host(name, number, folder / name, DISK_MIB)
            for name, number in NUMBERS.items()
        }
        addresses = {name: host.address for name, host in self.hosts.items()}
        write_names({**addresses, NAME: addresses["proxy1"]}, folder)
        self.store = self._start_store().make("maria-files").url
        self.roots = {
            name: make_root(host, base) for name, host in self.hosts.items() if name != "s3"
        }
        connect(self.roots.values())
        self.certificate = self.roots["proxy1"] / "etc/maria/tls/fullchain.pem"

    def run_page(self) -> None:
        """Run every block of the page in order, with the bucket of this rehearsal."""
        example = "s3://KEY:SECRET@maria-files?endpoint_url=https://s3.example.com"
        for block in blocks():
            if block.is_run and block.section != "Packages":
                for name in block.hosts:
                    print(f"{block.section}, on {name}", flush=True)
                    with self.hosts[name]:
                        run_in(self.roots[name], block.script.replace(example, self.store))

    def use(self) -> None:
        """Create a session, upload a file and download it, through the proxy."""
        api = f"https://{NAME}/api/v1"
        with requests.Session() as visitor:
            visitor.verify = str(self.certificate)
            visitor.trust_env = False  # it may name other certificates
            session = visitor.post(f"{api}/sessions/", json={}, timeout=30)
            session.raise_for_status()
            named = {"X-Session-UUID": session.json()["uuid"]}
            body = (ROOT / "docs/images/sample.pdf").read_bytes()
            files = {"file": ("a.pdf", body)}
            upload = visitor.post(f"{api}/uploads/", files=files, headers=named, timeout=30)
            upload.raise_for_status()
            url = f"{api}/uploads/{upload.json()['id']}/download/"
            assert visitor.get(url, timeout=30).content == body

    def _start_store(self) -> s3_server.S3Server:
        program, host = s3_server.find_program(), self.hosts["s3"]
        if program is None:
            raise RuntimeError(f"SeaweedFS is missing: {s3_server.INSTALL_HINT}")
        with host:
            store = s3_server.S3Server(program, host.folder, host.address)
            store.start()
        return store


def main(folder: Path, base: Path) -> int:
    """Rehearse the page; return 1 if a promise of it is broken."""
    rehearsal = Rehearsal(folder, base)
    begun = time.monotonic()
    rehearsal.run_page()
    wait_for(lambda: _parts(rehearsal).get("queue") == "ok", "a worker")
    rehearsal.use()
    seconds = time.monotonic() - begun
    print(f"A good request through the proxy after {seconds:.0f} s", flush=True)
    print(f"Health: {_parts(rehearsal)}", flush=True)
    _count_connections(rehearsal)
    _renew(rehearsal)
    _stop(rehearsal.hosts["web1"], rehearsal)
    return int(seconds > SECONDS)


def _parts(rehearsal: Rehearsal) -> dict[str, str]:
    url = f"https://{NAME}/health/ready"
    try:
        answer = requests.get(url, verify=str(rehearsal.certificate), timeout=10)
    except requests.RequestException:
        return {}
    parts: dict[str, str] = answer.json()["parts"] if answer.ok else {}
    return parts


def _count_connections(rehearsal: Rehearsal) -> None:
    statement = "SELECT client_addr, count(*) FROM pg_stat_activity WHERE usename = 'maria_1' GROUP BY 1 ORDER BY 1"
    with rehearsal.hosts["db1"]:
        print(
            run_in(rehearsal.roots["db1"], f'runuser -u postgres -- psql -Atc "{statement}" maria')
        )


def _renew(rehearsal: Rehearsal) -> None:
    """Replace the certificate of the proxy while visitors use it."""
    before = rehearsal.certificate.read_text()
    with rehearsal.hosts["proxy1"]:
        run_in(rehearsal.roots["proxy1"], RENEW)
    assert rehearsal.certificate.read_text() != before
    # nginx answers with the old certificate until its new processes run.
    wait_for(lambda: bool(_parts(rehearsal)), "the new certificate", 30)
    rehearsal.use()


def _stop(host: Host, rehearsal: Rehearsal) -> None:
    """Kill a web host: the other one answers every request that can be repeated."""
    host.kill()
    for _ in range(10):
        requests.get(
            f"https://{NAME}/health/live", verify=str(rehearsal.certificate), timeout=30
        ).raise_for_status()


if __name__ == "__main__":
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    run(lambda: main(Path(sys.argv[1]), Path(sys.argv[2])))
