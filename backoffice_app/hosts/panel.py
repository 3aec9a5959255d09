"""The part of the dashboard that shows the hosts."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from backoffice_app.hosts.differences import Difference, differences, reports
from backoffice_app.models import ProcessReport


@dataclass(frozen=True)
class HostRow:
    """A row of the table of hosts."""

    name: str
    processes: str
    versions: str
    clock: str
    differs: bool


def build_panel() -> dict[str, Any]:
    """Return the context of `backoffice/hosts/panel.html`."""
    found = reports()
    compared = differences(found)
    rows = [
        _row(host, list(group), compared)
        for host, group in groupby(found, key=lambda report: report.host)
    ]
    return {"rows": rows, "differences": compared}


def _row(host: str, group: Sequence[ProcessReport], compared: Sequence[Difference]) -> HostRow:
    kinds = Counter(report.kind for report in group)
    offset = max((report.clock_offset for report in group), key=abs)
    return HostRow(
        name=host,
        processes=", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items())),
        versions=", ".join(sorted({report.version for report in group})),
        clock=f"{offset.total_seconds():+.1f} s",
        differs=any(host in difference.hosts for difference in compared),
    )
