"""What can go wrong, as seen by a user of the client.

NcsClientError
  RefusedError        the server refused a request or a batch, with a code; the guides
                      call it NCSAPIException
  UnreachableError    no answer to a request
  ConnectionEndedError  the session ended and reconnecting would not help
  GapError            events are missing; a copy of the model would be wrong
  LaggingError        this program reads a subscription too slowly
  SpoolError          the spool of a gateway cannot be used
    SpoolFullError    there is no room for a batch, by its limits or on the disk
"""

from __future__ import annotations

from ncs_protocol import Code
from ncs_protocol.messages import Error

__all__ = [
    "ConnectionEndedError",
    "GapError",
    "LaggingError",
    "NCSAPIException",
    "NcsClientError",
    "RefusedError",
    "SpoolError",
    "SpoolFullError",
    "UnreachableError",
]

_CODE_OF: dict[int | None, Code] = {
    code.close_code: code for code in Code if code.close_code is not None
}


class NcsClientError(Exception):
    """Base of all errors of the client."""


class RefusedError(NcsClientError):
    """The server refused something.

    Attributes:
        code: the code, for example ``dimension_mismatch``; see the protocol.
        detail: the server's sentence.
        status: HTTP status, or None over WebSocket.
        index: index of the offending point in its batch, if one is to blame.
        retry_after_s: seconds after which the same may be tried again, if it may.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        status: int | None = None,
        index: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        self.code = code
        self.detail = detail
        self.status = status
        self.index = index
        self.retry_after_s = retry_after_s
        super().__init__(f"{code}: {detail}")


NCSAPIException = RefusedError
"""The name that the guides use."""


class UnreachableError(NcsClientError):
    """A request got no answer; whether it was carried out is not known."""


class ConnectionEndedError(NcsClientError):
    """The connection is over for good.

    Attributes:
        close_code: WebSocket close code; None if none came, as from a server that is
            not there.
        code: name of the close code in the protocol's table, if it has one.
        reason: the server's sentence, or what kept the connection from being made.
    """

    def __init__(self, close_code: int | None, reason: str) -> None:
        self.close_code = close_code
        self.reason = reason
        code = _CODE_OF.get(close_code)
        self.code = None if code is None else code.wire
        if code is not None:
            reason = f"{code.wire}: {reason or code.meaning}"
        elif close_code is not None:
            reason = f"closed with {close_code}: {reason}"
        super().__init__(reason)


class GapError(NcsClientError):
    """An event does not follow the last that a copy of the model has."""


class LaggingError(NcsClientError):
    """A subscription was not read and its queue is full.

    Attributes:
        queued: messages that were waiting.
    """

    def __init__(self, queued: int) -> None:
        self.queued = queued
        super().__init__(f"{queued} events waited unread; read faster or ask for fewer")


class SpoolError(NcsClientError):
    """The spool of a gateway cannot be used: it is locked, another's, or unreadable."""


class SpoolFullError(SpoolError):
    """There is no room for a batch.

    Attributes:
        disk: whether it is the disk that is full, not the spool's own limit.
    """

    def __init__(self, detail: str, *, disk: bool) -> None:
        self.disk = disk
        super().__init__(detail)


def refused(error: Error) -> RefusedError:
    """Return the error for a refusal that came over the WebSocket."""
    return RefusedError(
        error.code,
        error.detail,
        index=error.index,
        retry_after_s=error.retry_after,
    )


def close_is_final(close_code: int | None) -> bool:
    """Return whether reconnecting after this close code would not help."""
    if close_code is None:
        return False
    return 4500 <= close_code <= 4999 or close_code == Code.FRAME_TOO_LARGE.close_code
