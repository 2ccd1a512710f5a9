"""Who may do what: passwords, tokens, API keys, and the principal they give."""

from .authenticator import Authenticator
from .directory import Directory
from .keys import ApiKey, key_hash, make_key
from .passwords import hash_password, verify_password
from .principal import ROLES, SCOPES, Principal
from .tokens import TokenIssuer
from .users import User

__all__ = [
    "ROLES",
    "SCOPES",
    "ApiKey",
    "Authenticator",
    "Directory",
    "Principal",
    "TokenIssuer",
    "User",
    "hash_password",
    "key_hash",
    "make_key",
    "verify_password",
]
