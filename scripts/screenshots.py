"""Takes pictures of the demo page in each of its states, on its own server: `make screenshots`.

Every state is also checked with axe. Violations, errors of the page and requests to other hosts are
printed and make the run fail. Three pictures go into `docs/images`.
"""

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from playwright.sync_api import Browser, Error, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from scripts.demo_states import STATES  # noqa: E402

AXE = ROOT / "frontend/node_modules/axe-core/axe.min.js"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
]
SIZES = {"phone": (390, 844), "desktop": (1280, 800)}
SCHEMES = ("light", "dark")
# For the README: picture, state, size, scheme.
CHOSEN = (
    ("phone light reset", "demo-reset.png"),
    ("desktop light files", "demo-files.png"),
    ("phone dark uploading", "demo-uploading.png"),
)


@contextmanager
def server(folder: Path, **settings: str) -> Iterator[str]:
    """Run the product on a free port with its own data; yield its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = {
        **os.environ,
        "PORT": str(port),
        "DATA_DIR": str(folder / "data"),
        "RATE_LIMIT_CREATE": "1000/m",
        "RATE_LIMIT_EMAIL": "1000/h",
        "RATE_LIMIT_RECOVER": "1000/h",
        **settings,
    }
    log = folder / "run.log"
    with log.open("wb") as out:
        child = subprocess.Popen([ROOT / "run"], env=env, stdout=out, stderr=out)
    address = f"http://localhost:{port}/"
    try:
        while not answers(address):
            if child.poll() is not None:
                sys.exit(f"./run ended:\n{log.read_text()}")
            time.sleep(0.2)
        yield address
    finally:
        child.terminate()
        child.wait()


def answers(address: str) -> bool:
    try:
        with urlopen(f"{address}health/ready", timeout=5) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def picture(browser: Browser, address: str, path: Path) -> list[str]:
    """Take the picture that the path names; return the problems of the page."""
    size, scheme, state = path.stem.split()
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        device_scale_factor=1.5 if size == "phone" else 1,
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
        has_touch=size == "phone",
    )
    wrong: list[str] = []
    page = context.new_page()
    page.set_default_timeout(30_000)  # The machine may be busy.
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "console",
        lambda line: wrong.append(line.text) if "Content Security Policy" in line.text else None,
    )
    page.on(
        "request",
        lambda request: None if request.url.startswith(address) else wrong.append(request.url),
    )
    page.goto(address)
    try:
        STATES[state](page)
    except Error as error:
        wrong.append(f"state not reached: {error.message.splitlines()[0]}")
    page.screenshot(path=path)
    page.screenshot(path=path.with_stem(f"{path.stem} whole"), full_page=True)
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run().then(({violations}) => violations)")
    wrong += [f"{rule['id']}: {node['html']}" for rule in found for node in rule["nodes"]]
    sideways = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    if sideways > 0:
        wrong.append(f"wider than the window by {sideways} px")
    context.close()
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("states", nargs="*", help="only these states: " + " ".join(STATES))
    parser.add_argument("--folder", type=Path, help="save all pictures in this folder")
    parser.add_argument("--address", help="use this running server")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        if options.address:
            is_fine = take(options.address, options.states or list(STATES), folder)
        else:
            with server(Path(scratch)) as address:
                is_fine = take(address, options.states or list(STATES), folder)
        for name, wanted in CHOSEN:
            if (folder / f"{name}.png").exists():
                shutil.copy(folder / f"{name}.png", ROOT / "docs/images" / wanted)
    sys.exit(not is_fine)


def take(address: str, states: list[str], folder: Path) -> bool:
    """Take all pictures; return whether no page has a problem."""
    is_fine = True
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        for state in states:
            for size in SIZES:
                for scheme in SCHEMES:
                    name = f"{size} {scheme} {state}"
                    wrong = picture(browser, address, folder / f"{name}.png")
                    is_fine = is_fine and not wrong
                    print(name, *wrong, sep="\n    ", flush=True)
        browser.close()
    return is_fine


if __name__ == "__main__":
    main()
