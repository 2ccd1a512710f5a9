"""What can go wrong, as seen by a user of the client.

NcsClientError
  RefusedError            the server refused a request or a batch, with a code; the
                          guides call it NCSAPIException
    AuthenticationError   the credential is missing, wrong or no longer good
    RateLimitError        too much at once; `retry_after_s` says when to come back
    ValidationError       the request itself is wrong
    UnavailableError      the server cannot do it now
  UnreachableError        no answer to a request
    RequestTimeoutError   none in time; a TimeoutError too
  CircuitBreakerOpenException  not tried: the last ones failed
  ConnectionEndedError    the session ended and reconnecting would not help
  BatchesLostError        not everything that a gateway pushed is in the model
  GapError                events are missing; a copy of the model would be wrong
  SpoolError              the spool of a gateway cannot be used
    SpoolFullError        there is no room for a batch, by its limits or on the disk
"""

from __future__ import annotations

from ncs_protocol import Code
from ncs_protocol.messages import Error

__all__ = [
    "AuthenticationError",
    "BatchesLostError",
    "CircuitBreakerOpenException",
    "ConnectionEndedError",
    "GapError",
    "NCSAPIException",
    "NcsClientError",
    "RateLimitError",
    "RefusedError",
    "RequestTimeoutError",
    "SpoolError",
    "SpoolFullError",
    "UnavailableError",
    "UnreachableError",
    "ValidationError",
    "close_is_final",
    "refusal",
]

_CODE_OF: dict[int | None, Code] = {
    code.close_code: code for code in Code if code.close_code is not None
}
_STATUS_OF = {code.wire: code.http_status for code in Code}


class NcsClientError(Exception):
    """Base of all errors of the client."""


class RefusedError(NcsClientError):
    """The server refused something.

    Attributes:
        code: the code, for example ``dimension_mismatch``; see the protocol.
        detail: the server's sentence.
        status: HTTP status; that of the table of codes when it came over the WebSocket.
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


class AuthenticationError(RefusedError):
    """The credential is missing, wrong or no longer good."""


class RateLimitError(RefusedError):
    """Too much at once; `retry_after_s` says when to come back."""


class ValidationError(RefusedError):
    """The request itself is wrong: the same would be refused again."""


class UnavailableError(RefusedError):
    """The server cannot do it now."""


class UnreachableError(NcsClientError):
    """A request got no answer; whether it was carried out is not known."""


class RequestTimeoutError(UnreachableError, TimeoutError):
    """A request got no answer in time; whether it was carried out is not known."""


class CircuitBreakerOpenException(NcsClientError):
    """It was not tried, because the last ones failed.

    Attributes:
        retry_after_s: seconds after which one may be tried.
    """

    def __init__(self, retry_after_s: float = 0.0) -> None:
        self.retry_after_s = retry_after_s
        super().__init__("Circuit breaker is open")


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


class BatchesLostError(NcsClientError):
    """Some of what a gateway pushed is not in the model, and will not be.

    Attributes:
        dropped: batches by reason: `refused`, `overflow`, `age`, `damaged` or
            `uncertain`.
        code: the server's code for the first batch that it refused; if it refused none,
            the first reason.
        detail: the server's sentence; empty if it refused none.
    """

    def __init__(self, dropped: dict[str, int], code: str, detail: str) -> None:
        self.dropped = dropped
        self.code = code
        self.detail = detail
        lost = ", ".join(f"{count} {reason}" for reason, count in dropped.items())
        because = f"; the first for {code}: {detail}" if detail else ""
        super().__init__(f"batches lost: {lost}{because}")


class GapError(NcsClientError):
    """An event does not follow the last that a copy of the model has."""


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


_KINDS: dict[int | None, type[RefusedError]] = {
    **dict.fromkeys((400, 413, 415, 422), ValidationError),
    401: AuthenticationError,
    429: RateLimitError,
    **dict.fromkeys((500, 502, 503, 504), UnavailableError),
}


def refusal(
    code: str,
    detail: str,
    *,
    status: int | None = None,
    index: int | None = None,
    retry_after_s: float | None = None,
) -> RefusedError:
    """Return the error for a refusal, of the class that its status has."""
    if status is None:
        status = _STATUS_OF.get(code)
    kind = _KINDS.get(status, RefusedError)
    return kind(code, detail, status=status, index=index, retry_after_s=retry_after_s)


def refused(error: Error) -> RefusedError:
    """Return the error for a refusal that came over the WebSocket."""
    return refusal(
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
