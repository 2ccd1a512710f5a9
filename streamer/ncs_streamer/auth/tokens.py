"""Access tokens: JWT, HS256, signed with the server's secret.

The algorithm is pinned, so neither `none` nor a public key taken for a secret gets in.
The clock is an argument.
"""

from __future__ import annotations

import secrets
from typing import Any

import jwt

from ncs_protocol import Code, NcsError

from .principal import SCOPES, Principal

__all__ = ["TokenIssuer"]

_ALGORITHM = "HS256"
_ISSUER = "ncs"
_FAR_S = 1e12  # beyond it, or not a number, an expiry is no time


class TokenIssuer:
    """Issues and verifies tokens.

    Args:
        secret: the signing key, at least 32 characters.
        lifetime_s: how long a token holds unless said otherwise.
    """

    def __init__(self, secret: str, lifetime_s: float) -> None:
        self._secret = secret
        self.lifetime_s = lifetime_s

    def issue(
        self,
        *,
        subject: str,
        tenant: str,
        scopes: tuple[str, ...],
        now: float,
        lifetime_s: float | None = None,
        **claims: Any,
    ) -> str:
        """Return a signed token; `claims` go into it as they are."""
        issued = int(now)
        lifetime = self.lifetime_s if lifetime_s is None else lifetime_s
        payload = {
            "iss": _ISSUER,
            "sub": subject,
            "tenant": tenant,
            "scopes": list(scopes),
            "iat": issued,
            "exp": issued + int(lifetime),
            "jti": secrets.token_hex(8),
            **claims,
        }
        return jwt.encode(payload, self._secret, _ALGORITHM)

    def verify(self, token: str, now: float) -> Principal:
        """Return the principal that the token stands for.

        Raises:
            NcsError: ``token_expired`` or ``token_invalid``.
        """
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=[_ALGORITHM],
                issuer=_ISSUER,
                options={
                    "require": ["exp", "iat", "sub", "tenant", "scopes"],
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
        except (jwt.PyJWTError, ValueError):  # UnicodeError is a ValueError
            raise NcsError(Code.TOKEN_INVALID) from None
        expires, tenant, scopes = claims["exp"], claims["tenant"], claims["scopes"]
        well_formed = (
            isinstance(expires, int | float)
            and abs(expires) < _FAR_S
            and isinstance(tenant, str)
            and isinstance(scopes, list)
            and all(isinstance(scope, str) and scope in SCOPES for scope in scopes)
        )
        if not well_formed:
            raise NcsError(Code.TOKEN_INVALID)
        if now >= expires:
            error = NcsError(Code.TOKEN_EXPIRED)
            error.subject = str(claims.get("user_id", claims["sub"]))
            raise error
        return Principal(
            tenant=tenant,
            subject=claims["sub"],
            scopes=frozenset(scopes),
            kind="token",
            credential=str(claims.get("user_id", "")),
            expires_at=float(expires),
        )
