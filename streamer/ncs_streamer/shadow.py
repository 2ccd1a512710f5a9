"""Shadow engines: what a stream would look like with other parameters.

An engine with the parameters in force and one for each configuration learn the same
points beside the live stream: its last batches out of the journal, points that the
asker gives, or both. The live model is asked for a copy at most. The work is done in
slices of milliseconds in the background of the engine threads, within a budget of
processor time, and ends when the asker is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from ncs_engine import EngineParams
from ncs_protocol import Block, Code, NcsError
from ncs_protocol.messages import ClusterInfo

from .clock import Clock
from .comparison import Agreement, Comparison, Outcome
from .entry import Entry
from .last_entries import last_entries
from .metrics import Metrics
from .recovery import read_ahead
from .replay import Replay
from .slices import Slices
from .store.contracts import Store, StoreError, StreamKey
from .stream import Stream
from .stream_model import StreamModel
from .threads import FairThreads

__all__ = ["Question", "ShadowBounds", "Shadows", "Verdict"]

_PART = 1000  # points given that are learned in one step
_MOST_AT_ONCE = 8
_ATTEMPTS = 3
_RETRY_S = 1.0


@dataclasses.dataclass(frozen=True, slots=True)
class ShadowBounds:
    """What one question, and one tenant, may take."""

    at_once: int
    """Questions of one tenant that are worked on together."""
    cpu_s: float
    """Processor time of one."""
    patience_s: float = 20.0
    """Time that one may take while others are served first."""
    journal_bytes: int = 32 * 1024 * 1024
    """Of the stream's own batches that one looks at."""


@dataclasses.dataclass(frozen=True, slots=True)
class Question:
    """What is to be tried on which points."""

    key: StreamKey
    stream: Stream | None
    """None if it never had a point."""
    defaults: EngineParams
    """Parameters of a stream that never had a point."""
    tried: list[dict[str, Any]]
    """Changes of the parameters in force, checked."""
    start: Literal["model", "empty"]
    last_points: int
    block: Block | None
    truth: NDArray[np.int64] | None
    """int64 (n,): classes of the points of `block`."""


@dataclasses.dataclass(slots=True)
class Verdict:
    """What came of a question."""

    comparison: Comparison
    first: int
    """Offset of the first batch of the stream that was replayed; 0 for none."""
    last: int
    truths: list[float] | None = None
    """Agreement with the classes, of the parameters in force and of each that was
    tried."""
    figures: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    """What came of the parameters in force, and of each that was tried."""
    clusters: list[list[ClusterInfo]] = dataclasses.field(default_factory=list)
    """The clusters of each of them, by id."""
    complete: bool = True
    """Whether all points were learned before the budget was used up."""
    cpu_s: float = 0.0

    @property
    def outcomes(self) -> list[Outcome]:
        """The parameters in force first."""
        return [self.comparison.in_force, *self.comparison.tried]


class Shadows:
    """Answers questions, so many at once. Belongs to the event loop's thread.

    Args:
        store: is only read.
        threads: shared with live streams, which come first.
        metrics: to count in.
        clock: for patience.
        bounds: of a question and of a tenant.
    """

    def __init__(
        self,
        store: Store,
        threads: FairThreads,
        metrics: Metrics,
        clock: Clock,
        bounds: ShadowBounds,
    ) -> None:
        self._store = store
        self._threads = threads
        self._metrics = metrics
        self._clock = clock
        self._bounds = bounds
        self._running: Counter[str] = Counter()

    async def answer(self, question: Question, gone: Callable[[], bool]) -> Verdict:
        """Try it.

        Args:
            question: with parameters and points that are checked.
            gone: whether nobody waits for the answer any more; asked again and again.

        Raises:
            NcsError: ``too_many_shadows``, ``overloaded``, ``no_points``,
                ``invalid_parameter``, ``dimension_mismatch``, ``shadow_too_long``.
            StoreError: if the store cannot be read.
            ConnectionError: if the asker is gone.
        """
        with self._place(question.key.tenant):
            work = Slices(
                self._threads.behind(question.key.tenant),
                self._bounds.cpu_s,
                self._clock.monotonic() + self._bounds.patience_s,
                self._clock,
                gone,
            )
            outcome = "failed"
            try:
                verdict = await _Trial(self._store, question, work, self._bounds).run()
                outcome = "complete" if verdict.complete else "cut"
                verdict.cpu_s = work.spent_s
                return verdict
            except (ConnectionError, asyncio.CancelledError):
                outcome = "left"
                raise
            except NcsError as error:
                if error.code.http_status < 500:
                    outcome = "refused"
                raise
            finally:
                self._metrics.count("ncs_shadows_total", outcome)
                self._metrics.count("ncs_shadow_cpu_seconds_total", by=work.spent_s)

    @contextlib.contextmanager
    def _place(self, tenant: str) -> Iterator[None]:
        if self._running[tenant] >= self._bounds.at_once:
            raise NcsError(
                Code.TOO_MANY_SHADOWS,
                f"{self._bounds.at_once} questions of this tenant are being worked on",
                retry_after_s=_RETRY_S,
            )
        if self._running.total() >= _MOST_AT_ONCE:
            raise NcsError(Code.OVERLOADED, retry_after_s=_RETRY_S)
        self._running[tenant] += 1
        self._metrics.add("ncs_shadows_running", 1)
        try:
            yield
        finally:
            self._metrics.add("ncs_shadows_running", -1)
            self._running[tenant] -= 1
            if not self._running[tenant]:
                del self._running[tenant]


class _Trial:
    """One question on its way."""

    def __init__(
        self, store: Store, question: Question, work: Slices, bounds: ShadowBounds
    ) -> None:
        self._store = store
        self._question = question
        self._work = work
        self._bounds = bounds

    async def run(self) -> Verdict:
        """Return what came of it; see `Shadows.answer`."""
        question, work = self._question, self._work
        model, entries = await self._beginning()
        if not entries and question.block is None:
            raise self._without_points()
        comparison = await work.call(self._compared, model)
        first, last = (entries[0][0], entries[-1][0]) if entries else (0, 0)
        verdict = Verdict(comparison, first, last)
        verdict.complete = await work.do(self._replayed(comparison, entries))
        if verdict.complete and question.block is not None:
            verdict.complete = await work.do(self._given(verdict, question.block))
        if not comparison.in_force.points:
            raise self._without_points()
        await work.do(_judged(verdict))
        return verdict

    def _without_points(self) -> NcsError:
        what = f"stream {self._question.key.stream!r} has no points to be replayed"
        return NcsError(Code.NO_POINTS, what, field="points")

    # Where it begins

    async def _beginning(self) -> tuple[StreamModel, list[tuple[int, Entry]]]:
        """Return a model, and the batches that follow it."""
        question = self._question
        stream, entries = question.stream, list[tuple[int, Entry]]()
        if stream is not None and stream.broken:
            what = "the engine of this stream has failed"
            raise NcsError(Code.INTERNAL_ERROR, what)
        if stream is not None and question.last_points:
            entries = await last_entries(
                self._store,
                question.key,
                question.last_points,
                self._bounds.journal_bytes,
                self._work.call,
            )
        if question.start == "empty":
            return await self._empty(entries)
        if entries:
            return await self._led_to(entries)
        if stream is None:
            return StreamModel(question.key.stream, "", question.defaults), []
        snapshot = await stream.ask(StreamModel.snapshot)
        return await self._work.call(StreamModel.restore, snapshot), []

    async def _empty(
        self, entries: list[tuple[int, Entry]]
    ) -> tuple[StreamModel, list[tuple[int, Entry]]]:
        """Return a new model with the present parameters, and batches without any."""
        question = self._question
        params = question.defaults
        if question.stream is not None:
            params = await question.stream.ask(lambda model: model.engine.params)
        model = StreamModel(question.key.stream, "", params)
        if entries:
            model.offset = entries[0][0] - 1
        bare = [(at, msgspec.structs.replace(e, params=None)) for at, e in entries]
        return model, bare

    async def _led_to(
        self, entries: list[tuple[int, Entry]]
    ) -> tuple[StreamModel, list[tuple[int, Entry]]]:
        """Return the model just before the batches, or before those it leads to."""
        for _ in range(_ATTEMPTS):
            model = await self._nearest(entries[0][0])
            if model is None:
                raise StoreError("no snapshot leads to the end of the journal")
            led = await self._lead(model, entries[0][0] - 1)
            if led and (following := [e for e in entries if e[0] > model.offset]):
                return model, following
        raise StoreError("the server saves faster than the journal can be followed")

    async def _nearest(self, first: int) -> StreamModel | None:
        """Return the last model that is kept from before `first`, or the first one."""
        key, store = self._question.key, self._store
        kept, found = await store.snapshots.load(key), None
        for offset, payload in kept:
            with contextlib.suppress(ValueError):  # damaged; another one may do
                found = await self._work.call(StreamModel.restore, payload)
                if offset < first:
                    return found
        begin = await store.journal.read(key, 0, 1)
        if begin and begin[0][0] == 1:
            return StreamModel(key.stream, "", EngineParams())
        return found

    async def _lead(self, model: StreamModel, through: int) -> bool:
        """Bring the model on to `through`; return False if the journal was cut."""
        key, store = self._question.key, self._store
        if model.offset >= through:
            return True
        replay = Replay(model, key, store.place)
        async with contextlib.aclosing(read_ahead(store, key, model.offset)) as chunks:
            async for chunk in chunks:
                if chunk[0][0] != model.offset + 1:
                    return False
                led = [(at, payload) for at, payload in chunk if at <= through]
                if not await self._work.do(_led(replay, led)):
                    raise self._too_long()
                if model.offset >= through:
                    return True
        return False

    def _too_long(self) -> NcsError:
        if not self._work.is_spent:
            return NcsError(Code.OVERLOADED, retry_after_s=_RETRY_S)
        return NcsError(
            Code.SHADOW_TOO_LONG,
            f"{self._bounds.cpu_s:g} s of processor time were used up on the way from"
            " the last snapshot to the first of the points; start empty",
        )

    # What is done on a thread

    def _compared(self, model: StreamModel) -> Comparison:
        try:
            return Comparison(model, self._question.tried)
        except ValueError as error:
            what = f"{error}, or let the shadow start empty"
            raise NcsError(Code.INVALID_PARAMETER, what, field="params") from None

    def _replayed(
        self, comparison: Comparison, entries: list[tuple[int, Entry]]
    ) -> Iterator[bool]:
        for offset, entry in entries:
            for _ in comparison.steps(offset, entry):
                yield False
            yield comparison.in_force.points > 0  # some are compared, whatever it takes

    def _given(self, verdict: Verdict, block: Block) -> Iterator[bool]:
        """Learn the points that were given, in parts, and note how they agree."""
        comparison = verdict.comparison
        model, truth = comparison.in_force.model, self._question.truth
        known = model.engine.dimension
        if known not in (None, block.shape[1]):
            raise NcsError(
                Code.DIMENSION_MISMATCH,
                f"points have {block.shape[1]} dimensions, the stream has {known}",
            )
        agreements = [Agreement() for _ in verdict.outcomes]
        for begin in range(0, len(block), _PART):
            part = slice(begin, begin + _PART)
            entry = Entry(kind="points", ingest_ns=0, points=block[part])
            for _ in comparison.steps(model.offset + 1, entry):
                yield False
            if truth is not None:
                for agreement, side in zip(agreements, verdict.outcomes, strict=True):
                    assert side.last is not None and side.last.result is not None
                    agreement.add(truth[part], side.last.result.cluster_ids)
                verdict.truths = [agreement.value for agreement in agreements]
            yield True


def _led(replay: Replay, payloads: list[tuple[int, bytes]]) -> Iterator[bool]:
    for offset, payload in payloads:
        replay.step(offset, payload)
        yield True


def _judged(verdict: Verdict) -> Iterator[bool]:
    for outcome in verdict.outcomes:
        silhouette = verdict.comparison.silhouette(outcome)
        verdict.figures.append(outcome.as_dict() | {"silhouette": silhouette})
        verdict.clusters.append(outcome.model.view().clusters)
        yield False
