"""From a credential to a principal, by token, API key or password."""

from __future__ import annotations

import asyncio

from ncs_protocol import Code, NcsError

from .directory import Directory
from .keys import key_hash, looks_like_key
from .passwords import verify_password
from .principal import ROLES, Principal
from .tokens import TokenIssuer

__all__ = ["Authenticator"]


class Authenticator:
    """Checks credentials against the directory.

    Args:
        directory: users and keys.
        issuer: signs and verifies tokens.
    """

    def __init__(self, directory: Directory, issuer: TokenIssuer) -> None:
        self._directory = directory
        self.issuer = issuer

    async def authenticate(self, credential: str, now: float) -> Principal:
        """Return who holds the credential.

        A value with two dots is taken for a token, anything else for an API key.

        Raises:
            NcsError: with one of the 401 codes.
        """
        if credential.count(".") == 2:
            return await self._by_token(credential, now)
        return await self._by_key(credential, now)

    async def login(self, name: str, password: str, now: float) -> str:
        """Return a token for the user.

        Raises:
            NcsError: ``login_failed``, for whatever reason.
        """
        user = await self._directory.user(name)
        stored = user.password_hash if user is not None and user.is_active else None
        if not await asyncio.to_thread(verify_password, password, stored):
            raise NcsError(Code.LOGIN_FAILED)
        assert user is not None
        return self.issuer.issue(
            subject=user.name,
            tenant=user.tenant,
            scopes=ROLES[user.role],
            now=now,
            user_id=user.name,
            email=user.email,
        )

    async def _by_token(self, token: str, now: float) -> Principal:
        principal = self.issuer.verify(token, now)
        await self.recheck(principal)
        return principal

    async def _by_key(self, key: str, now: float) -> Principal:
        row = await self._directory.key(key_hash(key)) if looks_like_key(key) else None
        if row is None or not row.is_active:
            raise NcsError(Code.KEY_INVALID)
        if row.expires_at is not None and now >= row.expires_at:
            raise NcsError(Code.KEY_INVALID)
        return Principal(
            tenant=row.tenant,
            subject=row.name,
            scopes=frozenset(row.permissions),
            kind="key",
            credential=row.key_hash,
            expires_at=row.expires_at,
        )

    async def recheck(self, principal: Principal) -> None:
        """Refuse a principal whose key was revoked, or whose user is gone, since.

        Raises:
            NcsError: ``key_invalid`` or ``user_not_found``.
        """
        if principal.kind == "key":
            row = await self._directory.key(principal.credential)
            if row is None or not row.is_active:
                raise NcsError(Code.KEY_INVALID)
        elif principal.credential:
            user = await self._directory.user(principal.credential)
            if user is None or not user.is_active or user.tenant != principal.tenant:
                error = NcsError(Code.USER_NOT_FOUND)
                error.subject = principal.credential
                raise error
