"""The one table of codes: what can go wrong, who is to blame, what to do next.

Documentation, REST bodies, WebSocket close frames and the SDKs' constants all derive
from this table, so a code means the same thing everywhere. Close codes 4000-4499 tell
the client to reconnect, 4500-4999 that reconnecting would not help.
"""

from __future__ import annotations

import enum

__all__ = ["Blame", "Code", "Retry"]


class Blame(enum.StrEnum):
    """Whose fault an error is."""

    CLIENT = "client"
    SERVER = "server"
    NOBODY = "nobody"


class Retry(enum.StrEnum):
    """What a client does next."""

    NEVER = "never"
    """The same frame or request would be refused again: change it first."""
    REWIND = "rewind"
    """Send again from ``expected_seq``."""
    LATER = "later"
    """Send the same again after ``retry_after`` seconds."""
    RECONNECT = "reconnect"
    """Open a new connection and resume."""


_C, _S, _N = Blame.CLIENT, Blame.SERVER, Blame.NOBODY


class Code(enum.Enum):
    """Every code: HTTP status, close code (or None), blame, retry verdict, meaning."""

    # fmt: off
    # What is wrong with a frame or a body. The connection stays open.
    MALFORMED_FRAME = (
        400, None, _C, Retry.NEVER,
        "The frame or body is not valid JSON or MessagePack.",
    )
    WRONG_FRAME_TYPE = (
        400, None, _C, Retry.NEVER,
        "JSON travels in text frames and MessagePack in binary frames.",
    )
    UNKNOWN_TYPE = (
        422, None, _C, Retry.NEVER,
        "The message names a type that this direction does not have.",
    )
    INVALID_MESSAGE = (
        422, None, _C, Retry.NEVER,
        "A field is missing, unknown or of the wrong type; the detail names it.",
    )
    NESTED_TOO_DEEP = (
        422, None, _C, Retry.NEVER,
        "Metadata is nested deeper than the limit.",
    )
    METADATA_TOO_LARGE = (
        422, None, _C, Retry.NEVER,
        "Metadata is larger than the limit.",
    )
    INVALID_NAME = (
        422, None, _C, Retry.NEVER,
        "A stream, producer or subscription name has a character or length that names"
        " do not have.",
    )
    INVALID_TIMESTAMP = (
        422, None, _C, Retry.NEVER,
        "A timestamp is neither epoch seconds nor epoch nanoseconds.",
    )
    BAD_ARRAY = (
        422, None, _C, Retry.NEVER,
        "A packed array's header and data do not agree.",
    )
    NO_POINTS = (
        422, None, _C, Retry.NEVER,
        "There is no point in it.",
    )
    EMPTY_POINT = (
        422, None, _C, Retry.NEVER,
        "A point has no coordinate.",
    )
    RAGGED_POINTS = (
        422, None, _C, Retry.NEVER,
        "The points of one batch have different numbers of dimensions.",
    )
    NOT_FINITE = (
        422, None, _C, Retry.NEVER,
        "A coordinate is NaN or infinite.",
    )
    OUT_OF_RANGE = (
        422, None, _C, Retry.NEVER,
        "A coordinate is larger than the limit in absolute value.",
    )
    SUSPICIOUS_POINT = (
        422, None, _C, Retry.NEVER,
        "A point is uniform or almost all zeros, and the server is set to refuse such"
        " input.",
    )
    TOO_MANY_POINTS = (
        422, None, _C, Retry.NEVER,
        "The batch has more points than the limit.",
    )
    TOO_MANY_DIMENSIONS = (
        422, None, _C, Retry.NEVER,
        "A point has more coordinates than the limit.",
    )
    TOO_MANY_ELEMENTS = (
        422, None, _C, Retry.NEVER,
        "The batch has more coordinates in all than the limit.",
    )
    FRAME_TOO_LARGE = (
        413, 1009, _C, Retry.NEVER,
        "The frame or body is larger than the limit.",
    )
    BODY_TIMEOUT = (
        408, None, _C, Retry.LATER,
        "The body did not come in time.",
    )
    RESPONSE_TIMEOUT = (
        408, None, _C, Retry.LATER,
        "The client took too little of the response for too long; it is only counted,"
        " for who does not read cannot be told.",
    )
    HEADER_TIMEOUT = (
        408, None, _C, Retry.LATER,
        "The header of the request did not come in time.",
    )
    UNSUPPORTED_MEDIA_TYPE = (
        415, None, _C, Retry.NEVER,
        "The body's content type is not one that this route reads.",
    )

    # What does not fit the state of the stream or the session.
    DIMENSION_MISMATCH = (
        422, None, _C, Retry.NEVER,
        "The stream's first point fixed another number of dimensions.",
    )
    SEQ_GAP = (
        409, None, _C, Retry.REWIND,
        "A sequence number was skipped; nothing of this frame was applied.",
    )
    STALE_PRODUCER_EPOCH = (
        409, None, _C, Retry.NEVER,
        "The producer has since begun a newer epoch.",
    )
    TOO_MANY_PRODUCERS = (
        409, None, _C, Retry.NEVER,
        "The stream remembers as many producers as it may.",
    )
    IDEMPOTENCY_KEY_REUSED = (
        422, None, _C, Retry.NEVER,
        "The Idempotency-Key was used before, with another body.",
    )
    IDEMPOTENCY_KEY_IN_USE = (
        409, None, _C, Retry.LATER,
        "A request with this Idempotency-Key is still being worked on.",
    )
    TOO_MANY_STREAMS = (
        409, None, _C, Retry.NEVER,
        "The tenant has as many streams as it may.",
    )
    TOO_MANY_SUBSCRIPTIONS = (
        409, None, _C, Retry.NEVER,
        "The session has as many subscriptions as it may.",
    )
    TOO_MANY_SAMPLES = (
        409, None, _C, Retry.LATER,
        "So many kinds of samples of this stream are being read as there may be.",
    )
    DUPLICATE_SUBSCRIPTION = (
        409, None, _C, Retry.NEVER,
        "The session already has a subscription with this id or to this stream.",
    )
    UNKNOWN_SUBSCRIPTION = (
        404, None, _C, Retry.NEVER,
        "The session has no subscription with this id.",
    )
    UNEXPECTED_MESSAGE = (
        409, None, _C, Retry.NEVER,
        "The message does not fit the state of the session.",
    )
    INVALID_PARAMETER = (
        422, None, _C, Retry.NEVER,
        "An algorithm parameter is unknown or outside its range.",
    )
    TOO_MANY_SHADOWS = (
        409, None, _C, Retry.LATER,
        "The tenant has as many shadow engines at work as it may.",
    )
    SHADOW_TOO_LONG = (
        422, None, _C, Retry.NEVER,
        "The processor time of a shadow engine was used up before anything could be"
        " compared.",
    )
    CONFIRMATION_REQUIRED = (
        422, None, _C, Retry.NEVER,
        "A reset throws the model away and therefore wants confirm: true.",
    )
    NOT_FOUND = (
        404, None, _C, Retry.NEVER,
        "There is nothing at this address.",
    )
    METHOD_NOT_ALLOWED = (
        405, None, _C, Retry.NEVER,
        "The address does not know this method.",
    )

    # Who may.
    CREDENTIALS_MISSING = (
        401, 4500, _C, Retry.NEVER,
        "No credential was given.",
    )
    TOKEN_INVALID = (
        401, 4501, _C, Retry.NEVER,
        "The token is not one that this server issued.",
    )
    KEY_INVALID = (
        401, 4502, _C, Retry.NEVER,
        "The API key is unknown, revoked or expired.",
    )
    LOGIN_FAILED = (
        401, None, _C, Retry.NEVER,
        "The user name or the password is wrong.",
    )
    USER_NOT_FOUND = (
        401, 4503, _C, Retry.NEVER,
        "The user of this token no longer exists or is disabled.",
    )
    TOKEN_EXPIRED = (
        401, 4401, _C, Retry.RECONNECT,
        "The token has expired; come back with a fresh one.",
    )
    PERMISSION_DENIED = (
        403, None, _C, Retry.NEVER,
        "The credential does not carry the scope that this needs.",
    )
    RATE_LIMITED = (
        429, None, _C, Retry.LATER,
        "Too many requests.",
    )

    # Why a connection ends.
    DRAINING = (
        503, 4000, _N, Retry.RECONNECT,
        "The server is shutting down.",
    )
    HELLO_TIMEOUT = (
        408, 4001, _C, Retry.RECONNECT,
        "The first message did not come in time.",
    )
    SLOW_CONSUMER = (
        408, 4003, _C, Retry.RECONNECT,
        "The client read too slowly for too long; reconnect and resume.",
    )
    FRAME_TIMEOUT = (
        408, 4020, _C, Retry.RECONNECT,
        "A frame was begun and did not come whole in time.",
    )
    TOO_MANY_CONNECTIONS = (
        429, 4021, _C, Retry.RECONNECT,
        "The address or the tenant has as many connections as it may.",
    )
    TOO_MANY_UNAUTHENTICATED = (
        503, 4022, _N, Retry.RECONNECT,
        "Too many sockets had shown no credential, and this was the oldest of them.",
    )
    INTERNAL_ERROR = (
        500, 4005, _S, Retry.RECONNECT,
        "The server failed; the cause is in its log under the request or session id.",
    )
    STREAM_DAMAGED = (
        503, 4006, _S, Retry.RECONNECT,
        "What is stored of the stream is damaged, so it is not served until it has been"
        " mended; other streams are.",
    )
    HELLO_REQUIRED = (
        400, 4510, _C, Retry.NEVER,
        "The first message must be a hello.",
    )
    TOO_MANY_ERRORS = (
        400, 4511, _C, Retry.NEVER,
        "The session sent more bad frames in a row than the limit.",
    )
    PRODUCER_REPLACED = (
        409, 4512, _C, Retry.NEVER,
        "A newer connection speaks for this producer.",
    )
    UNSUPPORTED_SUBPROTOCOL = (
        400, None, _C, Retry.NEVER,
        "None of the offered subprotocols is spoken here.",
    )

    # When the server cannot, for now.
    STARTING = (
        503, None, _N, Retry.LATER,
        "The server is starting; nothing was done.",
    )
    SERVER_FULL = (
        503, None, _N, Retry.LATER,
        "The server has as many sockets open as it may.",
    )
    STORE_UNAVAILABLE = (
        503, None, _S, Retry.LATER,
        "The journal cannot be written; nothing was applied.",
    )
    OVERLOADED = (
        503, None, _S, Retry.LATER,
        "The server has as much work queued as it may; nothing was done.",
    )
    OWNER_UNAVAILABLE = (
        503, None, _S, Retry.LATER,
        "The node that owns the stream cannot be reached and no other has taken over"
        " yet; the same may be sent again, it counts once.",
    )
    # fmt: on

    def __init__(
        self,
        http_status: int,
        close_code: int | None,
        blame: Blame,
        retry: Retry,
        meaning: str,
    ) -> None:
        self.http_status = http_status
        self.close_code = close_code
        self.blame = blame
        self.retry = retry
        self.meaning = meaning

    @property
    def wire(self) -> str:
        """The name on the wire, for example ``seq_gap``."""
        return self.name.lower()
