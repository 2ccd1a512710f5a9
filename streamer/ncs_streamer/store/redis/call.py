"""One command to Redis, and the key whose slot says which server it is for."""

from __future__ import annotations

from typing import NamedTuple

from redis.typing import EncodableT

__all__ = ["Call"]


class Call(NamedTuple):
    """See the module."""

    key: str
    args: tuple[EncodableT, ...]
    text: str | None = None
    """Of the script, for a server that does not have it yet."""

    @classmethod
    def of(cls, command: str, key: str, *args: EncodableT) -> Call:
        """Return a plain command on a key."""
        return cls(key, (command, key, *args))
