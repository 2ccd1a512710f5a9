"""Copying one stream out of any store into an embedded one of its own."""

from __future__ import annotations

import asyncio
from pathlib import Path

from .contracts import Append, Store, StoreError, StreamKey
from .sqlite import SqliteStore

__all__ = ["copy_stream"]

_ENTRIES = 256
_BYTES = 8 * 1024 * 1024
_LAST = 2**53 - 1


async def copy_stream(source: Store, key: StreamKey, file: Path) -> None:
    """Write `file`, a new store with the journal, snapshots and events of a stream.

    Entries that no kept snapshot leads to are left out: nothing can be made of them.

    Raises:
        StoreError: if it cannot be read or written, or entries are missing.
    """
    await asyncio.to_thread(_make, file)
    copy = SqliteStore(file)
    try:
        await copy.open()
        await _fill(copy, source, key)
    finally:
        await copy.close()


def _make(file: Path) -> None:
    try:
        file.parent.mkdir(parents=True)
        file.touch(mode=0o600)
    except OSError as error:
        raise StoreError(f"{file}: the stream cannot be copied: {error}") from None


async def _fill(copy: Store, source: Store, key: StreamKey) -> None:
    saved = sorted(await source.snapshots.load(key))
    first = await source.journal.read(key, 0, 1)
    after = 0
    if saved and not (first and first[0][0] == 1):
        after = saved[0][0]
        await copy.replace(key, *saved[0])
    while found := await source.journal.read(key, after, _ENTRIES, _BYTES):
        await copy.journal.append([Append(key, *entry) for entry in found])
        after = found[-1][0]
    for offset, payload in saved:
        await copy.snapshots.save(key, offset, payload)
    if events := await source.history.recent(key, _LAST):
        await copy.history.record(key, events, 0)
