"""The commands of docs/cluster.md lead from fresh hosts to a good request through the proxy.

The hosts have two stand-ins: for systemctl, because systemd cannot run in them, and for scp. The
store is SeaweedFS.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.test_namespaces import need_namespaces
from tests.deploy.fresh_hosts import ROOT, make_base
from tests.deploy.page import blocks
from tests.helpers import SOAK
from tests.need import need


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.skipif(not SOAK, reason="make soak")
def test_the_page_leads_to_a_good_request(tmp_path: Path) -> None:
    need_namespaces()
    need("debootstrap", "debootstrap")
    if os.geteuid() != 0:
        pytest.skip("debootstrap needs root")
    base, folder = tmp_path / "base", tmp_path / "hosts"
    folder.mkdir()
    make_base(base, [block for block in blocks() if block.section == "Packages"])
    arguments = [str(folder), str(base)]
    script = f"sys.exit(namespaces.run('tests.deploy.rehearsal', {arguments}))"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; from tests.cluster import namespaces; {script}"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    print(done.stdout)
    assert done.returncode == 0, done.stdout[-3000:]
