"""How often Python looks for unreachable objects."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

# By default after 700 new objects, which a page of rows exceeds several times.
_NEW_OBJECTS = 10_000


@contextmanager
def rare_collections() -> Iterator[None]:
    """Collect garbage less often, in work that makes thousands of objects at once, and drops them.

    It concerns all threads of the process. Objects without cycles are freed at once, as always.
    """
    before = gc.get_threshold()
    gc.set_threshold(_NEW_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
