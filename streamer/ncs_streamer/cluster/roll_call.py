"""Producers of all nodes on the roll of each, wherever they are connected.

Each node tells the others which of its producers have come, gone or told of themselves,
once a second; and all of them every five, for who has just joined or missed something.
Those of a node that is not heard any more, or has begun another life, count as gone.
"""

from __future__ import annotations

import asyncio
import secrets

import msgspec

from ..clock import Clock
from ..logs import get_log
from ..presence import Registered, Roll
from ..store.contracts import Channel, StoreError, StreamKey
from .hearing import understood

__all__ = ["ROLL_CALL", "RollCall"]

ROLL_CALL = StreamKey("", "roll")
"""What all nodes hear; no tenant has that name."""

_INTERVAL_S = 1.0
_ALL_EVERY = 5  # times
_LOST_S = 3 * _ALL_EVERY * _INTERVAL_S
_AT_ONCE = 500  # producers in a message

log = get_log()


class _Call(msgspec.Struct, array_like=True):
    node: str
    life: str
    """Other with each start of the node."""
    producers: list[Registered]


class RollCall:
    """See the module. Belongs to the event loop's thread.

    Args:
        node: this one's name.
        channel: to the other nodes.
        roll: of this node.
        clock: for when who was heard.
    """

    def __init__(self, node: str, channel: Channel, roll: Roll, clock: Clock) -> None:
        self._node = node
        self._channel = channel
        self._roll = roll
        self._clock = clock
        self._changed: set[tuple[str, str]] = set()
        self._life = secrets.token_hex(8)
        self._heard: dict[str, tuple[str, float]] = {}
        roll.on_change = lambda *name: self._changed.add(name)

    async def listen(self) -> None:
        """Begin to hear the other nodes.

        Raises:
            StoreError: if the store fails.
        """
        await self._channel.subscribe(
            ROLL_CALL, understood(_Call, self._hear), lambda _: None
        )

    async def run(self) -> None:
        """Tell the other nodes until cancelled."""
        turn = 0
        while True:
            try:
                await self._tell(None if turn % _ALL_EVERY == 0 else self._changed)
            except StoreError as error:
                log.warning("roll_not_called", error=str(error))
            self._miss()
            turn += 1
            await asyncio.sleep(_INTERVAL_S)

    async def _tell(self, names: set[tuple[str, str]] | None) -> None:
        self._changed = set()
        if names is not None and not names:
            return
        told = self._roll.registered(names)
        await self._channel.publish(
            ROLL_CALL,
            [
                msgspec.msgpack.encode(
                    _Call(self._node, self._life, told[begin : begin + _AT_ONCE])
                )
                for begin in range(0, max(1, len(told)), _AT_ONCE)
            ],
        )

    def _hear(self, call: _Call) -> None:
        if call.node == self._node:
            return
        now = self._clock.now()
        known = self._heard.get(call.node)
        if known is not None and known[0] != call.life:
            self._roll.lost(call.node, now)
        self._heard[call.node] = call.life, self._clock.monotonic()
        for told in call.producers:
            self._roll.hear(call.node, told, now)

    def _miss(self) -> None:
        since = self._clock.monotonic() - _LOST_S
        for node in [node for node, (_, at) in self._heard.items() if at < since]:
            del self._heard[node]
            self._roll.lost(node, self._clock.now())
