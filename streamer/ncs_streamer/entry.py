"""The journal entry: what one batch, reset or change of parameters was, as bytes.

It is sealed MessagePack; the points are kept as the packed array that they arrived as.
"""

from __future__ import annotations

from typing import Any, Literal

import msgpack
import msgspec
import numpy as np

from ncs_protocol import EXT_NDARRAY, Block, NcsError, pack, unpack

from .sealed import DamagedError, seal, unseal
from .state_hash import Checkpoint

__all__ = ["ENTRY_FORMAT", "NODE", "Entry", "decode_entry", "encode_entry"]

ENTRY_FORMAT = 3
"""What is written: 2 has `applied`, 3 has `first_seq`."""

NODE = "@"
"""With it begins the name under which a node sends on; see `Entry.is_relayed`."""

_READABLE = (1, 2, 3)
_AS_THEY_ARE = (np.ndarray, bytes)


class Entry(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One step of a stream's history."""

    kind: Literal["begin", "points", "reset", "configure"]
    ingest_ns: int
    """Server time of arrival, epoch nanoseconds."""
    producer: str | None = None
    """None for a sender that asked for no exactly-once delivery."""
    producer_epoch: int = 0
    seq: int = 0
    first_seq: int | None = None
    """Where the entry is of several frames of the producer: the first one's seq, and
    `seq` is the last one's."""
    points: Any = None
    """The block, float32 or float64 (n, d); for `points`."""
    timestamps: list[int] | None = None
    """Event time per point, epoch nanoseconds."""
    event_time: int | None = None
    """Event time of the batch, epoch nanoseconds."""
    metadata: dict[str, Any] | None = None
    params: dict[str, Any] | None = None
    """Engine parameters: all of them for `begin`, those to change for `configure`, and
    those to change before the points are learned for `points`."""
    key: str | None = None
    """Idempotency-Key of the request."""
    digest: bytes = b""
    """Of the request's body, if there is a key."""
    epoch: str | None = None
    """The stream's epoch; for `begin`, which is the first entry of every stream and of
    every epoch of it."""
    applied: Checkpoint | None = None
    """How far the model was when this entry was admitted; a replay has to agree."""

    @property
    def block(self) -> Block:
        """The points of a `points` entry."""
        block: Block = self.points
        return block

    @property
    def count(self) -> int:
        """Number of points."""
        return 0 if self.points is None else len(self.points)

    @property
    def is_relayed(self) -> bool:
        """Whether a node sent it on for a sender without a name, under its own.

        No name of a client begins like that. The node counts through, over all its
        senders, so that it may send again what was not answered; a batch that was
        refused leaves a gap.
        """
        return self.producer is not None and self.producer.startswith(NODE)

    @property
    def from_seq(self) -> int:
        """The seq of its first frame."""
        return self.seq if self.first_seq is None else self.first_seq

    @property
    def frames(self) -> int:
        """Number of frames that it was made of."""
        return self.seq - self.from_seq + 1

    def part(self, begin: int, end: int, seq: int) -> Entry:
        """Return the entry for one frame of it, which has these points."""
        times = None if self.timestamps is None else self.timestamps[begin:end]
        points = self.block[begin:end]
        return msgspec.structs.replace(
            self, first_seq=None, seq=seq, points=points, timestamps=times
        )


def encode_entry(entry: Entry) -> bytes:
    """Return the bytes of `entry`."""
    fields = msgspec.to_builtins(entry, builtin_types=_AS_THEY_ARE)
    body: bytes = msgpack.packb(fields, default=_pack_array)
    return seal(ENTRY_FORMAT, body)


def decode_entry(payload: bytes) -> Entry:
    """Return the entry in `payload`.

    Raises:
        DamagedError: if the bytes are not those of an entry of a readable format.
    """
    body = unseal(payload, _READABLE)
    try:
        return msgspec.convert(msgpack.unpackb(body, ext_hook=_unpack_array), Entry)
    except (ValueError, NcsError, msgpack.UnpackException) as error:
        raise DamagedError(f"not an entry: {error}") from None


def _pack_array(value: Any) -> msgpack.ExtType:
    return msgpack.ExtType(EXT_NDARRAY, pack(value))


def _unpack_array(code: int, payload: bytes) -> Any:
    return unpack(payload)
