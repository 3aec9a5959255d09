"""Programs that hosts of a rehearsal have instead of those that cannot run there."""

from pathlib import Path

FOLDER = Path(__file__).resolve().parent
