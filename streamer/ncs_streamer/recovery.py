"""Bringing a stream back: the newest good snapshot, then the journal after it."""

from __future__ import annotations

import asyncio

from ncs_engine import EngineParams
from ncs_protocol import MSGPACK
from ncs_protocol.messages import Event

from .entry import decode_entry
from .logs import get_log
from .sealed import DamagedError
from .store.contracts import Store, StoreError, StreamKey
from .stream_model import StreamModel

__all__ = ["recover"]

_READ_ENTRIES = 256

log = get_log()


async def recover(
    store: Store, key: StreamKey, history_events: int
) -> tuple[StreamModel, list[Event]]:
    """Return the model as it was, and the lossless events that are remembered.

    Raises:
        StoreError: if what is stored does not suffice to bring the stream back.
    """
    model = await _newest_snapshot(store, key)
    stored = await store.history.recent(key, model.lossless)
    events = [_event(payload) for _, payload in stored]
    replayed = 0
    while entries := await store.journal.read(key, model.offset, _READ_ENTRIES):
        events += await asyncio.to_thread(_replay, model, entries)
        replayed += len(entries)
        if replayed % (64 * _READ_ENTRIES) == 0:
            log.info("replaying", stream=key.stream, entries=replayed)
    tail = await store.journal.tail(key)
    if model.offset < tail:
        raise StoreError(
            f"stream {key.stream!r} of tenant {key.tenant!r}: the journal ends at"
            f" {tail}, but only {model.offset} can be reached from its snapshots"
        )
    log.info("stream_recovered", stream=key.stream, offset=tail, replayed=replayed)
    return model, events[-history_events:]


async def _newest_snapshot(store: Store, key: StreamKey) -> StreamModel:
    for offset, payload in await store.snapshots.load(key):
        try:
            return StreamModel.restore(payload)
        except ValueError as error:
            log.error(
                "snapshot_damaged", stream=key.stream, offset=offset, error=str(error)
            )
    return StreamModel(key.stream, "", EngineParams())


def _replay(model: StreamModel, entries: list[tuple[int, bytes]]) -> list[Event]:
    events: list[Event] = []
    for offset, payload in entries:
        if offset != model.offset + 1:
            raise StoreError(
                f"stream {model.stream!r}: journal entry {model.offset + 1} is missing"
            )
        try:
            entry = decode_entry(payload)
        except DamagedError as error:
            raise StoreError(
                f"stream {model.stream!r}: journal entry {offset} is damaged: {error}"
            ) from None
        events += model.apply(offset, entry).events
    return events


def _event(payload: bytes) -> Event:
    message = MSGPACK.decode_server(payload)
    assert isinstance(message, Event)
    return message
