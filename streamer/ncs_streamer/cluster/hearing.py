"""What all nodes say to all others comes as bytes over the channel."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from ..logs import get_log
from ..store.contracts import StreamKey

__all__ = ["understood"]

_M = TypeVar("_M")

log = get_log()


def understood(
    kind: type[_M], hear: Callable[[_M], None]
) -> Callable[[StreamKey, bytes], None]:
    """Return what gives messages of a kind to `hear`, and leaves the others out."""
    decoder = msgspec.msgpack.Decoder(kind)

    def receive(key: StreamKey, payload: bytes) -> None:
        try:
            message = decoder.decode(payload)
        except msgspec.DecodeError as error:  # of another version
            log.warning("not_understood", said=key.stream, error=str(error))
        else:
            hear(message)

    return receive
