"""Looking into what is stored of a stream, without a server.

The commands `ncs replay`, `ncs snapshot` and `ncs journal` stand on it.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import AsyncGenerator

import msgpack

from ncs_engine import EngineParams

from .recovery import read_ahead
from .replay import Replay
from .sealed import unseal
from .state_hash import Checkpoint
from .store.contracts import Store, StoreError, StreamKey
from .stream_model import READABLE_SNAPSHOTS, StreamModel

__all__ = [
    "SnapshotInfo",
    "begin_replay",
    "describe",
    "entries_between",
    "model_at",
    "newest_good",
]


@dataclasses.dataclass(frozen=True, slots=True)
class SnapshotInfo:
    """What a snapshot says of itself."""

    format: int
    stream: str
    epoch: str
    offset: int
    checkpoint: Checkpoint | None
    """What a replay has to come to at its offset; None for format 1."""
    ingest_ns: int | None
    """When the last entry in it arrived."""
    bytes: int
    producers: int
    """Whose marks it holds."""


def describe(payload: bytes) -> SnapshotInfo:
    """Return what a stream's snapshot says of itself.

    Raises:
        DamagedError: a ValueError, if it is damaged or of an unknown format.
    """
    state = msgpack.unpackb(unseal(payload, READABLE_SNAPSHOTS))
    return SnapshotInfo(
        format=payload[0],
        stream=state["stream"],
        epoch=state["epoch"],
        offset=state["offset"],
        checkpoint=None
        if "hash" not in state
        else Checkpoint(state["offset"], state["hash"], state["by"], state["since"]),
        ingest_ns=state.get("ingest_ns"),
        bytes=len(payload),
        producers=len(state["marks"]),
    )


async def begin_replay(store: Store, key: StreamKey, first: int | None) -> Replay:
    """Return a replay that is just before `first`, or as early as one can begin.

    It begins at the newest good snapshot before it, or at the begin of the journal.

    Raises:
        StoreError: if nothing that is kept leads there.
    """
    entries = await store.journal.read(key, 0, 1)
    journal_first = entries[0][0] if entries else await store.journal.tail(key) + 1
    models = await _models(store, key, journal_first)
    if not models:
        raise StoreError(
            f"nothing that is kept leads to the journal of stream {key.stream!r} of"
            f" tenant {key.tenant!r}, which begins at offset {journal_first}"
        )
    saved = models[-1].offset
    if first is None:
        return Replay(models[0], key, store.place, saved=saved)
    before = [model for model in models if model.offset < first]
    if not before:
        raise StoreError(
            f"the journal below offset {models[0].offset} is no longer there; the first"
            f" offset that can be replayed is {models[0].offset + 1}"
        )
    replay = Replay(before[-1], key, store.place, saved=saved)
    async for offset, payload in entries_between(
        store, key, before[-1].offset, first - 1
    ):
        replay.step(offset, payload)
    if replay.model.offset != first - 1:
        raise StoreError(f"the journal ends at offset {replay.model.offset}")
    return replay


async def model_at(store: Store, key: StreamKey, offset: int) -> StreamModel:
    """Return the model as it was at `offset`.

    Raises:
        StoreError: as `begin_replay`.
    """
    return (await begin_replay(store, key, offset + 1)).model


async def newest_good(store: Store, key: StreamKey) -> int:
    """Return the offset of the newest good snapshot, 0 if there is none."""
    for offset, payload in await store.snapshots.load(key):
        with contextlib.suppress(ValueError):
            StreamModel.restore(payload)
            return offset
    return 0


async def entries_between(
    store: Store, key: StreamKey, after: int, through: int
) -> AsyncGenerator[tuple[int, bytes], None]:
    """Yield (offset, payload) behind `after` up to `through`, as they are stored.

    Raises:
        StoreError: if a running server has deleted what was to be read next.
    """
    previous = None
    async with contextlib.aclosing(read_ahead(store, key, after)) as chunks:
        async for chunk in chunks:
            for offset, payload in chunk:
                if offset > through:
                    return
                if previous is not None and offset != previous + 1:
                    oldest = min(await store.snapshots.offsets(key), default=0)
                    if oldest > previous:
                        raise StoreError(
                            "the server has saved a newer model meanwhile, and deleted"
                            f" the journal up to offset {oldest}; run it again"
                        )
                previous = offset
                yield offset, payload


async def _models(
    store: Store, key: StreamKey, journal_first: int
) -> list[StreamModel]:
    """Return the models from which a replay can begin, the earliest first."""
    models = [StreamModel(key.stream, "", EngineParams())] if journal_first == 1 else []
    for _, payload in reversed(await store.snapshots.load(key)):
        try:
            model = StreamModel.restore(payload)
        except ValueError:
            continue  # another one, or the journal, may lead there
        if model.offset >= journal_first - 1:
            models.append(model)
    return models
