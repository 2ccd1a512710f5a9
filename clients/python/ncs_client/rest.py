"""A request over HTTP without the HTTP: what is sent, what an answer means, and when to
send it again. Both clients carry these out; what they differ in is how they wait.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import msgspec
import orjson
from yarl import URL

from ncs_protocol import Code

from .errors import NcsClientError, RefusedError, UnreachableError, refusal

__all__ = ["Call", "Retries", "address"]

T = TypeVar("T")

_NOTHING_DONE = frozenset(
    code.wire
    for code in (
        Code.STARTING,
        Code.OVERLOADED,
        Code.DRAINING,
        Code.RATE_LIMITED,
        Code.IDEMPOTENCY_KEY_IN_USE,
        Code.TOO_MANY_SHADOWS,
    )
)
"""Refusals after which anything may be sent again."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[T]):
    """One request, and how to read the answer to it."""

    method: str
    path: str
    read: Callable[[bytes], T]
    """Takes the body of a good answer."""
    query: Mapping[str, str] = dataclasses.field(default_factory=dict)
    body: bytes | None = None
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    is_repeatable: bool = False
    """Whether carrying it out twice is the same as once."""
    timeout_s: float | None = None
    """For one attempt; None for the client's own."""
    max_retries: int | None = None
    """None for the client's own."""
    also_good: tuple[int, ...] = ()
    """Statuses of refusals whose body is an answer as well."""

    def all_headers(self, credential: str | None) -> dict[str, str]:
        """Return the headers of the request."""
        headers = {"Accept": "application/json", **self.headers}
        if credential is not None:
            headers["Authorization"] = f"Bearer {credential}"
        return headers

    def answer(self, status: int, headers: Mapping[str, str], body: bytes) -> T:
        """Return what an answer means.

        Raises:
            RefusedError: if it is a refusal.
            NcsClientError: if it is none of this protocol.
        """
        if 300 <= status < 400:
            place = headers.get("Location", "another address")
            raise NcsClientError(f"the server sends us to {place}; use that one")
        if status < 400 or status in self.also_good:
            try:
                return self.read(body)
            except (msgspec.MsgspecError, LookupError, TypeError) as error:
                if status < 400:
                    said = f"{self.path} answered what is not understood: {error}"
                    raise NcsClientError(said) from error
        raise _refusal(status, headers, body)


@dataclasses.dataclass(frozen=True, slots=True)
class Retries:
    """Whether a call that failed is sent again, and after how long.

    Args:
        most: how often it is sent again at most.
    """

    most: int = 3

    def wait_s(
        self, call: Call[Any], attempt: int, error: NcsClientError
    ) -> float | None:
        """Return the seconds to wait, or None if it shall not be sent again.

        It is the time that the server asked for, or else ``2**attempt``.

        Args:
            call: what was sent.
            attempt: from 0.
            error: what came of it.
        """
        most = self.most if call.max_retries is None else call.max_retries
        if attempt >= most or not _may_repeat(call, error):
            return None
        told = error.retry_after_s if isinstance(error, RefusedError) else None
        return told if told is not None else 2.0**attempt


def _may_repeat(call: Call[Any], error: NcsClientError) -> bool:
    if isinstance(error, RefusedError):
        is_untouched = error.code in _NOTHING_DONE
        return is_untouched or (call.is_repeatable and error.status in (502, 503, 504))
    return call.is_repeatable and isinstance(error, UnreachableError)


def address(base_url: str) -> URL:
    """Return where requests go.

    Raises:
        ValueError: if it is not an http or https address.
    """
    url = URL(base_url.rstrip("/") + "/")
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError(f"base_url must be like http://host:port, got {base_url}")
    return url


def _refusal(status: int, headers: Mapping[str, str], body: bytes) -> RefusedError:
    try:
        fields = orjson.loads(body)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):  # a proxy's page; it is better than nothing
        fields = {"detail": body[:200].decode(errors="replace")}
    detail, index = fields.get("detail", ""), None
    if isinstance(detail, list) and detail:
        numbers = [step for step in detail[0]["loc"] if isinstance(step, int)]
        index = numbers[0] if numbers else None
        detail = detail[0]["msg"]
    unnamed = Code.RATE_LIMITED.wire if status == 429 else f"http_{status}"
    code = fields.get("reason") or fields.get("error_code") or unnamed
    return refusal(
        str(code).lower(),
        str(detail),
        status=status,
        index=index,
        retry_after_s=_seconds(headers.get("Retry-After")),
    )


def _seconds(text: str | None) -> float | None:
    """Return a number of seconds; a proxy may also send a date, which is not one."""
    try:
        return None if text is None else max(0.0, float(text))
    except ValueError:
        return None
