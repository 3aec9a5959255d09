"""Inspect a PDF: a program with the file on stdin and one line of JSON on stdout.

    python -I program.py MEMORY_BYTES CPU_SECONDS < file
    {"verdict": "suspect", "suspicions": ["javascript"]}

Untrusted bytes are parsed here and nowhere else. Before it reads them, this
process limits its memory and time and gives up the right to open or write
files. Of this project it imports pdf.py and what that needs, which know no
settings and no secrets. uploads_app/inspection/sandbox.py runs it.
"""

import codecs
import json
import resource
import sys
from pathlib import Path

# Exit code: the inspection could not start, which says nothing about the file.
NOT_BEGUN = 75


def confine(memory: int, seconds: int) -> None:
    """Limit this process and its children, irrevocably, to what reading one file needs.

    Without new descriptors, a parser that was taken over can open no file and no
    socket. Open descriptors stay.
    """
    limits = {
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_NOFILE: 0,
    }
    for limit, value in limits.items():
        resource.setrlimit(limit, (value, value))


def main() -> int:
    """Print the verdict on the PDF on stdin."""
    try:
        memory, seconds = (int(text) for text in sys.argv[1:])
        sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # -I leaves it out
        # Imported now, because files cannot be opened later.
        from uploads_app.inspection.pdf import judge

        for encoding in ("ascii", "latin-1", "utf-8", "utf-16", "utf-16-be", "utf-16-le"):
            codecs.lookup(encoding)
        confine(memory, seconds)
    except (ImportError, ValueError, OSError):
        return NOT_BEGUN
    print(json.dumps(judge(sys.stdin.buffer.read())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
