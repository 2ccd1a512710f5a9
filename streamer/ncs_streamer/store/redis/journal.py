"""The journal in Redis: a Redis Stream for each of ours, whose ids are the offsets.

A group is one script call a stream, and one round trip to each primary. What it has
appended last is remembered for a while: after a fail-over Redis may lack entries that
were acknowledged, and is given them back.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from ...logs import get_log
from ..contracts import Append, FencedError, Losses, StoreError, StreamKey, within
from .call import Call
from .recent import Recent
from .scripts import APPEND, TRUNCATE
from .state import State, error_in

__all__ = ["RedisJournal"]

_TRIES = 3
_READ = 16  # entries of a first read; more while they are small
_READ_BYTES = 1024 * 1024

log = get_log()


class RedisJournal:
    """See `contracts`.

    Args:
        state: shared.
        recent: what was appended last.
        losses: to be kept.
    """

    def __init__(self, state: State, recent: Recent, losses: Losses) -> None:
        self._state = state
        self._recent = recent
        self._losses = losses
        self._doubtful: set[StreamKey] = set()  # whether copies have it is not known

    async def append(self, entries: Sequence[Append]) -> None:
        groups = _by_stream(entries)
        todo = dict(groups)
        for _ in range(_TRIES):
            await self._state.index([*todo])
            results = await self._append(todo)
            if error := error_in(results):
                self._doubtful |= groups.keys()
                raise error
            again = {}
            for (key, own), answer in zip(list(todo.items()), results, strict=True):
                if answer[0] == b"ok":
                    self._appended(key, groups[key])
                elif answer[0] == b"fenced":
                    await self._reclaim(key, answer)
                    again[key] = own
                else:
                    again[key] = self._with_lost(key, own, int(answer[1]), answer[0])
            todo = again
            if not todo:
                return
        raise StoreError(f"{self._state.links.place}: the journal does not stand still")

    async def _append(self, groups: dict[StreamKey, list[Append]]) -> list[Any]:
        calls = [
            self._state.fenced(
                APPEND,
                key,
                [self._state.keys.journal(key)],
                own[0].offset,
                *(entry.payload for entry in own),
            )
            for key, own in groups.items()
        ]
        return await self._state.links.run(calls, self._state.copies)

    def _appended(self, key: StreamKey, entries: list[Append]) -> None:
        self._doubtful.discard(key)
        for _, offset, payload in entries:
            self._recent.add(key, offset, payload)

    def _with_lost(
        self, key: StreamKey, entries: list[Append], tail: int, why: bytes
    ) -> list[Append]:
        """Return the entries behind those that Redis has lost and we have not."""
        lost = self._recent.after(key, tail) if why == b"gap" else None
        first = entries[0].offset
        if lost is None or not lost or lost[-1][0] != first - 1:
            raise StoreError(f"offset {first} does not follow {tail}")
        self._note_restored(key, tail, len(lost))
        return [*(Append(key, *entry) for entry in lost), *entries]

    def _note_restored(self, key: StreamKey, tail: int, count: int) -> None:
        self._state.forget_index()  # it may be lost too
        log.warning("journal_restored", **key._asdict(), after=tail, entries=count)
        self._losses.restored += count

    async def _reclaim(self, key: StreamKey, answer: Any) -> None:
        try:
            await self._state.reclaim(key, answer)
        except FencedError:
            self._recent.forget(key)
            raise

    async def restore(self) -> None:
        """Give Redis back what it lacks of what is remembered, after a fail-over.

        Raises:
            StoreError: it failed.
        """
        self._state.forget_index()
        tails = self._recent.tails()
        calls = [Call.of("HGET", self._state.keys.head(key), "tail") for key in tails]
        found = await self._state.links.all_of(calls)
        for (key, expected), raw in zip(tails.items(), found, strict=True):
            tail = int(raw or 0)
            if tail >= expected:
                continue
            lost = self._recent.after(key, tail)
            if lost is None:
                continue  # its model is saved instead, see `Stream.compare`
            self._note_restored(key, tail, len(lost))
            with contextlib.suppress(FencedError):
                await self.append([Append(key, *entry) for entry in lost])

    async def read(
        self, key: StreamKey, after: int, limit: int, max_bytes: int | None = None
    ) -> list[tuple[int, bytes]]:
        await self._confirm(key)
        found: list[tuple[int, bytes]] = []
        size, count = 0, _READ
        while len(found) < limit:
            count = min(count, limit - len(found))
            some = await self._read(key, found[-1][0] if found else after, count)
            found += some
            size += sum(len(payload) for _, payload in some)
            if len(some) < count or (max_bytes is not None and size >= max_bytes):
                break
            count = max(1, min(4096, _READ_BYTES * len(found) // max(1, size)))
        return within(found, max_bytes)

    async def _read(
        self, key: StreamKey, after: int, count: int
    ) -> list[tuple[int, bytes]]:
        journal = self._state.keys.journal(key)
        call = Call.of("XRANGE", journal, f"({after}-0", "+", "COUNT", count)
        return entries_of(await self._state.links.call(call))

    async def _confirm(self, key: StreamKey) -> None:
        """Wait until the copies have what an append failed to see them have.

        Otherwise an entry that is only on the primary could be found, applied, and
        acknowledged when it is sent again.
        """
        copies = self._state.copies
        if copies is None or key not in self._doubtful:
            return
        # WAITAOF waits for the last write of its own connection.
        write = self._state.fenced(TRUNCATE, key, [self._state.keys.journal(key)], 0)
        await self._state.links.call(write, copies)
        self._doubtful.discard(key)

    async def tail(self, key: StreamKey) -> int:
        await self._confirm(key)
        head = self._state.keys.head(key)
        return int(await self._state.links.call(Call.of("HGET", head, "tail")) or 0)

    async def truncate(self, key: StreamKey, through: int) -> None:
        journal = self._state.keys.journal(key)
        await self._state.write(TRUNCATE, key, [journal], through)


def entries_of(found: Any) -> list[tuple[int, bytes]]:
    """Return (offset, payload) of what XRANGE has found."""
    return [(int(i.partition(b"-")[0]), fields[b"e"]) for i, fields in found]


def _by_stream(entries: Sequence[Append]) -> dict[StreamKey, list[Append]]:
    groups: dict[StreamKey, list[Append]] = {}
    for entry in entries:
        own = groups.setdefault(entry.key, [])
        if own and entry.offset != own[-1].offset + 1:
            raise StoreError(f"offset {entry.offset} does not follow {own[-1].offset}")
        own.append(entry)
    return groups
