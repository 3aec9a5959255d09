"""`python -m benchmarks.peer PLAN HOST PORT`: creates the peer's tables and serves it.

The plan has the options of the web server.
"""

import json
import sys
from pathlib import Path

import waitress
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application


def main(plan: Path, host: str, port: int) -> None:
    application = get_wsgi_application()
    call_command("migrate", run_syncdb=True, verbosity=0)
    waitress.serve(application, host=host, port=port, **json.loads(plan.read_text())["server"])


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
