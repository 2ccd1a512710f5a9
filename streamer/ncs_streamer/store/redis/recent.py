"""The last entries that were appended, should Redis lose them in a fail-over.

Bounded by bytes over all streams: the oldest makes way, whichever stream's it is.
"""

from __future__ import annotations

from collections import deque

from ..contracts import StreamKey

__all__ = ["Recent"]

_OVERHEAD = 200  # bytes that an entry takes beside its payload


class Recent:
    """See the module.

    Args:
        most_bytes: that all entries take.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._bytes = 0
        self._entries: dict[StreamKey, deque[tuple[int, bytes]]] = {}
        self._order: deque[StreamKey] = deque()

    def add(self, key: StreamKey, offset: int, payload: bytes) -> None:
        """Remember an entry, the one after the last of its stream."""
        own = self._entries.setdefault(key, deque())
        if own and own[-1][0] != offset - 1:  # taken up again after somebody else
            self.forget(key)
            own = self._entries.setdefault(key, deque())
        own.append((offset, payload))
        self._order.append(key)
        self._bytes += _OVERHEAD + len(payload)
        while self._bytes > self._most and len(self._order) > 1:
            self._drop(self._order.popleft())

    def _drop(self, key: StreamKey) -> None:
        own = self._entries[key]
        self._bytes -= _OVERHEAD + len(own.popleft()[1])
        if not own:
            del self._entries[key]

    def forget(self, key: StreamKey) -> None:
        """Forget a stream."""
        for _, payload in self._entries.pop(key, ()):
            self._bytes -= _OVERHEAD + len(payload)
        self._order = deque(one for one in self._order if one != key)

    def tails(self) -> dict[StreamKey, int]:
        """Return the last offset of each stream."""
        return {key: own[-1][0] for key, own in self._entries.items()}

    def after(self, key: StreamKey, tail: int) -> list[tuple[int, bytes]] | None:
        """Return all entries with an offset above `tail`; None if some are gone."""
        own = self._entries.get(key)
        if not own or own[0][0] > tail + 1:
            return None
        return [entry for entry in own if entry[0] > tail]
