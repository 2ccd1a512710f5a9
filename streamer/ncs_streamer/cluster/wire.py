"""What nodes say to each other: messages, their bytes, and who may speak.

A node dials another one to ask for its streams; answers come back on the same way. Both
prove first that they know the cluster's secret, without saying it. They then speak the
newest version that both know. A field that is added comes last and has a default, and
the version before the newest is always understood: nodes can be replaced one by one.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import msgspec

from ncs_protocol import Code, NcsError
from ncs_protocol.messages import Sample

from ..elsewhere import ElsewhereError

__all__ = [
    "OLDEST",
    "VERSION",
    "Accepted",
    "Answer",
    "Applied",
    "Ask",
    "Challenge",
    "Claim",
    "LinkError",
    "Listen",
    "Message",
    "Moved",
    "Refused",
    "Submit",
    "agreed",
    "decode",
    "decode_as",
    "encode",
    "prove",
    "refusal",
]

VERSION, OLDEST = 1, 1


class LinkError(Exception):
    """The other node cannot be reached, or does not speak as it should."""


class _Part(msgspec.Struct, array_like=True):
    pass


# The handshake


class Challenge(_Part, tag="challenge"):
    """The first word, of the one that was dialled."""

    node: str
    nonce: bytes
    version: int = VERSION


class Claim(_Part, tag="claim"):
    """Of the one that dialled: who it is, and the proof that it may."""

    node: str
    nonce: bytes
    proof: bytes
    version: int = VERSION
    oldest: int = OLDEST


class Accepted(_Part, tag="accepted"):
    """The other's proof, and the version that is spoken."""

    proof: bytes
    version: int


def prove(secret: bytes, role: str, challenge: Challenge, claim: Claim) -> bytes:
    """Return what only who knows the secret can say to this challenge and claim.

    Args:
        secret: of the cluster.
        role: whose proof it is: one must not do for the other.
        challenge: as it was sent.
        claim: as it was sent; its own proof does not count.
    """
    said = [role, challenge.node, challenge.nonce, challenge.version]
    said += [claim.node, claim.nonce, claim.version, claim.oldest]
    body = b"ncs peer 1" + msgspec.msgpack.encode(said)
    return hmac.digest(secret, body, hashlib.sha256)


def agreed(theirs: int, their_oldest: int = OLDEST) -> int:
    """Return the version to speak.

    Raises:
        LinkError: there is none.
    """
    version = min(VERSION, theirs)
    if version < max(OLDEST, their_oldest):
        raise LinkError(f"it speaks version {theirs} and this node {OLDEST}-{VERSION}")
    return version


# What follows


class Submit(_Part, tag="s"):
    """A batch for a stream that the other one owns."""

    id: int
    tenant: str
    stream: str
    line: int
    """Grows whenever the sender had to begin anew; once a batch of a line is refused
    because the stream is not owned, all later ones of it are."""
    size: int
    detail: str
    entry: bytes


class Applied(_Part, tag="d"):
    """A batch is durable and in the model."""

    id: int
    offset: int
    accepted: int
    duplicate: bool = False
    results: tuple[bytes, bytes, bytes] | None = None
    """Cluster ids, outlier flags and scores, if they were asked for."""


class Ask(_Part, tag="a"):
    """A question about a stream that the other one owns."""

    id: int
    tenant: str
    stream: str
    what: str
    body: bytes


class Answer(_Part, tag="r"):
    """The answer to it."""

    id: int
    body: bytes


class Refused(_Part, tag="e"):
    """A batch or a question is refused."""

    id: int
    code: str
    detail: str = ""
    retry_after_s: float | None = None
    expected_seq: int | None = None
    index: int | None = None
    field: str | None = None
    owner: str | None = None
    """Who may own the stream, if that is why; empty if nobody knows."""

    def error(self) -> NcsError:
        """Return what was raised there."""
        if self.owner is not None:
            return ElsewhereError(self.owner)
        code = next((c for c in Code if c.wire == self.code), Code.INTERNAL_ERROR)
        return NcsError(
            code,
            self.detail,
            index=self.index,
            retry_after_s=self.retry_after_s,
            expected_seq=self.expected_seq,
            field=self.field,
        )


class Listen(_Part, tag="l"):
    """Who reads a stream at the sender, from now on; nobody if there are none."""

    tenant: str
    stream: str
    subscribers: int
    samples: list[Sample] = []


class Moved(_Part, tag="m"):
    """To one that listens: the stream is not here any more, or begins anew."""

    tenant: str
    stream: str


Message = Submit | Applied | Ask | Answer | Refused | Listen | Moved

_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(list[Message])


def refusal(id: int, error: NcsError) -> Refused:
    """Return the message for an error."""
    return Refused(
        id,
        error.code.wire,
        error.detail,
        error.retry_after_s,
        error.expected_seq,
        error.index,
        error.field,
        error.node if isinstance(error, ElsewhereError) else None,
    )


def encode(messages: Any) -> bytes:
    """Return the frame for a list of messages, or for one of a handshake."""
    return _ENCODER.encode(messages)


def decode(frame: bytes) -> list[Message]:
    """Return the messages of a frame.

    Raises:
        LinkError: there are none in it.
    """
    try:
        return _DECODER.decode(frame)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise LinkError(f"not a frame of a peer: {error}") from None


def decode_as(frame: bytes, kind: Any) -> Any:
    """Return a message of a handshake, or the body of a question.

    Raises:
        LinkError: it is not one.
    """
    try:
        return msgspec.msgpack.decode(frame, type=kind)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise LinkError(f"not what was expected: {error}") from None
