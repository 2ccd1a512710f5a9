"""The end of a stream's journal: the batches with the last so many points.

A journal is read forwards only, and how many points a batch has is inside it. So this
steps back from the end, in steps that grow while the batches are small; what is read is
little more than what is wanted, however long the journal is.
"""

from __future__ import annotations

import functools
import itertools
from collections import deque
from collections.abc import Awaitable, Callable

from .entry import Entry, decode_entry
from .sealed import DamagedError
from .store.contracts import DamageError, Store, StoreError, StreamKey

__all__ = ["last_entries"]

_LEAST_STEP, _MOST_STEP = 16, 1024
_SMALL_STEP_BYTES = 1024 * 1024
_MOST_STEP_BYTES = 8 * 1024 * 1024

Payloads = list[tuple[int, bytes]]
Entries = list[tuple[int, Entry]]
Call = Callable[[Callable[[], Entries]], Awaitable[Entries]]


async def last_entries(
    store: Store, key: StreamKey, points: int, max_bytes: int, call: Call
) -> Entries:
    """Return (offset, entry), ascending, that hold the last so many points.

    They are whole batches, so it may be some more points; it is fewer where the journal
    holds no more, or where they would take more than `max_bytes`.

    Args:
        store: only read.
        key: of the stream.
        points: that are wanted.
        max_bytes: of the entries as they are stored; one is returned at least.
        call: calls what it is given somewhere else than on the event loop.

    Raises:
        StoreError: if the store fails, or an entry is damaged.
    """
    found: deque[tuple[int, Entry]] = deque()
    upper = await store.journal.tail(key)
    count, size, step = 0, 0, _LEAST_STEP
    while upper and count < points:
        chunk = await _read(store, key, max(0, upper - step), upper)
        if chunk is None:  # they are large: a few at a time
            step = max(step // 4, 1)
            continue
        if not chunk:
            break  # the rest is in snapshots only
        entries = await call(functools.partial(_decoded, store, key, chunk))
        for one, (_, payload) in zip(reversed(entries), reversed(chunk), strict=True):
            size += len(payload)
            if count >= points or (found and size > max_bytes):
                return list(found)
            found.appendleft(one)
            count += one[1].count
        upper = chunk[0][0] - 1
        if sum(len(payload) for _, payload in chunk) < _SMALL_STEP_BYTES:
            step = min(2 * step, _MOST_STEP)
    return list(found)


async def _read(
    store: Store, key: StreamKey, after: int, through: int
) -> Payloads | None:
    """Return what is kept of the entries behind `after` up to `through`, no gap in it.

    Where the journal was cut meanwhile, or had been before, only what follows is there.
    None if several of them take more than a step may.
    """
    entries: Payloads = []
    most = None if through - after == 1 else _MOST_STEP_BYTES
    while after < through:
        part = await store.journal.read(key, after, through - after, most)
        part = [(offset, payload) for offset, payload in part if offset <= through]
        if not part:
            break
        entries += part
        after = part[-1][0]
        if after < through and most is not None:
            return None
    if entries and entries[-1][0] != through:
        raise StoreError(f"journal entry {through} is not there")
    if any(b - a != 1 for (a, _), (b, _) in itertools.pairwise(entries)):
        raise StoreError(f"the journal before entry {through} has a gap")
    return entries


def _decoded(store: Store, key: StreamKey, chunk: Payloads) -> Entries:
    entries: Entries = []
    for offset, payload in chunk:
        try:
            entries.append((offset, decode_entry(payload)))
        except DamagedError as error:
            raise DamageError(
                *("journal_entry_damaged", key, offset, store.place, str(error)),
                "A restart finds the same, and says how it is mended",
            ) from None
    return entries
