"""What a hot request costs, in calls instead of seconds: at most 5 % above the figures below.

`python -m tests.budgets` prints the figures, and where the calls go.
"""

import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from tests.budgets import MARGIN, Figures, measure
from tests.maria_project.server import test_database

# As they were last measured. Raise one only with a reason in the commit.
SQLITE = {
    "validate": Figures(calls=940, middleware=230, statements=0, kib_read=0),
    "current": Figures(calls=1_250, middleware=230, statements=1, kib_read=0),
    "list": Figures(calls=1_210, middleware=230, statements=2, kib_read=0),
    "revision": Figures(calls=1_346, middleware=229, statements=1, kib_read=0),
    "create": Figures(calls=1_566, middleware=230, statements=6, kib_read=0),
    "upload": Figures(calls=4_048, middleware=230, statements=14, kib_read=8),
    "download": Figures(calls=1_602, middleware=226, statements=2, kib_read=5_120),
    "introspect": Figures(calls=1_386, middleware=230, statements=2, kib_read=0),
    # Three or four statements find out who asks, and what that person may see.
    "poll session": Figures(calls=18_790, middleware=410, statements=6, kib_read=0),
    "poll dashboard": Figures(calls=14_688, middleware=410, statements=3, kib_read=0),
    "poll attention": Figures(calls=11_012, middleware=410, statements=3, kib_read=0),
}
# With Redis.
POSTGRESQL = {
    "validate": Figures(calls=1_165, middleware=230, statements=0, kib_read=0),
    "current": Figures(calls=1_574, middleware=230, statements=1, kib_read=0),
    "list": Figures(calls=1_618, middleware=230, statements=2, kib_read=0),
    "revision": Figures(calls=1_677, middleware=229, statements=1, kib_read=0),
    "create": Figures(calls=2_335, middleware=230, statements=6, kib_read=0),
    "upload": Figures(calls=5_137, middleware=230, statements=14, kib_read=8),
    "download": Figures(calls=2_702, middleware=226, statements=2, kib_read=5_120),
    "introspect": Figures(calls=1_806, middleware=230, statements=2, kib_read=0),
    "poll session": Figures(calls=19_537, middleware=410, statements=6, kib_read=0),
    "poll dashboard": Figures(calls=14_695, middleware=410, statements=3, kib_read=0),
    "poll attention": Figures(calls=11_102, middleware=410, statements=3, kib_read=0),
}


@pytest.mark.both
@pytest.mark.skipif(
    sys.version_info[:2] != (3, 11), reason="another version of Python calls functions differently"
)
def test_no_hot_request_costs_more_than_its_budget(committed: None, tmp_path: Path) -> None:
    deployment = {
        "DATA_DIR": str(tmp_path),
        **test_database(),
        **({"CACHE_URL": settings.CACHE_URL} if settings.CACHE_URL else {}),
    }
    figures = SQLITE if connection.vendor == "sqlite" else POSTGRESQL

    costs = measure(deployment)

    assert costs.keys() == figures.keys()
    over = [
        f"{name}: {value:,} {what}, at most {int(most):,}"
        for name, cost in costs.items()
        for what, value in vars(cost.figures).items()
        if value > (most := vars(figures[name])[what] * MARGIN)
    ]
    assert not over
