"""What a gateway lost since it was last asked, to be told by `GatewayClient.flush`."""

from __future__ import annotations

from collections import Counter

from .errors import BatchesLostError

__all__ = ["Losses"]


class Losses:
    """Batches that are lost, by reason, and what the server said of the first."""

    def __init__(self) -> None:
        self._dropped: Counter[str] = Counter()
        self._refusal: tuple[str, str] | None = None

    def __bool__(self) -> bool:
        return bool(self._dropped)

    def add(self, reason: str, batches: int) -> None:
        """Take note of batches that will not be in the model."""
        self._dropped[reason] += batches

    def refused(self, code: str, detail: str) -> None:
        """Take note of why the server refused one."""
        self._refusal = self._refusal or (code, detail)

    def error(self) -> BatchesLostError:
        """Return the error for all of them."""
        code, detail = self._refusal or (next(iter(self._dropped)), "")
        return BatchesLostError(dict(self._dropped), code, detail)
