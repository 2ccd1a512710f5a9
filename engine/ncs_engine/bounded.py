"""A collection that keeps what came last: bounded memory for whoever measures.

The guides call it least recently used; it is first in, first out: nothing that is read
stays longer for that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

__all__ = ["BoundedCollection"]

_T = TypeVar("_T")


class BoundedCollection(Generic[_T]):
    """The last `maxlen` items; an item more pushes the oldest one out (FIFO).

    Appending from several threads is safe.

    Args:
        maxlen: items kept, at least 1.

    Raises:
        ValueError: if `maxlen` is less than 1.
    """

    def __init__(self, maxlen: int) -> None:
        if maxlen < 1:
            raise ValueError(f"maxlen must be at least 1, got {maxlen}")
        self.maxlen = maxlen
        self._items: deque[_T] = deque(maxlen=maxlen)

    def append(self, item: _T) -> None:
        """Add an item. O(1)."""
        self._items.append(item)

    def get_recent(self, n: int) -> list[_T]:
        """Return a copy of the last `n` items, oldest first; less if there are less.

        O(maxlen).

        Raises:
            ValueError: if `n` is negative.
        """
        if n < 0:
            raise ValueError(f"n must not be negative, got {n}")
        items = list(self._items.copy())
        return items[max(0, len(items) - n) :]

    def clear(self) -> None:
        """Forget all items."""
        self._items.clear()

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[_T]:
        """Iterate over the items as they are now, oldest first."""
        return iter(self._items.copy())
