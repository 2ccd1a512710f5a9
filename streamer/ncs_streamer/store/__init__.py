"""Where state is kept: contracts, and the stores that keep them."""

from .contracts import (
    Append,
    Channel,
    DamageError,
    Directory,
    EventHistory,
    FencedError,
    Journal,
    LostError,
    Node,
    Owner,
    Ownership,
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
    "Channel",
    "DamageError",
    "Directory",
    "EventHistory",
    "FencedError",
    "Journal",
    "LostError",
    "MemoryStore",
    "Node",
    "Owner",
    "Ownership",
    "SnapshotStore",
    "SqliteStore",
    "Store",
    "StoreError",
    "StreamKey",
    "lock_folder",
]
