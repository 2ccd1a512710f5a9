"""Users and API keys in Redis: two hashes of JSON rows."""

from __future__ import annotations

import dataclasses
from typing import Any

import orjson

from ...auth.keys import ApiKey
from ...auth.users import User
from .call import Call
from .keys import Keys
from .links import Links
from .scripts import SWAP

__all__ = ["RedisDirectory"]


def _user(row: bytes) -> User:
    return User(**orjson.loads(row))


def _key(row: bytes) -> ApiKey:
    fields = orjson.loads(row)
    return ApiKey(**fields | {"permissions": tuple(fields["permissions"])})


class RedisDirectory:
    """See `auth.directory`.

    Args:
        links: the ways to Redis.
        keys: the names.
    """

    def __init__(self, links: Links, keys: Keys) -> None:
        self._links = links
        self._users = keys.users
        self._keys = keys.api_keys

    async def _get(self, command: str, key: str, *args: Any) -> Any:
        return await self._links.call(Call.of(command, key, *args))

    async def user(self, name: str) -> User | None:
        row = await self._get("HGET", self._users, name)
        return None if row is None else _user(row)

    async def users(self) -> list[User]:
        rows = await self._get("HVALS", self._users)
        return sorted(map(_user, rows), key=lambda user: user.name)

    async def put_user(self, user: User) -> None:
        await self._get("HSET", self._users, user.name, _row(user))

    async def delete_user(self, name: str) -> bool:
        return bool(await self._get("HDEL", self._users, name))

    async def key(self, key_hash: str) -> ApiKey | None:
        row = await self._get("HGET", self._keys, key_hash)
        return None if row is None else _key(row)

    async def keys(self, tenant: str | None = None) -> list[ApiKey]:
        rows = map(_key, await self._get("HVALS", self._keys))
        own = (key for key in rows if tenant in (None, key.tenant))
        return sorted(own, key=lambda key: (key.created_at, key.key_id))

    async def put_key(self, key: ApiKey) -> None:
        await self._get("HSET", self._keys, key.key_hash, _row(key))

    async def revoke_key(self, key_id: str, tenant: str | None = None) -> bool:
        for row in await self._get("HVALS", self._keys):
            key = _key(row)
            if key.key_id == key_id and tenant in (None, key.tenant):
                revoked = _row(dataclasses.replace(key, is_active=False))
                swap = SWAP([self._keys], key.key_hash, row, revoked)
                if await self._links.call(swap):
                    return True
                return await self.revoke_key(key_id, tenant)  # it was changed meanwhile
        return False


def _row(row: User | ApiKey) -> bytes:
    return orjson.dumps(dataclasses.asdict(row))
