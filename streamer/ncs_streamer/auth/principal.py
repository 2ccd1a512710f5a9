"""The principal: what a credential stands for. The tenant comes from nowhere else."""

from __future__ import annotations

import dataclasses
from typing import Literal

from ncs_protocol import Code, NcsError

__all__ = ["ROLES", "SCOPES", "Principal"]

SCOPES = {
    "read": "Subscribe to events; read clusters and status.",
    "write": "Push points.",
    "admin": "Reset and configure streams; manage API keys; read metrics.",
}
ROLES: dict[str, tuple[str, ...]] = {
    "viewer": ("read",),
    "producer": ("read", "write"),
    "admin": ("read", "write", "admin"),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Principal:
    """Who is calling."""

    tenant: str
    subject: str
    """User name, or name of the key."""
    scopes: frozenset[str]
    kind: Literal["token", "key"]
    credential: str
    """What to look up to see whether it still holds: the key's hash, the user's name,
    or empty for a token that no user stands behind."""
    expires_at: float | None = None
    """Epoch seconds."""

    def require(self, scope: str) -> None:
        """Refuse unless the principal has `scope`.

        Raises:
            NcsError: ``permission_denied``.
        """
        if scope not in self.scopes:
            raise NcsError(
                Code.PERMISSION_DENIED,
                f"this needs the scope {scope!r}; the credential has"
                f" {', '.join(sorted(self.scopes)) or 'none'}",
            )
