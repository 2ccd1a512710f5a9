"""A rolling hash over what each entry of a stream did, and which engine did it.

Replaying a journal has to give the model that was there before. Each journal entry
says how far the model was when it was admitted, and the hash there; a replay that comes
to another hash at that offset has come to another model. The hash is over outcomes and
not over the model's state: that is what was told, and costs a hundredth of the
learning.
"""

from __future__ import annotations

import functools
import hashlib
import struct

import msgspec
import numpy as np

import ncs_engine
from ncs_engine import Change, Engine, LearnResult

__all__ = ["NO_HASH", "Checkpoint", "engine_name", "next_hash"]

_BYTES = 16
NO_HASH = bytes(_BYTES)
"""The hash before the first entry, and of a model whose snapshot had none."""

_HEAD = struct.Struct(">QQQ")
_CANON_POINTS = 512


class Checkpoint(msgspec.Struct, array_like=True, frozen=True):
    """Where a model was, and what it had come to."""

    offset: int
    hash: bytes
    engine: str
    """The engine that came to it, see `engine_name`."""
    since: int = 0
    """Where the hashes began: 0, or the offset of a snapshot that had none."""


def next_hash(
    previous: bytes,
    offset: int,
    lossless: int,
    keyed: int,
    result: LearnResult | None,
    changes: list[Change],
) -> bytes:
    """Return the hash after an entry, from the one before it and what the entry did.

    Args:
        previous: the hash before it.
        offset: of the entry.
        lossless: number of the stream's last lossless event.
        keyed: number of the last change of a cluster.
        result: what the engine made of its points, if it learned any.
        changes: clusters that came or went.
    """
    digest = hashlib.blake2b(
        previous + _HEAD.pack(offset, lossless, keyed), digest_size=_BYTES
    )
    if result is not None:
        digest.update(result.cluster_ids.data)
        digest.update(result.is_outlier.data)
        digest.update(result.outlier_scores.data)
        if result.drift:
            digest.update(msgspec.msgpack.encode(result.drift))
    if changes:
        digest.update(msgspec.msgpack.encode(changes))
    return digest.digest()


@functools.cache
def engine_name() -> str:
    """Return the engine's version and a digest of what it makes of a fixed stream.

    The version alone would not tell two kernels or two mathematical libraries apart.
    The digest is over the state as well: of most changes to an algorithm that tells
    sooner than results do.
    """
    step = np.arange(_CANON_POINTS, dtype=np.int64)[:, None]
    noise = step * (2_654_435_761, 2_246_822_519, 3_266_489_917) % 2**32 / 2**32
    blob = step // 16 % 4 + step // 256 * (2, 0, 1)
    engine = Engine()
    result = engine.learn(4.0 * blob + noise)
    told = next_hash(NO_HASH, 0, 0, 0, result, result.changes)
    state = hashlib.blake2b(told + engine.snapshot(), digest_size=4)
    return f"{ncs_engine.__version__}+{state.hexdigest()}"
