"""Requests that count once however often they come, by their `Idempotency-Key`.

A key is of one stream and stands for one body. Which keys have been applied is part of
the model, like the producers' high-water marks, so that the two can never disagree; of
a stream's keys the last 10,000 are remembered.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from typing import Any

import msgspec

from ncs_protocol import Block, Code, NcsError

__all__ = ["MAX_KEYS", "Keys", "Request", "check_key", "digest_of"]

MAX_KEYS = 10_000
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class Request(msgspec.Struct, array_like=True):
    """A request that was admitted."""

    offset: int
    """Of its entry in the journal."""
    digest: bytes
    """Of its body."""


@dataclasses.dataclass(slots=True)
class Keys:
    """The last keys of a stream, oldest first."""

    _known: dict[str, Request] = dataclasses.field(default_factory=dict)

    def copy(self) -> Keys:
        """Return an independent copy."""
        return Keys(dict(self._known))

    def find(self, key: str, digest: bytes) -> Request | None:
        """Return the request that had this key, None if there is none.

        Raises:
            NcsError: ``idempotency_key_reused`` if that had another body.
        """
        found = self._known.get(key)
        if found is not None and found.digest != digest:
            raise NcsError(Code.IDEMPOTENCY_KEY_REUSED, field="header.Idempotency-Key")
        return found

    def add(self, key: str, request: Request) -> None:
        """Remember a request; the oldest one goes when there are too many."""
        self._known[key] = request
        if len(self._known) > MAX_KEYS:
            del self._known[next(iter(self._known))]

    def state(self) -> list[Any]:
        """Return what `restore` takes, of plain values."""
        return [[key, r.offset, r.digest] for key, r in self._known.items()]

    @classmethod
    def restore(cls, state: list[Any]) -> Keys:
        """Return the keys that gave `state`."""
        return cls({key: Request(offset, digest) for key, offset, digest in state})


def check_key(key: str) -> str:
    """Return `key` if it can be one.

    Raises:
        NcsError: ``invalid_name``; keys are 1 to 255 visible characters of ASCII.
    """
    if _KEY.fullmatch(key) is None:
        raise NcsError(
            Code.INVALID_NAME,
            "an Idempotency-Key is 1 to 255 visible characters of ASCII",
            field="header.Idempotency-Key",
        )
    return key


def digest_of(block: Block | None, rest: Any) -> bytes:
    """Return 16 bytes that stand for a body.

    Args:
        block: its points, if it has any.
        rest: what else is in it, of plain values.
    """
    digest = hashlib.blake2b(digest_size=16)
    if block is not None:
        digest.update(block.tobytes())
        digest.update(f"{block.dtype.str} {block.shape}".encode())
    digest.update(msgspec.msgpack.encode(rest, order="deterministic"))
    return digest.digest()
