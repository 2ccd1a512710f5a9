"""The two clocks, as a value, so that tests can hold them."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable

__all__ = ["Clock"]


@dataclasses.dataclass(frozen=True, slots=True)
class Clock:
    """Where the server takes its time from."""

    now: Callable[[], float] = time.time
    """Epoch seconds; may jump."""
    monotonic: Callable[[], float] = time.monotonic
    """Seconds since some moment; never goes back."""
