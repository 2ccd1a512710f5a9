"""The store that keeps nothing beyond the process; for tests and throwaway servers."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from ..auth.keys import ApiKey
from ..auth.users import User
from .contracts import (
    Append,
    Channel,
    Directory,
    EventHistory,
    Journal,
    Losses,
    Ownership,
    SnapshotStore,
    StoreError,
    StreamKey,
    within,
)
from .nodes import LEASE_S, LocalChannel, LocalNodes, LocalOwnership

__all__ = ["MemoryStore"]


class _Kept:
    """What the nodes of one process share."""

    def __init__(self) -> None:
        self.entries: dict[StreamKey, dict[int, bytes]] = {}
        self.tails: dict[StreamKey, int] = {}
        self.saved: dict[StreamKey, dict[int, bytes]] = {}
        self.events: dict[StreamKey, dict[int, bytes]] = {}
        self.directory = _MemoryDirectory()


class _MemoryJournal:
    def __init__(self, kept: _Kept, ownership: LocalOwnership) -> None:
        self.entries, self.tails = kept.entries, kept.tails
        self._ownership = ownership

    async def append(self, entries: Sequence[Append]) -> None:
        tails = dict(self.tails)
        for key, offset, _ in entries:
            self._ownership.check(key)
            if offset != tails.get(key, 0) + 1:
                raise StoreError(f"offset {offset} does not follow {tails.get(key, 0)}")
            tails[key] = offset
        for key, offset, payload in entries:
            self.entries.setdefault(key, {})[offset] = payload
        self.tails.update(tails)

    async def read(
        self, key: StreamKey, after: int, limit: int, max_bytes: int | None = None
    ) -> list[tuple[int, bytes]]:
        entries = self.entries.get(key, {})
        offsets = sorted(offset for offset in entries if offset > after)[:limit]
        return within(((offset, entries[offset]) for offset in offsets), max_bytes)

    async def tail(self, key: StreamKey) -> int:
        return self.tails.get(key, 0)

    async def truncate(self, key: StreamKey, through: int) -> None:
        self._ownership.check(key)
        entries = self.entries.get(key, {})
        for offset in [offset for offset in entries if offset <= through]:
            del entries[offset]


class _MemorySnapshots:
    def __init__(self, kept: _Kept, ownership: LocalOwnership) -> None:
        self.saved = kept.saved
        self._ownership = ownership

    async def save(self, key: StreamKey, offset: int, payload: bytes) -> None:
        self._ownership.check(key)
        saved = self.saved.setdefault(key, {})
        saved[offset] = payload
        for old in sorted(saved)[:-2]:
            del saved[old]

    async def load(self, key: StreamKey) -> list[tuple[int, bytes]]:
        return sorted(self.saved.get(key, {}).items(), reverse=True)

    async def offsets(self, key: StreamKey) -> list[int]:
        return sorted(self.saved.get(key, {}), reverse=True)


class _MemoryHistory:
    def __init__(self, kept: _Kept, ownership: LocalOwnership) -> None:
        self.events = kept.events
        self._ownership = ownership

    async def record(
        self, key: StreamKey, events: Sequence[tuple[int, bytes]], forget: int
    ) -> None:
        self._ownership.check(key)
        kept = self.events.setdefault(key, {})
        for offset, payload in events:
            kept.setdefault(offset, payload)
        for old in [offset for offset in kept if offset <= forget]:
            del kept[old]

    async def recent(self, key: StreamKey, through: int) -> list[tuple[int, bytes]]:
        return sorted(
            (offset, payload)
            for offset, payload in self.events.get(key, {}).items()
            if offset <= through
        )

    async def clear(self, key: StreamKey) -> None:
        self._ownership.check(key)
        self.events.pop(key, None)


class _MemoryDirectory:
    def __init__(self) -> None:
        self._users: dict[str, User] = {}
        self._keys: dict[str, ApiKey] = {}

    async def user(self, name: str) -> User | None:
        return self._users.get(name)

    async def users(self) -> list[User]:
        return sorted(self._users.values(), key=lambda user: user.name)

    async def put_user(self, user: User) -> None:
        self._users[user.name] = user

    async def delete_user(self, name: str) -> bool:
        return self._users.pop(name, None) is not None

    async def key(self, key_hash: str) -> ApiKey | None:
        return self._keys.get(key_hash)

    async def keys(self, tenant: str | None = None) -> list[ApiKey]:
        own = (k for k in self._keys.values() if tenant in (None, k.tenant))
        return sorted(own, key=lambda key: (key.created_at, key.key_id))

    async def put_key(self, key: ApiKey) -> None:
        self._keys[key.key_hash] = key

    async def revoke_key(self, key_id: str, tenant: str | None = None) -> bool:
        for key in await self.keys(tenant):
            if key.key_id == key_id:
                self._keys[key.key_hash] = dataclasses.replace(key, is_active=False)
                return True
        return False


class MemoryStore:
    """Implements `Store` in memory.

    Args:
        nodes: the nodes of this process, where there are several; see `beside`.
        lease_s: of this node.
    """

    durability: str = "memory"
    place: str = "memory"

    def __init__(
        self, nodes: LocalNodes | None = None, *, lease_s: float = LEASE_S
    ) -> None:
        self._nodes = nodes or LocalNodes()
        self._open(_Kept(), lease_s)

    def _open(self, kept: _Kept, lease_s: float) -> None:
        self._kept = kept
        ownership = LocalOwnership(self._nodes, lease_s)
        self.journal: Journal = _MemoryJournal(kept, ownership)
        self.snapshots: SnapshotStore = _MemorySnapshots(kept, ownership)
        self.history: EventHistory = _MemoryHistory(kept, ownership)
        self.directory: Directory = kept.directory
        self.ownership: Ownership = ownership
        self.channel: Channel = LocalChannel(self._nodes)
        self.losses = Losses()

    def beside(self) -> MemoryStore:
        """Return the store of another node: the same state, its own ownership."""
        other = MemoryStore(self._nodes)
        other._open(self._kept, self.ownership.lease_s)
        return other

    async def open(self) -> None:
        """Do nothing: memory is always there."""

    async def check(self, size: int) -> None:
        """Do nothing: memory can always be written."""

    async def streams(self) -> list[StreamKey]:
        """See `Store.streams`."""
        return sorted(self._kept.tails.keys() | self._kept.saved.keys())

    async def replace(self, key: StreamKey, offset: int, snapshot: bytes) -> None:
        """See `Store.replace`."""
        await self.snapshots.save(key, offset, snapshot)  # fenced
        kept = self._kept
        kept.saved[key] = {offset: snapshot}
        kept.tails[key] = offset
        kept.entries.pop(key, None)
        kept.events.pop(key, None)

    async def close(self) -> None:
        """Do nothing, so that a test can open the same state again."""
