"""Bringing a stream back: the newest good snapshot, then the journal after it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import secrets
from collections.abc import AsyncGenerator
from concurrent.futures import Executor

from ncs_engine import EngineParams
from ncs_protocol import MSGPACK, NcsError
from ncs_protocol.messages import Event

from .clock import Clock
from .entry import Entry, encode_entry
from .logs import get_log
from .replay import Divergence, Replay
from .store.contracts import Append, DamageError, Store, StreamKey
from .stream_model import Applied, StreamModel

__all__ = [
    "Progress",
    "Recovered",
    "begin_epoch",
    "newest_model",
    "read_ahead",
    "recover",
]

_CHUNK_ENTRIES = 256
_CHUNK_BYTES = 8 * 1024 * 1024
_LOG_S = 5.0

log = get_log()


@dataclasses.dataclass(slots=True)
class Progress:
    """How far the recovery of all streams is."""

    began: float
    """Monotonic."""
    streams: int
    entries: int
    """To be replayed."""
    streams_done: int = 0
    entries_done: int = 0
    points_done: int = 0
    logged: float = 0.0

    def note(self, replayed: list[Applied], now: float) -> None:
        """Count replayed entries, and log from time to time."""
        self.entries_done += len(replayed)
        self.points_done += sum(applied.accepted for applied in replayed)
        if now - max(self.began, self.logged) >= _LOG_S:
            self.logged = now
            log.info("recovering", **self.as_dict(now))

    def as_dict(self, now: float) -> dict[str, float | None]:
        """Return it in numbers, with a guess of the time that is left."""
        # More than thought when a damaged snapshot made way for an older one.
        share = min(1.0, self.entries_done / self.entries) if self.entries else 1.0
        elapsed = now - self.began
        left = round(elapsed / share - elapsed, 1) if share else None
        return {
            "streams_done": self.streams_done,
            "streams_total": self.streams,
            "entries_replayed": self.entries_done,
            "entries_total": self.entries,
            "points_replayed": self.points_done,
            "percent": round(100 * share, 1),
            "seconds": round(elapsed, 3),
            "eta_s": left,
        }


@dataclasses.dataclass(frozen=True, slots=True)
class Recovered:
    """A stream that is back."""

    model: StreamModel
    events: list[Event]
    """The lossless ones that are remembered, of the present epoch."""
    points: int
    """Replayed, so not in a snapshot yet."""
    journal_bytes: int
    """Replayed."""
    divergence: Divergence | None
    """The replay came to something else than was told; a new epoch was begun then."""


async def recover(
    store: Store,
    key: StreamKey,
    history_events: int,
    *,
    clock: Clock,
    progress: Progress,
    threads: Executor | None = None,
) -> Recovered:
    """Return the stream as it was.

    Args:
        store: open.
        key: of the stream.
        history_events: how many events to remember.
        clock: for durations, and the time of a new epoch.
        progress: to be kept.
        threads: where to replay; None takes the event loop's.

    Raises:
        DamageError: if what is stored does not suffice to bring the stream back.
    """
    began = clock.monotonic()
    replay = Replay(await newest_model(store, key), key, store.place)
    model = replay.model
    events = _remembered(key, await store.history.recent(key, model.lossless))
    loop = asyncio.get_running_loop()
    async with contextlib.aclosing(read_ahead(store, key, model.offset)) as chunks:
        async for chunk in chunks:
            applied = await loop.run_in_executor(threads, replay.run, chunk)
            events += [event for one in applied for event in one.events]
            del events[:-history_events]
            progress.note(applied, clock.monotonic())
    tail = await store.journal.tail(key)
    if model.offset < tail:
        raise replay.missing(f"the journal ends at {tail}, and it is not there")
    divergence = replay.divergences[-1] if replay.diverged else None
    if divergence is not None:
        _tell(key, divergence)
        await begin_epoch(store, key, model, int(clock.now() * 1e9))
    events = _gapless([e for e in events if e.epoch == model.epoch], model.lossless)
    seconds = round(clock.monotonic() - began, 3)
    log.info(
        "stream_recovered",
        **key._asdict(),
        offset=model.offset,
        replayed=replay.entries,
        points=replay.points,
        checked=replay.checked,
        seconds=seconds,
    )
    progress.streams_done += 1
    return Recovered(model, events, replay.points, replay.journal_bytes, divergence)


async def newest_model(store: Store, key: StreamKey) -> StreamModel:
    """Return the model of the newest good snapshot, or of none: a new one.

    Raises:
        DamageError: if no snapshot is good and the journal does not begin at its begin.
    """
    damage: DamageError | None = None
    for offset, payload in await store.snapshots.load(key):
        try:
            return StreamModel.restore(payload)
        except ValueError as error:
            damage = DamageError(
                *("snapshot_damaged", key, offset, store.place, str(error)),
                "The snapshot before it and the journal take its place where they can;"
                " put the data folder's backup back if they cannot",
            )
            log.error(
                "snapshot_damaged", **key._asdict(), offset=offset, error=str(damage)
            )
    if damage is not None:
        first = await store.journal.read(key, 0, 1)
        if not first or first[0][0] != 1:
            raise damage
    return StreamModel(key.stream, "", EngineParams())


async def read_ahead(
    store: Store, key: StreamKey, after: int
) -> AsyncGenerator[list[tuple[int, bytes]], None]:
    """Yield the journal in chunks, reading the next while one is worked off."""

    def read(after: int) -> asyncio.Task[list[tuple[int, bytes]]]:
        chunk = store.journal.read(key, after, _CHUNK_ENTRIES, _CHUNK_BYTES)
        return asyncio.ensure_future(chunk)

    ahead = read(after)
    try:
        while chunk := await ahead:
            ahead = read(chunk[-1][0])
            yield chunk
    finally:
        ahead.cancel()


async def begin_epoch(
    store: Store, key: StreamKey, model: StreamModel, ingest_ns: int
) -> None:
    """Let the stream go on in a new epoch: what was told before it no longer counts.

    Should the process end in between, the next one comes to the same place and does it
    again; only the events are gone by then, which nobody may ask for any more.
    """
    await store.history.clear(key)
    entry = Entry(
        kind="begin",
        ingest_ns=ingest_ns,
        epoch=secrets.token_hex(8),
        applied=model.checkpoint,
    )
    offset = model.offset + 1
    await store.journal.append([Append(key, offset, encode_entry(entry))])
    model.apply(offset, entry)
    await store.snapshots.save(key, offset, model.snapshot())


def _tell(key: StreamKey, divergence: Divergence) -> None:
    journal, replay = divergence.journal, divergence.replay
    more = {
        "tenant": key.tenant,
        "stream": key.stream,
        "offset": journal.offset,
        "journal_hash": journal.hash.hex(),
        "replay_hash": replay.hash.hex(),
        "journal_engine": journal.engine,
        "engine": replay.engine,
    }
    if divergence.is_expected:
        log.warning("replay_differs_by_engine", **more)
    else:
        log.error("replay_diverged", **more)


def _remembered(key: StreamKey, stored: list[tuple[int, bytes]]) -> list[Event]:
    events: list[Event] = []
    for offset, payload in stored:
        try:
            message = MSGPACK.decode_server(payload)
        except NcsError:
            message = None
        if isinstance(message, Event):
            events.append(message)
        else:
            log.warning("history_damaged", **key._asdict(), offset=offset)
    return events


def _gapless(events: list[Event], last: int) -> list[Event]:
    """Return the events at the end that lead to offset `last` without a gap.

    What was told just before a crash may not have been recorded.
    """
    found: list[Event] = []
    for event in reversed(events):
        if event.last != last - len(found):
            break
        found.append(event)
    return found[::-1]
