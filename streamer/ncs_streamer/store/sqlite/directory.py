"""Users and API keys, in SQLite."""

from __future__ import annotations

from typing import Any

from ...auth.keys import ApiKey
from ...auth.users import User
from .connections import Connections

__all__ = ["SqliteDirectory"]

_USER_COLUMNS = "name, tenant, role, password_hash, email, is_active, created_at"
_KEY_COLUMNS = (
    "key_id, key_hash, prefix, name, tenant, permissions, is_active, created_at,"
    " expires_at"
)


def _user(row: tuple[Any, ...]) -> User:
    name, tenant, role, password_hash, email, is_active, created_at = row
    return User(name, tenant, role, password_hash, email, bool(is_active), created_at)


def _key(row: tuple[Any, ...]) -> ApiKey:
    key_id, key_hash, prefix, name, tenant, scopes, is_active, created, expires = row
    permissions = tuple(scopes.split())
    active = bool(is_active)
    return ApiKey(
        key_id, key_hash, prefix, name, tenant, permissions, active, created, expires
    )


class SqliteDirectory:
    """See `contracts`."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def user(self, name: str) -> User | None:
        row = await self._connections.read(
            lambda c: c.execute(
                f"SELECT {_USER_COLUMNS} FROM users WHERE name=?",  # noqa: S608 - constants
                (name,),
            ).fetchone()
        )
        return None if row is None else _user(row)

    async def users(self) -> list[User]:
        rows = await self._connections.read(
            lambda c: c.execute(
                f"SELECT {_USER_COLUMNS} FROM users ORDER BY name"  # noqa: S608 - constants
            ).fetchall()
        )
        return [_user(row) for row in rows]

    async def put_user(self, user: User) -> None:
        values = (
            user.name, user.tenant, user.role, user.password_hash, user.email,
            user.is_active, user.created_at,
        )  # fmt: skip
        await self._connections.write(
            lambda c: c.execute(
                f"INSERT OR REPLACE INTO users ({_USER_COLUMNS})"  # noqa: S608 - constants
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                values,
            )
        )

    async def delete_user(self, name: str) -> bool:
        return await self._connections.write(
            lambda c: c.execute("DELETE FROM users WHERE name=?", (name,)).rowcount > 0
        )

    async def key(self, key_hash: str) -> ApiKey | None:
        row = await self._connections.read(
            lambda c: c.execute(
                f"SELECT {_KEY_COLUMNS} FROM api_keys WHERE key_hash=?",  # noqa: S608 - constants
                (key_hash,),
            ).fetchone()
        )
        return None if row is None else _key(row)

    async def keys(self, tenant: str | None = None) -> list[ApiKey]:
        rows = await self._connections.read(
            lambda c: c.execute(
                f"SELECT {_KEY_COLUMNS} FROM api_keys WHERE tenant=? OR ? IS NULL"  # noqa: S608 - constants
                " ORDER BY created_at, key_id",
                (tenant, tenant),
            ).fetchall()
        )
        return [_key(row) for row in rows]

    async def put_key(self, key: ApiKey) -> None:
        values = (
            key.key_id, key.key_hash, key.prefix, key.name, key.tenant,
            " ".join(key.permissions), key.is_active, key.created_at, key.expires_at,
        )  # fmt: skip
        await self._connections.write(
            lambda c: c.execute(
                f"INSERT OR REPLACE INTO api_keys ({_KEY_COLUMNS})"  # noqa: S608 - constants
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                values,
            )
        )

    async def revoke_key(self, key_id: str, tenant: str | None = None) -> bool:
        return await self._connections.write(
            lambda c: (
                c.execute(
                    "UPDATE api_keys SET is_active=0"
                    " WHERE key_id=? AND (tenant=? OR ? IS NULL)",
                    (key_id, tenant, tenant),
                ).rowcount
                > 0
            )
        )
