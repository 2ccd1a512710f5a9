"""One node's word for another: who is asking, and that it has been checked.

A request over HTTP for a stream that is another node's is sent on as it is, without the
caller's credential. In its place comes the principal, signed with the secret that nodes
share, over the very request and for a short time.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

import msgspec

from ncs_protocol import Code, NcsError

from ..auth.principal import Principal

__all__ = ["HEADER", "assert_principal", "principal_in"]

HEADER = "X-NCS-Node"
_LASTS_S = 30.0  # also that the nodes' clocks may differ


class Assertion(msgspec.Struct, array_like=True):
    """What is signed, beside the request."""

    principal: Principal
    at: float
    node: str


def assert_principal(
    secret: bytes, node: str, principal: Principal, request: bytes, now: float
) -> str:
    """Return the header for a request.

    Args:
        secret: of the cluster.
        node: this one.
        principal: who asks.
        request: all of it that matters, see `digest_of`.
        now: epoch seconds.
    """
    said = msgspec.msgpack.encode(Assertion(principal, now, node))
    return base64.urlsafe_b64encode(_sign(secret, said, request) + said).decode()


def principal_in(secret: bytes, header: str, request: bytes, now: float) -> Principal:
    """Return who asks, on the word of another node.

    Raises:
        NcsError: ``token_invalid``, if no node has said so of this request.
    """
    try:
        raw = base64.urlsafe_b64decode(header)
        signature, said = raw[:32], raw[32:]
        if not hmac.compare_digest(signature, _sign(secret, said, request)):
            raise ValueError("not signed by a node")
        assertion = msgspec.msgpack.decode(said, type=Assertion)
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        raise NcsError(Code.TOKEN_INVALID) from None
    if abs(now - assertion.at) > _LASTS_S:
        raise NcsError(Code.TOKEN_INVALID, "the clocks of the nodes differ too much")
    return assertion.principal


def _sign(secret: bytes, said: bytes, request: bytes) -> bytes:
    digest = hashlib.sha256(request).digest()
    return hmac.digest(secret, b"ncs request" + digest + said, hashlib.sha256)
