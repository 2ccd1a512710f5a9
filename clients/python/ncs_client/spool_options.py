"""How a gateway's spool is bounded, and how durable it is."""

from __future__ import annotations

import dataclasses
from typing import Literal

__all__ = ["SpoolOptions"]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SpoolOptions:
    """How a spool is bounded and how durable it is.

    Attributes:
        max_bytes: files of the spool take no more than this.
        max_age_s: what is older, by this machine's clock, and was never sent is
            dropped; None for no limit.
        overflow: what gives way when it is full: `block` (who pushes waits),
            `drop_oldest` (the oldest segment that was never sent), `drop_newest` (the
            batch that does not fit).
        fsync: when a push is durable: `always` before it returns (several pushes share
            one), `interval` within `fsync_interval_s`, `never` when the system likes.
            All three survive kill -9; only the first survives a power cut unharmed.
        fsync_interval_s: see `fsync`.
        segment_bytes: size at which a new file is begun; the grain of dropping.

    Raises:
        ValueError: if the numbers do not go together.
    """

    max_bytes: int = 256 * 1024 * 1024
    max_age_s: float | None = None
    overflow: Literal["block", "drop_oldest", "drop_newest"] = "block"
    fsync: Literal["always", "interval", "never"] = "always"
    fsync_interval_s: float = 1.0
    segment_bytes: int = 1024 * 1024

    def __post_init__(self) -> None:
        if not 0 < 4 * self.segment_bytes <= self.max_bytes:
            raise ValueError("max_bytes must be at least 4 * segment_bytes")
        if self.max_age_s is not None and self.max_age_s <= 0:
            raise ValueError("max_age_s must be above 0")
        if self.fsync_interval_s <= 0:
            raise ValueError("fsync_interval_s must be above 0")

    def of_lane(self, name: str) -> SpoolOptions:
        """Return what one of two lanes gets: `live` a quarter, and it never drops."""
        live = self.max_bytes // 4
        segment = min(self.segment_bytes, self.max_bytes // 16)
        if name == "backfill":
            return dataclasses.replace(
                self, max_bytes=self.max_bytes - live, segment_bytes=segment
            )
        return dataclasses.replace(
            self,
            max_bytes=live,
            segment_bytes=segment,
            overflow="block",
            max_age_s=None,
        )
