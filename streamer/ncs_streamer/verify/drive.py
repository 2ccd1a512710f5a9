"""Producers and readers: the ordinary client, with its messages taken down."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import random
from collections.abc import Sequence
from typing import Any

from ncs_client import ClusterView, ConnectionEndedError, StreamSession
from ncs_client.backoff import Backoff
from ncs_client.connection import Outgoing
from ncs_client.core import Batch, ClientCore
from ncs_protocol.messages import Ack, ClientMessage, Points, ServerMessage, Welcome

from .batches import Batches
from .judge import Model
from .ledger import ReaderLedger, Record, take_down

__all__ = ["EPOCH", "STREAM", "Load", "Reader", "open_session", "produce", "resume_of"]

STREAM = "verify"
EPOCH = 1
"""Of every producer, in every life: it is the same sender, and numbers go on."""
_WINDOW = 32
_BURSTS = (1, 1, 1, 5)  # batches at once: those that come together are joined
_AGAIN_TOGETHER = 50  # at most, with new ones right behind: some of a buffer are known
_ALONE = 0.2  # of the times just one is
_AGAIN = 0.1  # batches after which one that is in the model is offered again


@dataclasses.dataclass(frozen=True, slots=True)
class Load:
    """What one producer does.

    Attributes:
        url: address of `/ws`, or of the server for a gateway.
        token: its credential.
        name: the producer's.
        batches: what it sends.
        per_second: batches a second.
        codec: `json` or `msgpack`.
    """

    url: str
    token: str
    name: str
    batches: Batches
    per_second: float
    codec: str


async def produce(load: Load, record: Record, stop: asyncio.Event) -> None:
    """Send batches, in order, until told to stop; return when all are acknowledged.

    Where an earlier life of the producer left off is asked of the server: what is
    not there yet is sent again, under its number.
    """
    draw = random.Random(load.batches.seed)  # noqa: S311 - no secret
    core = _ProducerCore(load.name, record)
    session = await open_session(load.url, load.token, core, load.codec)
    try:
        seq = core.last_seq
        while not stop.is_set():
            burst = draw.choice(_BURSTS)
            if core.acked and draw.random() < _AGAIN:
                seqs = range(draw.randint(1, core.acked), seq + 1)
                if len(seqs) > _AGAIN_TOGETHER or draw.random() < _ALONE:
                    seqs = seqs[:1]
                session.send_now([_resend(load, known, core) for known in seqs])
            for _ in range(burst):
                seq += 1
                await session.submit(_payload(load, seq), stream=STREAM)
            wait = draw.uniform(0.0, 2.0 * burst / load.per_second)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), wait)
        await session.drain()
    finally:
        await session.abort()


async def resume_of(url: str, token: str, producer: str) -> int:
    """Return where a server says that a producer stands."""
    core = ClientCore("", producer, EPOCH, [STREAM])
    session = await open_session(url, token, core, "json")
    try:
        assert session.welcome is not None
        return session.welcome.resume[STREAM].last_seq
    finally:
        await session.abort()


async def open_session(
    url: str, token: str, core: ClientCore, codec: str
) -> StreamSession:
    """Return a session, opened however long the server cannot be reached."""
    while True:
        session = StreamSession(
            url, token, codec=codec, backoff=Backoff(0.05, 0.5), core=core
        )
        try:
            await session.open()
        except ConnectionEndedError:
            await asyncio.sleep(0.05)
        else:
            return session


def _payload(load: Load, seq: int) -> Any:
    block = load.batches.block(seq)
    return block if load.codec == "msgpack" else block.tolist()


def _resend(load: Load, seq: int, core: _ProducerCore) -> ClientMessage:
    core.record.transmitted(seq)
    form = "array" if load.codec == "msgpack" else "points"
    return Points(seq=seq, id="again", stream=STREAM, **{form: _payload(load, seq)})


class _ProducerCore(ClientCore):
    """Takes down every batch that goes out and everything that comes in."""

    def __init__(self, name: str, record: Record) -> None:
        super().__init__("", name, EPOCH, [STREAM])
        self.record = record
        self.acked = 0
        self.last_seq = 0

    def receive(self, message: ServerMessage) -> Sequence[Outgoing]:
        take_down(self.record, STREAM, message)
        match message:
            case Welcome():
                self.last_seq = message.resume[STREAM].last_seq
                self.acked = max(self.acked, self.last_seq)
            case Ack():
                self.acked = max(self.acked, message.seq)
        return super().receive(message)

    def encode(self, batch: Batch) -> bytes:
        self.record.transmitted(batch.message.seq)
        return super().encode(batch)


class Reader:
    """Follows the stream and keeps a copy of its clusters.

    Args:
        url: address of `/ws`.
        token: its credential.
        ledger: where to take down what it is told.
        codec: `json` or `msgpack`.

    Attributes:
        view: the copy.
    """

    def __init__(self, url: str, token: str, ledger: ReaderLedger, codec: str) -> None:
        self.ledger = ledger
        self.view = ClusterView()
        self._moved = asyncio.Event()
        self._address = url, token
        self._codec = codec

    async def comes_to(self, model: Model, within_s: float) -> bool:
        """Wait until the copy is the model; return whether it became so."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self.copy().clusters != model.clusters:
                    self._moved.clear()
                    await self._moved.wait()
        return self.copy().clusters == model.clusters

    def copy(self) -> Model:
        """Return what the view has."""
        return Model.of(self.ledger.name, 0, self.view.clusters.values())

    async def run(self) -> None:
        """Follow until cancelled."""
        core = _ReaderCore(self.ledger)
        session = await open_session(*self._address, core, self._codec)
        session.max_queue = (
            10**9
        )  # whatever comes is taken, and memory is the machine's
        try:
            async for message in await session.subscribe(STREAM):
                self.view.apply(message)
                self._moved.set()
        finally:
            await session.abort()


class _ReaderCore(ClientCore):
    """Takes down everything that comes in."""

    def __init__(self, ledger: ReaderLedger) -> None:
        super().__init__("", f"reader-{ledger.name}", EPOCH, [])
        self._ledger = ledger

    def receive(self, message: ServerMessage) -> Sequence[Outgoing]:
        self._ledger.take_down(message)
        return super().receive(message)
