"""Each command of docs/cluster.md exists and parses. tests/deploy/test_rehearsal.py runs them."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

from django.core.management import get_commands, load_command_class

from tests import units
from tests.deploy.page import PAGE, blocks
from tests.maria_project.pages import ROOT, table_rows

# Programs that a host of the page has, but perhaps not the machine of the tests.
ELSEWHERE = {"maria-manage", "scp", "certbot", "adduser", "apt-get", "nginx", "runuser"}
SERVICES_OF_DEBIAN = {"postgresql", "redis-server", "nginx"}
_HEREDOC = re.compile(r"<<'?END'?\n.*?^END$", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(
    r"(?:^ *|\| |&& |\$\(|runuser -u \w+ -- )([\w./-]+)(?=[ \n)]|$)", re.MULTILINE
)
_KEYWORDS = {"for", "do", "done"}


def scripts() -> list[str]:
    """Return each block without the files that it writes."""
    return [_HEREDOC.sub("", block.script) for block in blocks()]


def test_every_block_is_a_script() -> None:
    for block in blocks():
        done = subprocess.run(["sh", "-n"], input=block.script, text=True, capture_output=True)
        assert (done.returncode, done.stderr) == (0, ""), block.script


def test_every_program_exists() -> None:
    named = {name for script in scripts() for name in _COMMAND.findall(script)} - _KEYWORDS
    ours = {name for name in named if name.startswith(".venv/")}
    assert named - ours > {"openssl", "systemctl", "maria-manage"}
    builtins = {"cd", "echo", "umask"}
    missing = {name for name in named - ours - builtins - ELSEWHERE if not shutil.which(name)}
    assert missing == set()


def test_every_command_of_the_product_parses() -> None:
    lines = [line for script in scripts() for line in re.findall(r"maria-manage (.*)", script)]
    assert lines
    for name, *arguments in map(shlex.split, lines):
        if not name.startswith("/"):
            command = load_command_class(get_commands()[name], name)
            command.create_parser("manage.py", name).parse_args(arguments)


def test_every_unit_and_every_file_of_the_release_exists() -> None:
    text = "\n".join(scripts())
    named = set(re.findall(r"systemctl \w+ (?:--now )?([\w-]+)", text)) - {"daemon-reload"}
    ours = {f"maria-{name}" for name in ("web", "worker", "migrate")}
    assert named - SERVICES_OF_DEBIAN == ours
    assert all((units.FOLDER / f"{name}.service").exists() for name in ours)
    files = re.findall(r"/opt/maria/([\w./-]+)", text)
    assert len(files) >= 3
    assert [name for name in files if not (ROOT / name).exists()] == []


def test_every_host_is_in_the_table() -> None:
    rows = table_rows("docs/cluster.md", "host", "runs")
    known = {name for row in rows for name in re.findall(r"`(\w+)`", row[0])}
    assert {host for block in blocks() for host in block.hosts} == known


def test_every_setting_is_documented_and_its_file_is_made() -> None:
    (settings,) = re.findall(r"maria\.env <<'END'\n(.*?)^END$", PAGE.read_text(), re.M | re.S)
    pairs = dict(line.split("=", 1) for line in settings.splitlines())
    documented = (ROOT / "docs" / "settings.md").read_text()
    assert [name for name in pairs if f"`{name}`" not in documented] == []
    made = set(re.findall(r" > (\w+)$", "\n".join(scripts()), re.MULTILINE))
    files = {Path(value).name for name, value in pairs.items() if name.endswith("_FILE")}
    assert files <= made
