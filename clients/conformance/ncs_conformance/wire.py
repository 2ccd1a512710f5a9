"""What went over the line of one run, in order, as the proxy saw it."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

from .bell import Bell

__all__ = ["Closing", "End", "Passage", "Wire", "matches"]

End = Literal["client", "server"]


@dataclasses.dataclass(frozen=True, slots=True)
class Passage:
    """One message.

    Attributes:
        connection: 1, 2, 3 ... of the run.
        to: whom it was for.
        at: seconds, of the event loop's clock.
        size: of its payload in bytes.
        message: its fields.
    """

    connection: int
    to: End
    at: float
    size: int
    message: dict[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Closing:
    """A close frame.

    Attributes:
        connection: of the run.
        by: who said it first.
        code: close code.
        attempts: to connect that there had been until then.
    """

    connection: int
    by: End
    code: int
    attempts: int


class Wire:
    """See the module.

    Attributes:
        passages: every message that went through.
        attempts: when the SDK tried to connect.
        closings: close frames.
    """

    def __init__(self, bell: Bell) -> None:
        self.passages: list[Passage] = []
        self.attempts: list[float] = []
        self.closings: list[Closing] = []
        self._bell = bell

    def passed(self, passage: Passage) -> None:
        """Take a message down."""
        self.passages.append(passage)
        self._bell.ring()

    def attempted(self, at: float) -> None:
        """Take down that the SDK tries to connect."""
        self.attempts.append(at)
        self._bell.ring()

    def closed(self, connection: int, by: End, code: int) -> None:
        """Take down the first close frame of a connection."""
        if all(closing.connection != connection for closing in self.closings):
            self.closings.append(Closing(connection, by, code, len(self.attempts)))
        self._bell.ring()

    def rang(self) -> None:
        """Let everyone look: something happened that is not taken down here."""
        self._bell.ring()

    def count(self, to: End, pattern: dict[str, Any]) -> int:
        """Return how many messages there were of some kind."""
        return sum(p.to == to and matches(p.message, pattern) for p in self.passages)


def matches(fields: dict[str, Any], pattern: dict[str, Any]) -> bool:
    """Return whether all that a pattern names is so."""
    return all(fields.get(name) == value for name, value in pattern.items())
