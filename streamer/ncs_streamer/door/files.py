"""How many files, sockets among them, this process may have open."""

from __future__ import annotations

import contextlib
import sys

if sys.platform != "win32":
    import resource

__all__ = ["raise_open_files", "room_for_sockets"]

_RESERVED = 256  # the store, logs, and what answers those that are turned away
_FEWEST = 64
_WITHOUT_LIMIT = 1_000_000


def raise_open_files() -> None:
    """Raise the limit as far as the system lets this process."""
    if sys.platform != "win32":
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with contextlib.suppress(ValueError, OSError):  # not everywhere may it be had
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def room_for_sockets() -> int:
    """Return how many sockets may be open so that the store still finds its files."""
    if sys.platform == "win32":
        return _WITHOUT_LIMIT
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return _WITHOUT_LIMIT
    return max(_FEWEST, soft - _RESERVED)
