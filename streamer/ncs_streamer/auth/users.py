"""A user: someone who logs in with a password and gets a token."""

from __future__ import annotations

import dataclasses

__all__ = ["User"]


@dataclasses.dataclass(frozen=True, slots=True)
class User:
    """A row of the directory."""

    name: str
    tenant: str
    role: str
    password_hash: str
    email: str = ""
    is_active: bool = True
    created_at: float = 0.0
    """Epoch seconds."""
