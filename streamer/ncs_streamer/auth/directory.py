"""What is asked of a store to know users and keys; the stores promise it as theirs."""

from __future__ import annotations

from typing import Protocol

from .keys import ApiKey
from .users import User

__all__ = ["Directory"]


class Directory(Protocol):
    """Users and API keys of all tenants."""

    async def user(self, name: str) -> User | None:
        """Return the user of that name."""

    async def users(self) -> list[User]:
        """Return all users by name."""

    async def put_user(self, user: User) -> None:
        """Add or replace a user."""

    async def delete_user(self, name: str) -> bool:
        """Delete a user; return whether there was one."""

    async def key(self, key_hash: str) -> ApiKey | None:
        """Return the key with that hash."""

    async def keys(self, tenant: str | None = None) -> list[ApiKey]:
        """Return the keys of a tenant, or all, by creation time."""

    async def put_key(self, key: ApiKey) -> None:
        """Add or replace a key."""

    async def revoke_key(self, key_id: str, tenant: str | None = None) -> bool:
        """Make a key unusable; return whether there was one (of that tenant)."""
