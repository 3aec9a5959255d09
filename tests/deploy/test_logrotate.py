"""logrotate keeps the logs of deploy/logrotate private, and every process writes on."""

import logging.handlers
import subprocess
from pathlib import Path

from tests.need import need

RULES = Path(__file__).resolve().parents[2] / "deploy" / "logrotate" / "maria"


def test_a_rotated_log_is_private_and_written_on(tmp_path: Path) -> None:
    program = need("logrotate", "logrotate")
    rules, log = tmp_path / "rules", tmp_path / "web.log"
    text = RULES.read_text().replace("/var/log/maria/", f"{tmp_path}/")
    # Without the account of the product, which this machine does not have.
    rules.write_text(text.replace("    su maria maria\n", "").replace("0600 maria maria", "0600"))
    # The handler of LOG_FILE.
    handler = logging.handlers.WatchedFileHandler(log)
    handler.emit(logging.makeLogRecord({"msg": "before"}))

    rotate = [program, "--force", "--state", str(tmp_path / "state"), str(rules)]
    done = subprocess.run(rotate, capture_output=True, text=True)

    handler.emit(logging.makeLogRecord({"msg": "after"}))
    handler.close()
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "web.log.1").read_text() == "before\n"
    assert log.read_text() == "after\n"
    assert log.stat().st_mode & 0o777 == 0o600
