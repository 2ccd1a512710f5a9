"""All live streams of all tenants."""

from __future__ import annotations

import asyncio
import secrets

from ncs_engine import EngineParams
from ncs_protocol import Code, NcsError, check_name

from .hub import Hub
from .logs import get_log
from .recovery import Progress, Recovered, recover
from .replay import Divergence
from .served import ServedStream
from .services import Services
from .state_hash import engine_name
from .store.contracts import DamageError, StreamKey
from .stream import Stream
from .stream_model import StreamModel

__all__ = ["Streams"]

_RECOVER_AT_ONCE = 4
"""Streams; the threads are shared, so this bounds what is read ahead."""

log = get_log()


class Streams:
    """Finds, makes and brings back streams.

    Args:
        services: what streams share.
        params: the engine's defaults for new streams.
        max_streams: most streams of one tenant.

    Attributes:
        progress: of the recovery.
        divergences: streams whose replay came to something else than was told.
        damaged: streams that could not be brought back. Nobody gets them, and nobody
            else their names; what is stored of them is left as it is.
    """

    def __init__(
        self, services: Services, params: EngineParams, max_streams: int
    ) -> None:
        self.services = services
        self._params = params
        self._max_streams = max_streams
        self._streams: dict[StreamKey, Stream] = {}
        self.progress = Progress(services.clock.monotonic(), 0, 0)
        self.divergences: dict[StreamKey, Divergence] = {}
        self.damaged: dict[StreamKey, DamageError] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._streams)

    async def recover(self) -> None:
        """Bring back every stream that the store knows, but for damaged ones.

        Raises:
            StoreError: if the store fails.
        """
        await asyncio.to_thread(engine_name)  # worked out once, not at a first batch
        store, clock = self.services.store, self.services.clock
        keys, entries = await store.streams(), 0
        for key in keys:
            saved = await store.snapshots.offsets(key)
            entries += await store.journal.tail(key) - max(saved, default=0)
        self.progress = Progress(clock.monotonic(), len(keys), entries)
        at_once = asyncio.Semaphore(_RECOVER_AT_ONCE)
        work = [asyncio.create_task(self._recover(key, at_once)) for key in keys]
        try:
            await asyncio.gather(*work)
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
        if keys:
            log.info("recovered", **self.progress.as_dict(clock.monotonic()))

    async def _recover(self, key: StreamKey, at_once: asyncio.Semaphore) -> None:
        try:
            async with at_once:
                recovered = await self.read(key)
        except DamageError as error:
            self.refuse(key, error)
            return
        self.take_in(key, recovered)

    async def read(self, key: StreamKey) -> Recovered:
        """Return a stream as the store has it; nobody is served it yet.

        Raises:
            DamageError: if what is stored does not suffice.
            StoreError: if the store fails.
        """
        services = self.services
        return await recover(
            services.store,
            key,
            services.history.events,
            clock=services.clock,
            progress=self.progress,
            threads=services.threads.of(key.tenant),
        )

    def take_in(
        self, key: StreamKey, recovered: Recovered, hub: Hub | None = None
    ) -> Stream:
        """Serve a stream that was read; see `Stream` for `hub`."""
        services = self.services
        stream = self._streams[key] = Stream(key, recovered.model, services, hub)
        stream.remember(recovered)
        marks = {name: (m.epoch, m.seq) for name, m in recovered.model.marks.items()}
        services.roll.recall(key, marks, services.clock.now())
        if divergence := recovered.divergence:
            self.divergences[key] = divergence
            cause = "engine" if divergence.is_expected else "unexplained"
            services.metrics.count("ncs_replay_divergences_total", cause)
        return stream

    def let_go(self, key: StreamKey) -> None:
        """Serve a stream no more: it is another node's."""
        self._streams.pop(key, None)
        self.divergences.pop(key, None)
        self.damaged.pop(key, None)

    def new_model(self, key: StreamKey) -> StreamModel:
        """Return the model of a stream that begins."""
        return StreamModel(key.stream, secrets.token_hex(8), self._params)

    def make(
        self, key: StreamKey, model: StreamModel, hub: Hub | None = None
    ) -> Stream:
        """Serve a new stream; see `Stream` for `hub`."""
        stream = self._streams[key] = Stream(key, model, self.services, hub)
        self.services.metrics.set("ncs_streams", len(self._streams))
        return stream

    def refuse(self, key: StreamKey, error: DamageError) -> None:
        """Go on without a stream: nothing that is not true is told of it."""
        self.damaged[key] = error
        self.progress.streams_done += 1
        self.services.metrics.set("ncs_streams_damaged", len(self.damaged))
        log.error(
            "stream_refused",
            **key._asdict(),
            offset=error.offset,
            code=error.code,
            error=str(error),
        )

    def find(self, tenant: str, name: str) -> Stream | None:
        """Return the stream if there is one.

        Raises:
            NcsError: ``stream_damaged``.
        """
        key = StreamKey(tenant, name)
        if key in self.damaged:
            what = f"stream {name!r} is damaged, and not served until it is mended"
            raise NcsError(Code.STREAM_DAMAGED, what)
        return self._streams.get(key)

    def open(self, tenant: str, name: str) -> Stream:
        """Return the stream, making it if the tenant may have one more.

        Raises:
            NcsError: ``invalid_name``, ``stream_damaged`` or ``too_many_streams``.
        """
        key = StreamKey(tenant, check_name("stream", name))
        stream = self.find(*key)
        if stream is None:
            known = (*self._streams, *self.damaged)
            own = sum(other.tenant == tenant for other in known)
            if own >= self._max_streams:
                raise NcsError(
                    Code.TOO_MANY_STREAMS,
                    f"the tenant has {own} streams, the limit is {self._max_streams}",
                )
            stream = self.make(key, self.new_model(key))
        return stream

    async def here(self, key: StreamKey) -> Stream:
        """Return the stream, as `open` does, to be asked on this node."""
        return self.open(*key)

    async def look_up(self, key: StreamKey) -> Stream | None:
        """Return the stream if there is one, as `find` does."""
        return self.find(*key)

    async def last_seq(self, key: StreamKey, producer: str) -> tuple[int, int]:
        """See `Stream.last_seq`; zeros for a stream that is not there.

        Raises:
            NcsError: nobody can tell.
        """
        stream = self.find(*key)
        return (0, 0) if stream is None else stream.last_seq(producer)

    async def epoch(self, key: StreamKey) -> str:
        """Return the epoch of a stream, making it as `open` does."""
        return self.open(*key).hub.epoch

    async def names(self, tenant: str) -> list[str]:
        """See `names_of`."""
        return self.names_of(tenant)

    def discard_unused(self, stream: ServedStream) -> None:
        """Forget a stream that never had a batch and that nobody follows any more."""
        found = self._streams.get(stream.key)
        if found is not None and found is stream and found.is_unused:
            del self._streams[stream.key]

    def all(self) -> list[Stream]:
        """Return every stream."""
        return list(self._streams.values())

    def names_of(self, tenant: str) -> list[str]:
        """Return the tenant's streams that have had a batch, the damaged among them."""
        used = [key for key, stream in self._streams.items() if not stream.is_new]
        return sorted(k.stream for k in (*used, *self.damaged) if k.tenant == tenant)

    async def run(self, interval_s: float) -> None:
        """Publish status events and gauges until cancelled."""
        while True:
            await asyncio.sleep(interval_s)
            for stream in self.all():
                stream.save_if_due()
                task = asyncio.create_task(self._tell_status(stream))
                self._tasks.add(task)  # none waits for another's turn
                task.add_done_callback(self._tasks.discard)
            self._set_gauges()

    @staticmethod
    async def _tell_status(stream: Stream) -> None:
        try:
            await stream.tell_status()
        except Exception:
            log.exception("status_failed", **stream.key._asdict())

    def _set_gauges(self) -> None:
        metrics, backlog = self.services.metrics, self.services.backlog
        metrics.set("ncs_streams", len(self._streams))
        metrics.set("ncs_clusters", sum(s.cluster_count for s in self.all()))
        metrics.set("ncs_backlog_points", backlog.points)
        metrics.set("ncs_backlog_bytes", backlog.bytes)

    async def close(self) -> None:
        """Wait until everything admitted is applied, told and saved."""
        await asyncio.gather(*(stream.close() for stream in self.all()))
