"""Nothing that runs in the namespaces outlives the script, whether it is asked to end or killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster import namespaces
from tests.maria_project.server import ROOT, wait_for
from tests.need import missing
from tests.watchdog import leftovers

# `tokenize` reads its standard input until that ends.
SCRIPT = "from tests.cluster import namespaces; namespaces.run('tokenize', [])"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_nothing_outlives_the_script(tmp_path: Path, number: signal.Signals) -> None:
    need_namespaces()
    # Every process of the script has the folder in its environment, and can be found by it.
    script = subprocess.Popen(
        [sys.executable, "-c", SCRIPT], cwd=ROOT, env={**os.environ, "FOLDER": str(tmp_path)}
    )
    wait_for(
        lambda: len(list(leftovers(tmp_path))) >= 3, what="the script, unshare, and the module"
    )

    script.send_signal(number)

    wait_for(lambda: not list(leftovers(tmp_path)), 10, "the end of all processes")


def need_namespaces() -> None:
    """Skip the test where the cluster cannot run; fail it in CI."""
    if namespaces.missing_programs():
        missing(namespaces.INSTALL_HINT)
    if not namespaces.are_allowed():
        missing(namespaces.NOT_ALLOWED)
