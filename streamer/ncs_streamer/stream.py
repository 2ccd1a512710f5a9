"""One live stream: admits batches, has them committed, applied in order, and told.

Everything that touches the model is an operation in one queue (see `turns`), and what
it brought about is handed out in the same order. A reader that subscribes is such an
operation too: its snapshot lies exactly between two events.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from ncs_protocol import Code, NcsError
from ncs_protocol.messages import AlgorithmStatus, Position, ResultDetail, Sample

from .admission import Admission
from .elsewhere import ElsewhereError
from .entry import Entry, decode_entry, encode_entry
from .hub import Hub, Sight
from .logs import get_log
from .recovery import Recovered
from .saving import Unsaved
from .sealed import DamagedError
from .services import Services
from .store.contracts import Append, FencedError, StoreError, StreamKey
from .stream_model import Applied, StreamModel
from .telling import Telling
from .turns import Operation, Turns

__all__ = ["Done", "Stream"]

_RESYNC_S = 1.0
_ENGINE_FAILED = "Processing failed: the engine of this stream has failed"

log = get_log()

T = TypeVar("T")
Done = Callable[[Applied | NcsError], None]
"""Called on the event loop once a batch is applied, or has failed."""


@dataclasses.dataclass(slots=True)
class _Batch:
    """An entry on its way; without an offset if it is a duplicate."""

    entry: Entry
    payload: bytes
    offset: int | None
    size: int
    done: Done
    arrived: float


class Stream:
    """See the module. All methods belong to the event loop's thread.

    Args:
        key: tenant and name.
        model: where it stands.
        services: what streams share.
        hub: one that has readers already; None makes one.

    Attributes:
        joining: readers whose subscription waits for its turn.
        broken: whether its engine failed; it answers nothing then.
        on_fenced: called when the store says that the stream is another node's.
    """

    def __init__(
        self,
        key: StreamKey,
        model: StreamModel,
        services: Services,
        hub: Hub | None = None,
    ) -> None:
        self.key = key
        self.telling = Telling(key, model, services, self, hub)
        self.hub = self.telling.hub
        self.cluster_count = model.engine.cluster_count
        self._model = model
        self._services = services
        self._quota = services.backlog.of(key.tenant)
        threads = services.threads.of(key.tenant)
        self._turns = Turns(
            model, threads, services.clock, self._quota.standing, self._after_turn
        )
        self._admission = Admission.after(model, services.max_producers)
        self._durable = Admission.after(model, services.max_producers)
        self._applied = model.offset
        self._pending: deque[_Batch] = deque()
        self._committing: list[_Batch] = []
        self._all_committed = asyncio.Event()
        self._all_committed.set()
        self._suspended = False
        self.broken = False
        self.joining = 0
        self.on_fenced: Callable[[], None] = _nothing
        self._is_leaving = False
        self._has_news = False  # since the last turn
        self._backlog_points = 0
        self._unsaved = Unsaved(services.snapshots, services.clock.monotonic())
        self._tasks: set[asyncio.Task[None]] = set()

    # Batches

    @property
    def is_leaving(self) -> bool:
        """Whether another node has it, or shall have it."""
        return self._is_leaving

    def submit(
        self, entry: Entry, size: int, done: Done, detail: ResultDetail = "full"
    ) -> None:
        """Take a batch.

        Args:
            entry: checked points, or a reset or configuration.
            size: bytes it arrived in; what is made of them counts for the backlog too.
            done: called later; not if this raises.
            detail: what its sender wants to know; where the stream is on this node, it
                gets everything.

        Raises:
            NcsError: if it is refused; nothing is changed then.
        """
        if self._is_leaving:
            raise ElsewhereError
        if self.broken:
            raise NcsError(Code.INTERNAL_ERROR, _ENGINE_FAILED)
        if self._suspended:
            raise NcsError(Code.STORE_UNAVAILABLE, retry_after_s=1.0)
        self._check_running(entry)
        entry.applied = self._model.checkpoint
        payload = encode_entry(entry)
        size += len(payload) + (0 if entry.points is None else entry.block.nbytes)
        if not self._quota.room or size > self._services.backlog.room:
            wait = self._quota.retry_after_ms / 1000
            raise NcsError(Code.OVERLOADED, retry_after_s=wait)
        if self.is_new:
            self._admission.check(entry)
            self._begin(entry.ingest_ns)
        offset = self._admission.admit(entry)
        # A duplicate waits with the others, so that its ack too means "in the model".
        self._pending.append(self._batch(entry, payload, offset, size, done))
        self._all_committed.clear()
        self._services.committer.wake(self)

    def _check_running(self, entry: Entry) -> None:
        if entry.key is None:
            return
        known = self._admission.keys.find(entry.key, entry.digest)
        if known is not None and known.offset > self._applied:
            wait = self._quota.retry_after_ms / 1000
            raise NcsError(Code.IDEMPOTENCY_KEY_IN_USE, retry_after_s=wait)

    def _begin(self, ingest_ns: int) -> None:
        """Let the journal open with what every replay has to start from."""
        params = self._model.engine.params.as_dict()
        entry = Entry(
            kind="begin", ingest_ns=ingest_ns, epoch=self.hub.epoch, params=params
        )
        offset, payload = self._admission.admit(entry), encode_entry(entry)
        self._pending.append(self._batch(entry, payload, offset, 0, _nobody))

    def _batch(
        self, entry: Entry, payload: bytes, offset: int | None, size: int, done: Done
    ) -> _Batch:
        size = self._quota.take(size, entry.count)
        self._backlog_points += entry.count
        arrived = self._services.clock.monotonic()
        return _Batch(entry, payload, offset, size, done, arrived)

    @property
    def is_new(self) -> bool:
        """Whether no batch was ever admitted."""
        return self._admission.offset == 0

    @property
    def is_unused(self) -> bool:
        """Whether it never had a batch and nobody follows it, or is about to."""
        return self.is_new and not self.hub.is_followed and not self.joining

    def last_seq(self, producer: str) -> tuple[int, int]:
        """Return (epoch, seq) of the last durable batch of `producer`, or zeros.

        What is only admitted does not count: whoever is told of it need not keep it.
        """
        mark = self._durable.marks.get(producer)
        return (0, 0) if mark is None else (mark.epoch, mark.seq)

    # What the committer calls

    def take_pending(self, max_bytes: int, max_batches: int) -> list[Append]:
        """See `Committable.take_pending`."""
        size = 0
        entries = []
        taken = self._committing
        while self._pending and (
            not taken or (size < max_bytes and len(taken) < max_batches)
        ):
            batch = self._pending.popleft()
            taken.append(batch)
            size += batch.size
            if batch.offset is not None:
                entries.append(Append(self.key, batch.offset, batch.payload))
        if self._committing and not entries:  # only duplicates: nothing to make durable
            self.committed()
        return entries

    def has_pending(self) -> bool:
        """See `Committable.has_pending`."""
        return bool(self._pending)

    def committed(self) -> None:
        """See `Committable.committed`."""
        for batch in self._committing:
            if batch.offset is not None:
                self._durable.admit(batch.entry)
            self._apply_later(batch)
        self._committing = []
        self._note_committed()

    async def rejected(self, error: Exception) -> None:
        """See `Committable.rejected`.

        Everything that is not known to be durable is refused, and admission goes back
        to what is. Whether the store has kept the entries all the same is found out
        before anything new is admitted.
        """
        if isinstance(error, FencedError):
            self._fenced(error)
            return
        # Without the store's words: where its files are is nobody else's business.
        self._refuse_all(NcsError(Code.STORE_UNAVAILABLE, retry_after_s=1.0))
        self._look_again()

    def compare(self) -> None:
        """See whether the store still has all that it had made durable."""
        if self._all_committed.is_set():  # else what is on its way finds it out
            self._look_again()

    def _look_again(self) -> None:
        if not self._suspended and not self._is_leaving:
            self._suspended = True
            self._start(self._resync())

    def _fenced(self, error: FencedError) -> None:
        """Take note that another has the stream, and what they began without."""
        lost = 0 if error.start is None else self._durable.offset - error.start
        if lost > 0:
            log.error("acknowledged_lost", **self.key._asdict(), entries=lost)
            self._services.store.losses.lost += lost
        self._refuse_all(ElsewhereError(error.holder))
        self.abandon()
        self.on_fenced()

    def _refuse_all(self, error: NcsError) -> None:
        refused = [*self._committing, *self._pending]
        self._committing = []
        self._pending.clear()
        self._admission = self._durable.copy()
        for batch in refused:
            self._settle(batch, error)
        self._note_committed()

    def _note_committed(self) -> None:
        if not self._pending:
            self._all_committed.set()

    async def _resync(self) -> None:
        """Apply what the store has kept although it reported a failure.

        What it has lost although it had reported success is saved in the model.
        """
        journal = self._services.store.journal
        while True:
            if self._is_leaving:  # who has the stream next finds it out
                return
            try:
                if await journal.tail(self.key) < self._durable.offset:
                    await self._give_back()
                found = await journal.read(self.key, self._durable.offset, 100_000)
                break
            except FencedError as error:
                self._fenced(error)
                return
            except StoreError:
                await asyncio.sleep(_RESYNC_S)
        for offset, payload in found:
            try:
                entry = decode_entry(payload)
            except DamagedError as error:
                # A restart finds the same, and says how it is mended.
                key = self.key._asdict()
                log.error("entry_damaged", **key, offset=offset, error=str(error))
                self.broken = True
                return
            admitted = self._durable.admit(entry)
            self._apply_later(self._batch(entry, payload, admitted, 0, _nobody))
        self._admission = self._durable.copy()
        self._suspended = False

    async def _give_back(self) -> None:
        """Save the model in the place of a journal whose end the store has lost.

        Raises:
            StoreError: if it cannot be; the model stays the only one to have it.
        """
        if self.broken:
            raise StoreError("the model that could be saved is half of one")
        store = self._services.store
        offset, snapshot = await self.ask(self._take_snapshot)
        await store.replace(self.key, offset, snapshot)
        await store.history.record(self.key, self.hub.kept(), 0)
        log.error("journal_replaced", **self.key._asdict(), offset=offset)
        self._services.metrics.count("ncs_journal_replaced_total")

    # The model

    def call(
        self, run: Callable[[StreamModel], T], deliver: Callable[[T | Exception], None]
    ) -> None:
        """Work something out from the model, after all that is queued.

        Args:
            run: called on an engine thread; may change the model's event numbering.
            deliver: called on the event loop, before the results of later operations.
        """
        self._turns.add(Operation(run, deliver))

    async def ask(self, run: Callable[[StreamModel], T]) -> T:
        """Return what `run` works out from the model; see `call`."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def deliver(result: T | Exception) -> None:
            if future.cancelled():
                return
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)

        self.call(run, deliver)
        return await future

    def _apply_later(self, batch: _Batch) -> None:
        self._turns.add(
            Operation(
                functools.partial(self._apply, batch),
                functools.partial(self._settle, batch),
            )
        )

    def _apply(self, batch: _Batch, model: StreamModel) -> Applied | NcsError:
        """Apply a batch; runs on an engine thread."""
        if batch.offset is None:
            entry = batch.entry
            known = model.keys.find(entry.key, entry.digest) if entry.key else None
            offset = model.offset if known is None else known.offset
            return Applied(offset, duplicate=True)
        if self.broken:
            return NcsError(Code.INTERNAL_ERROR, _ENGINE_FAILED)
        clock = self._services.clock.monotonic
        began = clock()
        try:
            applied = model.apply(batch.offset, batch.entry)
        except Exception as error:
            # The model may have taken in half of it. The journal has all of it, so a
            # restart finds the same place; until then the stream answers nothing.
            log.exception("engine_failed", **self.key._asdict(), offset=batch.offset)
            self.broken = True
            failure = NcsError(Code.INTERNAL_ERROR, _ENGINE_FAILED)
            failure.__cause__ = error
            return failure
        finally:
            self.telling.learned_s += clock() - began  # turns never overlap
        if self.telling.samples.kinds:
            try:
                self.telling.samples.applied(batch.entry, applied)
            except Exception:  # what is shown to readers must not stop the stream
                log.exception("sample_failed", **self.key._asdict())
        return applied

    def _after_turn(self, seconds: float) -> None:
        self._services.metrics.observe("ncs_learn_seconds", seconds)
        if not self._has_news:
            return
        self._has_news = False
        self.cluster_count = self._model.engine.cluster_count
        self.telling.tell_news()
        self.save_if_due()

    def _settle(self, batch: _Batch, outcome: Applied | NcsError) -> None:
        """Account for a batch, tell its events, answer its sender."""
        services = self._services
        self._quota.give_back(batch.size, batch.entry.count, services.clock.monotonic())
        self._backlog_points -= batch.entry.count
        if isinstance(outcome, Applied) and not outcome.duplicate:
            self._has_news = True
            self._applied = outcome.offset
            now = services.clock.monotonic()
            self._unsaved.add(outcome.accepted, len(batch.payload), now)
            self.telling.note(batch.entry, outcome, now - batch.arrived)
            if outcome.events:
                self._start(self._record(self.telling.publish(outcome.events)))
        batch.done(outcome)

    # Readers

    def look(
        self, since: Position | None, deliver: Callable[[Sight | Exception], None]
    ) -> None:
        """Look at the model, after all that is queued, for a reader that begins.

        Args:
            since: where it was, if it comes back.
            deliver: called on the event loop.
        """
        keyed = since.offsets.get("keyed", 0) if since else None
        self.joining += 1

        def look(model: StreamModel) -> Sight:
            missed = [] if keyed is None else model.keyed_events_since(keyed)
            view = model.view()
            return Sight(view, self.telling.status_of(view.statistics), missed)

        def take(sight: Sight | Exception) -> None:
            self.joining -= 1
            deliver(sight)

        self.call(look, take)

    def sample(self, options: Sample) -> None:
        """Take samples like that, for one reader more.

        Raises:
            NcsError: ``too_many_samples``.
        """
        self.telling.samples.join(options)

    def unsample(self, options: Sample) -> None:
        """Take them for one reader less."""
        kinds = self.telling.samples.kinds
        kind = next(kind for kind in kinds if kind.options == options)
        self.telling.samples.leave(kind)

    def status(self, deliver: Callable[[AlgorithmStatus | Exception], None]) -> None:
        """Tell the state of the engine, after all that is queued."""
        self.call(self.telling.status_of_model, deliver)

    async def tell_status(self) -> None:
        """Publish what is told from time to time; see `Telling.tell_status`."""
        await self.telling.tell_status(self._backlog_points)

    # What is kept

    async def _record(self, events: list[tuple[int, bytes]]) -> None:
        history, forgotten = self._services.store.history, self.hub.history.forgotten
        try:
            await history.record(self.key, events, forgotten)
        except StoreError as error:  # replay makes them again
            log.warning("history_not_kept", **self.key._asdict(), error=str(error))

    def remember(self, recovered: Recovered) -> None:
        """Take over what the recovery of the model has found beside it."""
        for event in recovered.events:
            self.hub.remember(event, self._services.clock.now())
        now = self._services.clock.monotonic()
        self._unsaved.add(recovered.points, recovered.journal_bytes, now)

    def save_if_due(self) -> None:
        """Save the model if it is time, beside everything else."""
        if self._unsaved.is_due(self._services.clock.monotonic()) and not self.broken:
            self._unsaved.clear()
            self.call(self._take_snapshot, self._save_soon)

    def _take_snapshot(self, model: StreamModel) -> tuple[int, bytes]:
        if self.broken:
            raise RuntimeError("the engine has failed; the model may be half of one")
        return model.offset, model.snapshot()

    def _save_soon(self, taken: tuple[int, bytes] | Exception) -> None:
        if isinstance(taken, Exception):
            log.error("snapshot_failed", **self.key._asdict(), error=repr(taken))
        else:
            self._start(self._save(*taken))

    async def _save(self, offset: int, snapshot: bytes) -> None:
        """Save a snapshot and forget the journal below the older of the two kept."""
        store, metrics = self._services.store, self._services.metrics
        try:
            await store.snapshots.save(self.key, offset, snapshot)
            kept = await store.snapshots.offsets(self.key)
            if len(kept) > 1:  # should the newest be damaged, the other has its journal
                await store.journal.truncate(self.key, kept[-1])
        except StoreError as error:
            metrics.count("ncs_snapshots_total", "failed")
            log.error("snapshot_failed", **self.key._asdict(), error=str(error))
        else:
            metrics.count("ncs_snapshots_total", "saved")

    # The end

    def stop(self) -> None:
        """Take no batch any more: another node shall have the stream."""
        self._is_leaving = True

    def abandon(self) -> None:
        """Stop at once and tell nothing more, for the stream may be another node's.

        What is being appended is decided by the store: it is applied and answered if it
        was durable while the stream was still ours.
        """
        self.stop()
        self.telling.close()
        waiting, self._pending = self._pending, deque()
        for batch in waiting:
            self._settle(batch, ElsewhereError())
        if not self._committing:
            self._note_committed()

    async def committed_all(self) -> None:
        """Wait until nothing is on its way into the journal."""
        await self._all_committed.wait()

    def _start(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Wait until all that was admitted is applied and saved."""
        await self.committed_all()
        await self.ask(lambda model: model.offset)  # all that is queued comes before
        self.telling.close()
        if self._unsaved and not self.broken:
            await self._save(*await self.ask(self._take_snapshot))
        while self._tasks:
            await asyncio.wait(self._tasks)


def _nothing() -> None:
    """Do nothing."""


def _nobody(outcome: Applied | NcsError) -> None:
    """Answer no one."""
