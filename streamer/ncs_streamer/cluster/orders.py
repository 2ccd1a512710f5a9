"""What is said to all nodes at once, by one of them or by a command."""

from __future__ import annotations

import msgspec

from ..store.contracts import Channel, StreamKey

__all__ = ["CONTROL", "Order", "say"]

CONTROL = StreamKey("", "cluster")
"""What all nodes hear; no tenant has that name."""


class Order(msgspec.Struct, array_like=True):
    """What is said to all nodes."""

    what: str
    """`recheck`, `producer`, `move`, `drain`, `look` at the nodes anew."""
    node: str = ""
    """Whom it concerns; for `producer` and `recheck`, who says it."""
    tenant: str = ""
    name: str = ""
    """Of a stream or a producer."""
    at: float = 0.0
    """Epoch seconds: when the producer connected."""


async def say(channel: Channel, order: Order) -> None:
    """Say something to all nodes.

    Raises:
        StoreError: it was not said.
    """
    await channel.publish(CONTROL, [msgspec.msgpack.encode(order)])
