import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Sequence

import pytest

from ncs_streamer import committer
from ncs_streamer.backlog import Backlog
from ncs_streamer.clock import Clock
from ncs_streamer.committer import Committer
from ncs_streamer.metrics import Metrics
from ncs_streamer.store import Append, MemoryStore, StoreError, StreamKey

pytestmark = pytest.mark.unit


class Writer:
    """A stream that has entries to commit."""

    def __init__(
        self, name: str, first: int = 1, *, tenant: str = "acme", count: int = 1
    ) -> None:
        self.key = StreamKey(tenant, name)
        self.waiting = [Append(self.key, first + i, b"x") for i in range(count)]
        self.outcome: list[str] = []

    def take_pending(self, max_bytes: int, max_batches: int) -> list[Append]:
        taken, self.waiting = self.waiting[:max_batches], self.waiting[max_batches:]
        return taken

    def has_pending(self) -> bool:
        return bool(self.waiting)

    def committed(self) -> None:
        self.outcome.append("committed")

    async def rejected(self, error: Exception) -> None:
        self.outcome.append("rejected")


class Broken(MemoryStore):
    """A store whose journal takes nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.journal.append = self._refuse  # type: ignore[method-assign]

    async def _refuse(self, entries: Sequence[Append]) -> None:
        raise StoreError("no room")


async def commit(store: MemoryStore, *writers: Writer) -> list[bool]:
    """Commit what the writers have; return what was told about health."""
    told: list[bool] = []
    committer = Committer(store, Metrics(), Clock(), Backlog(1e9, 1e9), told.append)
    for writer in writers:
        committer.wake(writer)
    task = asyncio.create_task(committer.run())
    async with asyncio.timeout(10):
        while not all(w.outcome and not w.waiting for w in writers):
            await asyncio.sleep(0)
    task.cancel()
    return told


class Groups(MemoryStore):
    """A store that notes what comes together, and can be held up."""

    def __init__(self) -> None:
        super().__init__()
        self.groups: list[list[Append]] = []
        self.held: dict[str, asyncio.Event] = {}  # by tenant
        self._append = self.journal.append
        self.journal.append = self._note  # type: ignore[method-assign]

    async def _note(self, entries: Sequence[Append]) -> None:
        self.groups.append(list(entries))
        if (held := self.held.get(entries[0].key.tenant)) is not None:
            await held.wait()
        await self._append(entries)

    def sizes(self, tenant: str) -> list[int]:
        return [len(g) for g in self.groups if g[0].key.tenant == tenant]


@contextlib.asynccontextmanager
async def running(store: MemoryStore, backlog: Backlog) -> AsyncIterator[Committer]:
    committer = Committer(store, Metrics(), Clock(), backlog, lambda _: None)
    task = asyncio.create_task(committer.run())
    await asyncio.sleep(0)
    yield committer
    task.cancel()
    await asyncio.wait([task])


async def test_one_group_commits_the_entries_of_all_streams_of_a_tenant() -> None:
    store, a, b = Groups(), Writer("a"), Writer("b")
    await commit(store, a, b)
    assert (a.outcome, b.outcome) == (["committed"], ["committed"])
    assert [2] == store.sizes("acme")
    assert [await store.journal.tail(w.key) for w in (a, b)] == [1, 1]


async def test_a_tenant_does_not_wait_for_the_group_of_another() -> None:
    store, backlog = Groups(), Backlog(1e9, 1e9)
    store.held["slow"] = asyncio.Event()
    slow, other = Writer("s", tenant="slow"), Writer("o", tenant="other")
    async with asyncio.timeout(10), running(store, backlog) as full:
        full.wake(slow)
        while not store.groups:
            await asyncio.sleep(0)
        full.wake(other)
        while not other.outcome:
            await asyncio.sleep(0)
        assert not slow.outcome
        store.held["slow"].set()
        while not slow.outcome:
            await asyncio.sleep(0)


async def test_a_tenant_that_gives_way_is_committed_after_the_other() -> None:
    store, backlog = Groups(), Backlog(1e9, 1e9)
    flood, quiet = Writer("f", tenant="flood"), Writer("q", tenant="quiet")
    backlog.of("flood").take(1_000_000, 1)
    taken = backlog.of("quiet").take(100, 1)
    async with asyncio.timeout(10), running(store, backlog) as full:
        full.wake(flood)
        await asyncio.sleep(0)
        full.wake(quiet)
        while not quiet.outcome:
            await asyncio.sleep(0)
        assert not flood.outcome
        backlog.of("quiet").give_back(taken, 1, 0.0)
        while not flood.outcome:
            await asyncio.sleep(0)
    assert ["quiet", "flood"] == [group[0].key.tenant for group in store.groups]


async def test_an_entry_that_is_refused_is_not_the_trouble_of_other_streams() -> None:
    store, good, bad, other = MemoryStore(), Writer("a"), Writer("b", 7), Writer("c")
    told = await commit(store, good, bad, other)
    assert (good.outcome, other.outcome) == (["committed"], ["committed"])
    assert bad.outcome == ["rejected"]
    assert told[-1:] in ([], [True])
    assert await store.journal.tail(other.key) == 1


async def test_a_store_that_takes_nothing_is_not_healthy() -> None:
    a, b = Writer("a"), Writer("b")
    assert await commit(Broken(), a, b) == [False]
    assert (a.outcome, b.outcome) == (["rejected"], ["rejected"])


async def test_a_store_that_takes_only_little_is_not_well_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(committer, "_PROBE_S", 0.0)

    class AlmostFull(MemoryStore):
        def __init__(self) -> None:
            super().__init__()
            self.room = 50
            self.probed: list[int] = []
            self._append = self.journal.append
            self.journal.append = self._take  # type: ignore[method-assign]

        async def _take(self, entries: Sequence[Append]) -> None:
            await self.check(sum(len(entry.payload) for entry in entries))
            await self._append(entries)

        async def check(self, size: int) -> None:
            self.probed.append(size)
            if size > self.room:
                raise StoreError("no room")

    store, told = AlmostFull(), list[bool]()
    large, small = Writer("large"), Writer("small")
    large.waiting = [Append(large.key, 1, bytes(100))]
    task = asyncio.create_task(
        (
            full := Committer(store, Metrics(), Clock(), Backlog(1e9, 1e9), told.append)
        ).run()
    )
    async with asyncio.timeout(10):
        full.wake(large)
        while not large.outcome:
            await asyncio.sleep(0)
        full.wake(small)
        while not small.outcome or store.probed.count(200) < 3:
            await asyncio.sleep(0)
        assert (["rejected"], ["committed"]) == (large.outcome, small.outcome)
        assert [False] == told
        store.room = 1000
        while told != [False, True]:
            await asyncio.sleep(0)
    task.cancel()


async def test_groups_are_smaller_while_others_commit() -> None:
    store = Groups()
    flood = [Writer(f"f{i}", tenant="flood", count=100) for i in range(4)]
    await commit(store, *flood, Writer("q", tenant="quiet"))
    assert [128, 128, 128, 16] == store.sizes("flood")


@pytest.mark.parametrize(("tenant", "is_shorter"), [("acme", False), ("other", True)])
async def test_threads_wait_less_for_each_other_while_several_tenants_send(
    tenant: str, is_shorter: bool
) -> None:
    usual, seen = sys.getswitchinterval(), list[float]()

    class Seeing(Writer):
        def committed(self) -> None:
            super().committed()
            seen.append(sys.getswitchinterval())

    await commit(MemoryStore(), Seeing("a"), Seeing("b", tenant=tenant))
    assert [is_shorter] * 2 == [interval < usual for interval in seen]
    await asyncio.sleep(0)  # for the task that was cancelled to end
    assert usual == sys.getswitchinterval()
