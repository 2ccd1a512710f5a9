"""What waits to be written to one connection: first in, first out, bounded in bytes.

Overflow policy: the frame that does not fit and all after it are dropped, and the
connection is told to end with a code that says reconnect. The history is not touched,
so the reader catches up from where it was.
"""

from __future__ import annotations

from collections import deque

__all__ = ["Outbox"]


class Outbox:
    """A bounded queue of encoded frames.

    Args:
        max_bytes: what may wait.

    Attributes:
        waiting_bytes: what waits now, frames handed out by `take` included until
            `written`.
        overflowed: whether a frame was ever dropped.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.waiting_bytes = 0
        self.overflowed = False
        self._frames: deque[bytes] = deque()

    def __bool__(self) -> bool:
        return bool(self._frames)

    def push(self, frame: bytes) -> bool:
        """Queue a frame; return False if it was dropped."""
        if self.overflowed or self.waiting_bytes + len(frame) > self.max_bytes:
            self.overflowed = True
            return False
        self._frames.append(frame)
        self.waiting_bytes += len(frame)
        return True

    def take(self) -> list[bytes]:
        """Return and remove all that waits, in order."""
        frames = list(self._frames)
        self._frames.clear()
        return frames

    def written(self, size: int) -> None:
        """Say that `size` bytes of what was taken have left."""
        self.waiting_bytes -= size
