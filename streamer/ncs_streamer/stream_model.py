"""One stream as a deterministic machine: journal entries in, model and events out.

Engine, producers' high-water marks and event numbers change together, entry by entry,
and are saved together: dedupe and model can never disagree, and a snapshot plus the
entries after it gives the same model, ids and event offsets as never having stopped.
It does no I/O and reads no clock.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import msgpack
import msgspec

from ncs_engine import Change, Cluster, Drift, Engine, EngineParams, LearnResult
from ncs_protocol.messages import (
    Cause,
    ClusterInfo,
    ClusterUpdate,
    ClusterUpdateEvent,
    DriftDetection,
    DriftDetectionEvent,
    Event,
    EventTimes,
)

from .entry import Entry
from .idempotency import Keys, Request
from .sealed import DamagedError, seal, unseal
from .state_hash import NO_HASH, Checkpoint, engine_name, next_hash

__all__ = [
    "READABLE_SNAPSHOTS",
    "SNAPSHOT_FORMAT",
    "Applied",
    "Mark",
    "StreamModel",
    "StreamView",
]

SNAPSHOT_FORMAT = 2
"""What is written: 2 has `hash`, `by`, `since` and `ingest_ns`."""

READABLE_SNAPSHOTS = (1, 2)


class Mark(msgspec.Struct):
    """How far a producer's batches are in the model."""

    epoch: int
    seq: int


class _Trace(msgspec.Struct):
    """The last batch that touched a cluster."""

    keyed: int
    """Offset of that change in the class `keyed`."""
    ingest_ns: int
    cause: Cause
    points: int = -1
    """That the engine had learned with it; -1 in snapshots of before it was kept."""


@dataclasses.dataclass(slots=True)
class Applied:
    """What an entry did."""

    offset: int
    accepted: int = 0
    """Points learned."""
    duplicate: bool = False
    result: LearnResult | None = None
    events: list[Event] = dataclasses.field(default_factory=list)
    """Lossless events, in order."""
    changes: list[Change] = dataclasses.field(default_factory=list)
    """Clusters that came or went."""
    refusal: str = ""
    """Why its parameters were not taken; nothing else was done then."""


@dataclasses.dataclass(slots=True)
class StreamView:
    """The model at an exact position, for a reader that begins."""

    offset: int
    lossless: int
    keyed: int
    clusters: list[ClusterInfo]
    statistics: dict[str, Any]


class StreamModel:
    """Applies entries in offset order.

    Attributes:
        stream: name of the stream, for its events.
        epoch: names this life of the stream; offsets of two epochs do not compare.
        offset: of the last entry applied.
        ingest_ns: when that one arrived, epoch nanoseconds; 0 if that is not known.
        marks: producer -> how far it is.
        keys: of requests that were applied.
        lossless: offset of the last lossless event.
        keyed: offset of the last change of a cluster, told or not.
        keyed_told: the last such offset that an event has covered.
        checkpoint: `offset`, the hash there and the engine; replaced and never changed,
            so that other threads may read it.
    """

    def __init__(self, stream: str, epoch: str, params: EngineParams) -> None:
        self.stream = stream
        self.epoch = epoch
        self.engine = Engine(params)
        self.offset = 0
        self.ingest_ns = 0
        self.marks: dict[str, Mark] = {}
        self.keys = Keys()
        self.lossless = 0
        self.keyed = 0
        self.keyed_told = 0
        self.checkpoint = Checkpoint(0, NO_HASH, engine_name())
        self._traces: dict[int, _Trace] = {}

    def apply(self, offset: int, entry: Entry) -> Applied:
        """Apply the entry at `offset`, which must be the one after the last."""
        assert offset == self.offset + 1
        applied = self._apply(offset, entry)
        state = next_hash(
            self.checkpoint.hash,
            offset,
            self.lossless,
            self.keyed,
            applied.result,
            applied.changes,
        )
        since = self.checkpoint.since
        self.checkpoint = Checkpoint(offset, state, engine_name(), since)
        return applied

    def _apply(self, offset: int, entry: Entry) -> Applied:
        self.offset = offset
        self.ingest_ns = entry.ingest_ns
        if entry.producer is not None and not self._advance(entry):
            return Applied(offset, duplicate=True)
        if entry.key is not None:
            if self.keys.find(entry.key, entry.digest) is not None:
                return Applied(offset, duplicate=True)
            self.keys.add(entry.key, Request(offset, entry.digest))
        cause = Cause(offset=offset, metadata=entry.metadata)
        if entry.producer is not None and not entry.is_relayed:
            cause.producer = entry.producer
            cause.from_seq, cause.to_seq = entry.from_seq, entry.seq
        applied = Applied(offset)
        if entry.kind == "begin":
            self.epoch = entry.epoch or self.epoch
        if entry.params is not None:
            try:
                self.engine.configure(**entry.params)
            except ValueError as error:
                applied.refusal = str(error)
                return applied
        if entry.kind == "points":
            applied.result = self.engine.learn(entry.block)
            applied.accepted = entry.count
            applied.changes = applied.result.changes
        elif entry.kind == "reset":
            applied.changes = self.engine.reset()
        if applied.result is not None:
            self._touch(applied.result.updated, cause, entry.ingest_ns)
        for change in applied.changes:
            applied.events.append(self._changed(change, cause, entry.ingest_ns))
        if applied.result is not None:
            for drift in applied.result.drift:
                applied.events.append(self._drifted(drift, cause, entry.ingest_ns))
        return applied

    def keyed_events(self) -> list[Event]:
        """Return one `cluster_update` for every cluster changed since the last call.

        Each stands for all changes of its cluster since then; in order of their offsets
        they cover the range without a gap.
        """
        return self.keyed_events_since(self.keyed_told, advance=True)

    def keyed_events_since(
        self, position: int, *, advance: bool = False
    ) -> list[Event]:
        """Return what `keyed_events` would had the last call been at `position`."""
        due = sorted(
            (trace.keyed, cluster)
            for cluster, trace in self._traces.items()
            if trace.keyed > position
        )
        infos = self._infos([cluster for _, cluster in due])
        events: list[Event] = []
        for keyed, cluster in due:
            trace = self._traces[cluster]
            event = ClusterUpdateEvent(
                stream=self.stream,
                delivery="keyed",
                epoch=self.epoch,
                key=cluster,
                data=_update(infos[cluster], "updated"),
                caused_by=trace.cause,
                times=_times(trace.ingest_ns),
            )
            _place(event, position + 1, keyed)
            events.append(event)
            position = keyed
        if advance:
            self.keyed_told = position
        return events

    def view(self) -> StreamView:
        """Return the model as it is.

        Its position may be ahead of what readers have been told.
        """
        infos = self._infos(None)
        return StreamView(
            offset=self.offset,
            lossless=self.lossless,
            keyed=self.keyed,
            clusters=[infos[cluster] for cluster in sorted(infos)],
            statistics=self.engine.statistics(),
        )

    def snapshot(self) -> bytes:
        """Return the whole state, for `restore`."""
        state = {
            "stream": self.stream,
            "epoch": self.epoch,
            "offset": self.offset,
            "hash": self.checkpoint.hash,
            "by": self.checkpoint.engine,
            "since": self.checkpoint.since,
            "ingest_ns": self.ingest_ns,
            "marks": {name: [m.epoch, m.seq] for name, m in self.marks.items()},
            "keys": self.keys.state(),
            "lossless": self.lossless,
            "keyed": self.keyed,
            "keyed_told": self.keyed_told,
            "traces": [
                [cluster, msgspec.to_builtins(trace)]
                for cluster, trace in self._traces.items()
            ],
            "engine": self.engine.snapshot(),
        }
        packed: bytes = msgpack.packb(state)
        return seal(SNAPSHOT_FORMAT, packed)

    @classmethod
    def restore(cls, snapshot: bytes) -> StreamModel:
        """Return the model that gave `snapshot`.

        Raises:
            ValueError: if the bytes are damaged or of an unknown format.
        """
        try:
            state = msgpack.unpackb(unseal(snapshot, READABLE_SNAPSHOTS))
        except DamagedError as error:
            raise ValueError(f"stream snapshot: {error}") from None
        self = cls(state["stream"], state["epoch"], EngineParams())
        self.engine = Engine.restore(state["engine"])
        for name in ("offset", "lossless", "keyed", "keyed_told"):
            setattr(self, name, state[name])
        self.ingest_ns = state.get("ingest_ns", 0)
        since = state.get("since", self.offset)
        state_hash = state.get("hash", NO_HASH)
        self.checkpoint = Checkpoint(self.offset, state_hash, engine_name(), since)
        self.marks = {name: Mark(*mark) for name, mark in state["marks"].items()}
        self.keys = Keys.restore(state.get("keys", []))
        self._traces = {
            cluster: msgspec.convert(trace, _Trace)
            for cluster, trace in state["traces"]
        }
        for trace in self._traces.values():
            if trace.points < 0:
                trace.points = self.engine.points_learned
        return self

    def _advance(self, entry: Entry) -> bool:
        """Move the producer's mark on; return whether the entry is new to the model."""
        assert entry.producer is not None
        mark = self.marks.get(entry.producer)
        # Of several frames the first one counts: `Admission` lets no range overlap what
        # is known, and were there one, nothing of it would be taken twice.
        if mark is not None and (mark.epoch, mark.seq) >= (
            entry.producer_epoch,
            entry.from_seq,
        ):
            return False
        self.marks[entry.producer] = Mark(entry.producer_epoch, entry.seq)
        return True

    def _touch(self, clusters: list[int], cause: Cause, ingest_ns: int) -> None:
        points = self.engine.points_learned
        for cluster in clusters:
            self.keyed += 1
            self._traces[cluster] = _Trace(self.keyed, ingest_ns, cause, points)

    def _changed(self, change: Change, cause: Cause, ingest_ns: int) -> Event:
        update = ClusterUpdate(
            cluster_id=change.cluster_id,
            change=change.kind,
            size=change.size,
            quality=0.0,
        )
        if change.kind in ("merged", "removed"):
            self._traces.pop(change.cluster_id, None)
            update.merged_into = change.other
        else:
            # A batch may hold many density steps, and what was born in one of them may
            # be gone by its end; then the event says only what is known for certain.
            info = self._infos([change.cluster_id]).get(change.cluster_id)
            if info is not None:
                update = _update(info, change.kind)
            update.split_from = change.other
        self.lossless += 1
        return ClusterUpdateEvent(
            stream=self.stream,
            delivery="lossless",
            epoch=self.epoch,
            offset=self.lossless,
            key=change.cluster_id,
            data=update,
            caused_by=cause,
            times=_times(ingest_ns),
        )

    def _drifted(self, drift: Drift, cause: Cause, ingest_ns: int) -> Event:
        self.lossless += 1
        return DriftDetectionEvent(
            stream=self.stream,
            delivery="lossless",
            epoch=self.epoch,
            offset=self.lossless,
            data=DriftDetection(
                severity=drift.severity,
                affected_clusters=list(drift.affected_clusters),
                recommendation=drift.recommendation,
                statistic=drift.statistic,
                detector=drift.detector,
            ),
            caused_by=cause,
            times=_times(ingest_ns),
        )

    def _infos(self, clusters: list[int] | None) -> dict[int, ClusterInfo]:
        return {
            cluster.cluster_id: self._info(cluster)
            for cluster in self.engine.clusters(clusters)
        }

    def _info(self, cluster: Cluster) -> ClusterInfo:
        trace = self._traces[cluster.cluster_id]
        # The engine's age goes on by itself. What is told changes only with an event,
        # so that a copy which is told nothing is still equal.
        quiet = self.engine.points_learned - trace.points
        return ClusterInfo(
            cluster_id=cluster.cluster_id,
            size=cluster.size,
            centroid=cluster.centroid.tolist(),
            radius=cluster.radius,
            quality=cluster.quality,
            confidence=cluster.confidence,
            health=cluster.health,
            drift_coefficient=cluster.drift_coefficient,
            age=cluster.age - quiet,
            last_updated=trace.ingest_ns / 1e9,
        )


def _update(info: ClusterInfo, change: Any) -> ClusterUpdate:
    fields = {name: getattr(info, name) for name in info.__struct_fields__}
    return ClusterUpdate(change=change, **fields)


def _times(ingest_ns: int) -> EventTimes:
    return EventTimes(ingest=ingest_ns / 1e9, emitted=0.0)


def _place(event: Event, first: int, last: int) -> None:
    if first == last:
        event.offset = last
    else:
        event.from_, event.to = first, last
