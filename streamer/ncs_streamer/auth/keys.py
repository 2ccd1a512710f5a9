"""API keys: `nck_<env>_<random>_<crc>`.

The prefix lets secret scanners spot a leaked key, the checksum lets them and us tell a
key from a look-alike without asking a store. Only the SHA-256 of a key is stored: it is
random enough that a slow hash would add nothing.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
import secrets
import zlib

__all__ = ["ApiKey", "key_hash", "looks_like_key", "make_key"]

_FORM = re.compile(r"(nck_[a-z]+_[A-Za-z0-9]{40})_([0-9a-f]{8})")
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_VISIBLE = 4


@dataclasses.dataclass(frozen=True, slots=True)
class ApiKey:
    """A row of the directory. The key itself is shown once, when it is made."""

    key_id: str
    key_hash: str
    prefix: str
    """The first characters of the random part, to recognise a key by."""
    name: str
    tenant: str
    permissions: tuple[str, ...]
    is_active: bool = True
    created_at: float = 0.0
    """Epoch seconds."""
    expires_at: float | None = None
    """Epoch seconds; None for never."""


def make_key(
    *,
    environment: str,
    name: str,
    tenant: str,
    permissions: tuple[str, ...],
    now: float,
    expires_at: float | None = None,
) -> tuple[str, ApiKey]:
    """Return (the key to hand out, the row to store)."""
    kind = "live" if environment == "production" else "dev"
    random = "".join(secrets.choice(_ALPHABET) for _ in range(40))
    body = f"nck_{kind}_{random}"
    key = f"{body}_{zlib.crc32(body.encode()):08x}"
    row = ApiKey(
        key_id=secrets.token_hex(8),
        key_hash=key_hash(key),
        prefix=random[:_VISIBLE],
        name=name,
        tenant=tenant,
        permissions=permissions,
        created_at=now,
        expires_at=expires_at,
    )
    return key, row


def key_hash(key: str) -> str:
    """Return the SHA-256 of a key in hex."""
    return hashlib.sha256(key.encode()).hexdigest()


def looks_like_key(text: str) -> bool:
    """Return whether form and checksum are those of a key."""
    match = _FORM.fullmatch(text)
    return match is not None and f"{zlib.crc32(match[1].encode()):08x}" == match[2]
