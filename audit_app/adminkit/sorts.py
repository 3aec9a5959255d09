"""The orders that a list offers. Each is served by an index that its filters start."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Sort:
    """An order of a list: `-size` is the largest first.

    An index may serve it only with a filter: `needs` is that filter, with the
    value that is chosen if the list has none. Then no other filter may be active.
    """

    order: str
    label: str
    needs: Mapping[str, str] = field(default_factory=dict)

    def fits(self, active: Iterable[str]) -> bool:
        """Whether an index serves this order with these filters."""
        return not self.needs or set(active) == set(self.needs)

    def may_fit(self, active: Iterable[str]) -> bool:
        """Whether it fits once its own filter is chosen."""
        return not self.needs or set(active) <= set(self.needs)


def newest_and_oldest(column: str) -> tuple[Sort, Sort]:
    """Return both orders by time; an index is read in both directions."""
    return Sort(f"-{column}", "Newest first"), Sort(column, "Oldest first")
