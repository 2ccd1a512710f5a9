"""Password hashes: argon2id by argon2-cffi, with its recommended costs.

Hashing takes tens of milliseconds on purpose; call it off the event loop.
"""

from __future__ import annotations

import functools
import secrets

import argon2

__all__ = ["hash_password", "verify_password"]

_HASHER = argon2.PasswordHasher()


def hash_password(password: str) -> str:
    """Return a salted hash that says its own parameters."""
    return _HASHER.hash(password)


def verify_password(password: str, password_hash: str | None) -> bool:
    """Return whether the password is the hashed one.

    Without a hash, for a user who does not exist, it takes as long and returns False.
    """
    try:
        _HASHER.verify(password_hash or _hash_of_nobody(), password)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False
    return bool(password_hash)


@functools.cache
def _hash_of_nobody() -> str:
    return _HASHER.hash(secrets.token_hex())
