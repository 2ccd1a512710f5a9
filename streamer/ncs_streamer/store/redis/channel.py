"""Live events in Redis: a sharded channel for each stream.

What several callers publish while something is on its way goes together in the next
round trip. Who listens is told when the way was broken, see `ear`.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import struct
import time
from collections.abc import Callable, Sequence

from ...logs import get_log
from ..contracts import StoreError, StreamKey
from .call import Call
from .ear import Ear
from .keys import Keys
from .links import Links
from .primary import Primary

__all__ = ["RedisChannel"]

_BEAT_S = 1.0
_LENGTH = struct.Struct("<I")

log = get_log()


class _Listener:
    def __init__(
        self,
        key: StreamKey,
        receive: Callable[[StreamKey, bytes], None],
        missed: Callable[[StreamKey], None],
        is_heard: asyncio.Event,
    ) -> None:
        self.key = key
        self.receive = receive
        self.missed = missed
        self.is_heard = is_heard  # set once a server has confirmed


class _Parcel:
    """What goes together in one round trip."""

    def __init__(self) -> None:
        self.payloads: dict[StreamKey, list[bytes]] = {}
        self.results: dict[StreamKey, object] = {}
        self.sending: asyncio.Task[None] | None = None


class RedisChannel:
    """See `contracts`.

    Args:
        links: the ways to Redis.
        keys: the names.
        nonce: of this object, for its heartbeat.
        timeout_s: for a subscription to be confirmed.
    """

    def __init__(self, links: Links, keys: Keys, nonce: str, timeout_s: float) -> None:
        self._links = links
        self._keys = keys
        self._nonce = nonce
        self._timeout_s = timeout_s
        self._listeners: dict[bytes, _Listener] = {}
        self._ears: dict[Primary, Ear] = {}
        self._closing = asyncio.Event()
        self._stopping: set[asyncio.Task[None]] = set()
        self._parcel = _Parcel()
        self._turn = asyncio.Lock()
        self._beating: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin to listen."""
        self._regroup()
        self._beating = asyncio.create_task(self._beat())

    async def close(self) -> None:
        """End all of it."""
        # None is cancelled: redis-py leaks a socket that is being connected then.
        self._closing.set()
        tasks = [t for t in (self._beating, self._parcel.sending) if t is not None]
        await asyncio.gather(*tasks, *self._stopping, return_exceptions=True)
        await asyncio.gather(*(ear.stop() for ear in self._ears.values()))

    # Publishing

    async def publish(self, key: StreamKey, payloads: Sequence[bytes]) -> None:
        if not payloads:
            return
        parcel = self._parcel
        parcel.payloads.setdefault(key, []).extend(payloads)
        if parcel.sending is None:
            parcel.sending = asyncio.create_task(self._send(parcel))
        await asyncio.shield(parcel.sending)
        if isinstance(error := parcel.results[key], StoreError):
            raise error

    async def _send(self, parcel: _Parcel) -> None:
        async with self._turn:
            self._parcel = _Parcel()
            results = await self._links.run(
                [
                    Call.of("SPUBLISH", self._keys.live(key), _packed(payloads))
                    for key, payloads in parcel.payloads.items()
                ]
            )
            parcel.results = dict(zip(parcel.payloads, results, strict=True))

    # Listening

    async def subscribe(
        self,
        key: StreamKey,
        receive: Callable[[StreamKey, bytes], None],
        missed: Callable[[StreamKey], None],
    ) -> None:
        name = self._keys.live(key).encode()
        before = self._listeners.get(name)
        is_heard = asyncio.Event() if before is None else before.is_heard
        listener = _Listener(key, receive, missed, is_heard)
        self._listeners[name] = listener
        await self._ask(name)
        try:
            async with asyncio.timeout(self._timeout_s):
                await is_heard.wait()
        except TimeoutError:
            if self._listeners.get(name) is listener:
                await self.unsubscribe(key)
            raise StoreError(
                f"redis_unavailable: {self._links.place}: no answer to a subscription"
            ) from None

    async def _ask(self, name: bytes) -> None:
        with contextlib.suppress(StoreError):  # who has it will be known
            ear = self._ears.get(self._links.primary_of(name.decode()))
            if ear is not None:
                await ear.want(name)

    async def unsubscribe(self, key: StreamKey) -> None:
        name = self._keys.live(key).encode()
        self._listeners.pop(name, None)
        for ear in list(self._ears.values()):
            await ear.want_no_more(name)

    @property
    def heard_ago_s(self) -> float:
        if not self._ears:
            return math.inf
        return time.monotonic() - min(ear.heard_at for ear in self._ears.values())

    # What ears call

    def confirmed(self, name: bytes) -> None:
        """Take note that a server sends what is published in a channel."""
        listener = self._listeners.get(name)
        if listener is None:
            return
        if listener.is_heard.is_set():
            _safely(listener.missed, listener.key)
        listener.is_heard.set()

    def received(self, name: bytes, frame: bytes) -> None:
        """Hand on what came in a channel."""
        listener = self._listeners.get(name)
        if listener is not None:
            for payload in _unpacked(frame):
                _safely(listener.receive, listener.key, payload)

    async def moved(self) -> None:
        """See who has what by now, and listen there."""
        with contextlib.suppress(StoreError):
            await self._links.refresh()
        self._regroup()

    def _regroup(self) -> None:
        name = self._keys.heartbeat
        beats = self._links.everywhere(lambda number: name(self._nonce, number))
        for primary in self._ears.keys() - beats.keys():
            stopping = asyncio.create_task(self._ears.pop(primary).stop())
            self._stopping.add(stopping)
            stopping.add_done_callback(self._stopping.discard)
        wanted: dict[Primary, set[bytes]] = {primary: set() for primary in beats}
        for channel in self._listeners:
            with contextlib.suppress(StoreError, KeyError):
                wanted[self._links.primary_of(channel.decode())].add(channel)
        for primary, beat_name in beats.items():
            beat, own = beat_name.encode(), wanted[primary]
            ear = self._ears.get(primary)
            if ear is None:
                self._ears[primary] = Ear(self, primary, beat, own)
            elif (ear.heartbeat, ear.wanted) != (beat, own):
                ear.begin_anew(beat, own)

    async def _beat(self) -> None:
        while not self._closing.is_set():
            if self._ears.keys() != set(self._links.primaries()):
                self._regroup()
            beats = [ear.heartbeat.decode() for ear in self._ears.values()]
            # Whether it worked will be heard.
            await self._links.run([Call.of("SPUBLISH", beat, b"") for beat in beats])
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_BEAT_S):
                    await self._closing.wait()


def _safely(call: Callable[..., None], *args: object) -> None:
    try:
        call(*args)
    except Exception:  # one listener's trouble shall not be another's
        log.exception("listener_failed")


def _packed(payloads: Sequence[bytes]) -> bytes:
    return b"".join(
        part for payload in payloads for part in (_LENGTH.pack(len(payload)), payload)
    )


def _unpacked(frame: bytes) -> list[bytes]:
    found, at = [], 0
    while at < len(frame):
        (length,) = _LENGTH.unpack_from(frame, at)
        at += _LENGTH.size + length
        found.append(frame[at - length : at])
    return found
