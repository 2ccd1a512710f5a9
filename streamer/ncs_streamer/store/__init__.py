"""Where state is kept: contracts, and the stores that keep them."""

from .contracts import (
    Append,
    DamageError,
    Directory,
    EventHistory,
    Journal,
    SnapshotStore,
    Store,
    StoreError,
    StreamKey,
)
from .lock import lock_folder
from .memory import MemoryStore
from .sqlite import SqliteStore

__all__ = [
    "Append",
    "DamageError",
    "Directory",
    "EventHistory",
    "Journal",
    "MemoryStore",
    "SnapshotStore",
    "SqliteStore",
    "Store",
    "StoreError",
    "StreamKey",
    "lock_folder",
]
