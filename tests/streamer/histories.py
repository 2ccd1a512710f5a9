"""Histories of streams for the tests of replay and recovery, and what keeps them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from ncs_engine import EngineParams
from ncs_protocol.messages import Event
from ncs_streamer.clock import Clock
from ncs_streamer.entry import Entry, encode_entry
from ncs_streamer.recovery import Progress, Recovered, recover
from ncs_streamer.store import Append, Store, StreamKey
from ncs_streamer.stream_model import StreamModel

KEY = StreamKey("acme", "s")
SECOND = 10**9


def entries_of(seed: int) -> Iterator[Entry]:
    """Yield a stream without end: batches of all sizes, and all that comes between.

    Clusters come, go, merge and split; producers and requests come again;
    parameters change, also to what cannot be; and now and then everything is reset.
    """
    rng = np.random.default_rng(seed)
    params = EngineParams(max_clusters=int(rng.choice([3, 1000]))).as_dict()
    yield Entry(kind="begin", ingest_ns=0, epoch="e1", params=params)
    centres, dimension = rng.normal(0, 10, (5, 3)), 3
    seqs = {"a": 0, "b": 0}
    for number in itertools.count(1):
        if rng.random() < 0.1:
            centres = rng.normal(0, rng.choice([2.0, 10.0, 100.0]), (5, dimension))
        size = int(rng.choice([1, 7, 40, 120]))
        points = centres[rng.integers(5, size=size)] + rng.normal(
            size=(size, dimension)
        )
        who: dict[str, Any] = {}
        if rng.random() < 0.8:
            producer = str(rng.choice(["a", "b"]))
            seqs[producer] += rng.random() < 0.8  # else it is a duplicate
            who = {"producer": producer, "producer_epoch": 1, "seq": seqs[producer]}
        elif rng.random() < 0.5:
            who = {"key": f"key-{rng.integers(4)}", "digest": b"\0\xff"}
        if rng.random() < 0.3:
            who |= {"metadata": {"number": number}}
        at = number * SECOND
        points = points.astype(rng.choice(["f4", "f8"]))
        yield Entry(kind="points", ingest_ns=at, points=points, **who)
        match int(rng.integers(12)):
            case 0:
                yield Entry(kind="reset", ingest_ns=at)
                dimension = int(rng.integers(1, 5))
                centres = rng.normal(0, 10, (5, dimension))
            case 1 | 2:
                changes = {"base_threshold": float(rng.choice([0.5, 0.9, 7.0]))}
                yield Entry(kind="configure", ingest_ns=at, params=changes)


class Live:
    """A stream that is journaled and applied as a server does it.

    Args:
        store: open.
        history_events: lossless events to keep.
    """

    def __init__(self, store: Store, history_events: int = 20) -> None:
        self.store = store
        self.history_events = history_events
        self.model = StreamModel(KEY.stream, "e1", EngineParams())
        self.events: list[Event] = []
        self._checkpoints = [self.model.checkpoint]

    async def take(self, entry: Entry, in_flight: int = 0) -> None:
        """Journal an entry and apply it, admitted while others were in flight."""
        offset = self.model.offset + 1
        entry.applied = self._checkpoints[
            max(0, len(self._checkpoints) - 1 - in_flight)
        ]
        payload = encode_entry(entry)
        await self.store.journal.append([Append(KEY, offset, payload)])
        events = self.model.apply(offset, entry).events
        self._checkpoints.append(self.model.checkpoint)
        self.events += events

    async def save(self) -> None:
        """Save the model, and forget the journal below the older of two."""
        await self.store.snapshots.save(KEY, self.model.offset, self.model.snapshot())
        kept = await self.store.snapshots.offsets(KEY)
        if len(kept) > 1:
            await self.store.journal.truncate(KEY, kept[-1])

    def restarted(self, recovered: Recovered) -> Live:
        """Return the stream that goes on from what was recovered."""
        again = Live(self.store, self.history_events)
        again.model = recovered.model
        again.events = [*recovered.events]
        again._checkpoints = [recovered.model.checkpoint]
        return again


async def recovered(store: Store, history_events: int = 20) -> Recovered:
    """Recover the stream."""
    return await recover(
        store,
        KEY,
        history_events,
        clock=Clock(lambda: 1e9, lambda: 0.0),
        progress=Progress(0.0, 1, 1),
    )
