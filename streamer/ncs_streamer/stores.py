"""The store that the settings name."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from .redis_address import Address
from .settings import Settings
from .store import MemoryStore, SqliteStore, Store

__all__ = ["make_store", "opening"]

_MIB = 1024 * 1024


def make_store(settings: Settings) -> Store:
    """Return the store that the settings name, not opened yet."""
    if settings.store_kind == "memory":
        return MemoryStore()
    if settings.store_kind == "sqlite":
        return SqliteStore(settings.data_dir / "ncs.db")
    from .store.redis.options import RedisOptions  # redis-py takes a while to import
    from .store.redis.store import RedisStore

    address = Address.parse(settings.store)
    return RedisStore(
        RedisOptions(
            address=address,
            level=settings.redis_durability,
            replicas=settings.redis_replicas,
            username=address.username or settings.redis_username,
            password=address.password or settings.redis_password,
            sentinel_password=settings.redis_sentinel_password,
            ca_file=settings.redis_ca_file,
            prefix=settings.redis_prefix,
            lease_s=settings.lease_s,
            timeout_s=settings.redis_timeout_s,
            recent_bytes=int(settings.redis_recent_mb * _MIB),
        )
    )


@contextlib.asynccontextmanager
async def opening(store: Store) -> AsyncIterator[Store]:
    """Open a store, and close it afterwards, also if opening it fails halfway."""
    try:
        await store.open()
        yield store
    finally:
        await store.close()
