"""Group commit: everything that waits of a tenant, in one append to the journal.

While a tenant's group is being written its next one gathers: idle, a single batch
passes at once; loaded, the cost of the fsync is shared. Tenants do not wait for each
other's groups to come back: the store has all of them, and joins those that wait.
"""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Callable, Iterable
from typing import Protocol

from .backlog import Backlog
from .clock import Clock
from .logs import get_log
from .metrics import Metrics
from .store.contracts import Append, FencedError, Store, StoreError, StreamKey

__all__ = ["Committable", "Committer"]

_GROUP_BYTES = 256 * 1024
_GROUP_BATCHES = 128
_ALONE = 4  # times that, while no other tenant has anything to commit
_ALONE_AFTER_S = 1.0
_SWITCH_S = 0.0005
"""How long a thread waits for the interpreter's lock before it is given up for it, for
as long as several tenants send. Python's 5 ms begin anew whenever any two threads have
changed places, so that the writing thread waited for up to a second beside a flood of
tiny frames. With 0.05 ms such a flood paid a quarter for changes of threads."""
_SWITCH_FOR_S = 60.0
_PROBE_S = 1.0
_ROOM = 2  # times what failed: the probe and the next commit both need it

log = get_log()


class Committable(Protocol):
    """What the committer needs of a stream. All called on the event loop."""

    key: StreamKey

    def take_pending(self, max_bytes: int, max_batches: int) -> list[Append]:
        """Hand over admitted entries in offset order, at least one if there are any."""

    def has_pending(self) -> bool:
        """Return whether admitted entries wait."""

    def committed(self) -> None:
        """Take note that what was taken is durable."""

    async def rejected(self, error: Exception) -> None:
        """Take note that what was taken may not be durable."""


class Committer:
    """Appends for all streams.

    Args:
        store: whose journal to append to.
        metrics: where to count.
        clock: for durations.
        backlog: where tenants have their standing.
        on_health: called with False when the store fails and True when it works again.
    """

    def __init__(
        self,
        store: Store,
        metrics: Metrics,
        clock: Clock,
        backlog: Backlog,
        on_health: Callable[[bool], None],
    ) -> None:
        self._store = store
        self._metrics = metrics
        self._clock = clock
        self._backlog = backlog
        self._on_health = on_health
        self._waiting: dict[str, dict[Committable, None]] = {}  # by tenant
        self._tasks: set[asyncio.Task[None]] = set()
        self._shared_at = -math.inf  # when several tenants last had something
        self._switch_s = sys.getswitchinterval()
        self._too_large = 0  # bytes that the store has failed to take
        self.healthy = True

    def wake(self, stream: Committable) -> None:
        """Say that `stream` has entries."""
        tenant = stream.key.tenant
        waiting = self._waiting.get(tenant)
        if waiting is None:
            waiting = self._waiting[tenant] = {}
            task = asyncio.get_running_loop().create_task(self._commit(tenant, waiting))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        waiting[stream] = None

    async def run(self) -> None:
        """Watch over the store until cancelled; then nothing more is committed."""
        try:
            await self._probe()
        finally:
            for task in self._tasks:
                task.cancel()
            sys.setswitchinterval(self._switch_s)

    async def _commit(self, tenant: str, waiting: dict[Committable, None]) -> None:
        """Commit what a tenant's streams have, group after group."""
        standing = self._backlog.of(tenant).standing
        try:
            while waiting:
                if standing.gives_way:
                    await standing.clear()
                elif group := self._take_group(waiting):
                    await self._append(group)
        finally:
            del self._waiting[tenant]

    def _take_group(
        self, waiting: dict[Committable, None]
    ) -> dict[Committable, list[Append]]:
        """Return what to append by stream, and leave the rest in `waiting`."""
        group: dict[Committable, list[Append]] = {}
        times = self._times()
        size, batches = times * _GROUP_BYTES, times * _GROUP_BATCHES
        had_their_turn = []
        for stream in list(waiting):
            if min(size, batches) <= 0:
                break
            del waiting[stream]
            entries = stream.take_pending(size, batches)
            if entries:
                group[stream] = entries
                size -= _bytes_of(entries)
                batches -= len(entries)
            if stream.has_pending():
                had_their_turn.append(stream)
        waiting |= dict.fromkeys(had_their_turn)
        return group

    def _times(self) -> int:
        """Return how many times the size of a group one may have."""
        now = self._clock.monotonic()
        if len(self._waiting) > 1:
            self._shared_at = now
        is_shared = now - self._shared_at < _SWITCH_FOR_S
        sys.setswitchinterval(_SWITCH_S if is_shared else self._switch_s)
        return 1 if now - self._shared_at < _ALONE_AFTER_S else _ALONE

    async def _append(self, group: dict[Committable, list[Append]]) -> None:
        entries = [entry for own in group.values() for entry in own]
        began = self._clock.monotonic()
        try:
            await self._store.journal.append(entries)
        except Exception as error:
            # Whatever it is, what else the tenant has must still be committed.
            self._metrics.count("ncs_journal_errors_total")
            if len(group) > 1:  # one stream's trouble shall not be another's
                for stream, own in group.items():
                    await self._append({stream: own})
                return
            if isinstance(error, FencedError):  # the store is well
                self._metrics.count("ncs_fenced_appends_total")
            else:
                self._too_large = max(self._too_large, _bytes_of(entries))
                self._set_health(False, error)
            for stream in group:
                self._waiting[stream.key.tenant].pop(stream, None)
                await stream.rejected(error)
            return
        size = _bytes_of(entries)
        if size >= self._too_large:  # else there may be room for no more than that
            self._set_health(True)
        self._metrics.observe(
            "ncs_journal_append_seconds", self._clock.monotonic() - began
        )
        self._metrics.count("ncs_journal_entries_total", by=len(entries))
        self._metrics.count("ncs_journal_bytes_total", by=size)
        for stream in group:
            stream.committed()

    async def _probe(self) -> None:
        """While the store fails, find out by itself when it works again.

        Otherwise a server that balancers avoid, because it is not ready, would wait for
        ever for the batch that proves the store well. It writes as much as what failed
        took and will take, or an almost full disk would be found well again and again.
        """
        while True:
            await asyncio.sleep(_PROBE_S)
            if not self.healthy:
                try:
                    await self._store.check(_ROOM * self._too_large)
                except StoreError as error:
                    log.warning("store_still_unavailable", error=str(error))
                else:
                    self._set_health(True)

    def _set_health(self, healthy: bool, error: Exception | None = None) -> None:
        if healthy == self.healthy:
            return
        self.healthy = healthy
        if healthy:
            self._too_large = 0
            log.info("store_available")
        else:
            log.error("store_unavailable", error=str(error))
        self._on_health(healthy)


def _bytes_of(entries: Iterable[Append]) -> int:
    return sum(len(entry.payload) for entry in entries)
