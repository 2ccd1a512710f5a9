"""What the Redis store has to know from the settings."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

from ...redis_address import Address

__all__ = ["RedisOptions"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RedisOptions:
    """See `Settings`."""

    address: Address
    level: Literal["memory", "redis-primary", "redis-all"] = "redis-primary"
    replicas: int | None = None
    """That have to have each entry, at the level `redis-all`; None for those that are
    there at the start."""
    username: str = ""
    password: str = dataclasses.field(default="", repr=False)
    sentinel_password: str = dataclasses.field(default="", repr=False)
    ca_file: Path | None = None
    """Of the certificates that are trusted; None for those of the system."""
    prefix: str = "ncs"
    timeout_s: float = 5.0
    """For one round trip."""
    recent_bytes: int = 64 * 1024 * 1024
    """Of the last entries that are remembered to be given back to a Redis that has lost
    them."""
    lease_s: float = 10.0
