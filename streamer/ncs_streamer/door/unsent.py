"""How much of what was sent the system still holds back, where it tells that.

A peer that reads slowly takes from the system's buffer for minutes before it takes from
ours.
"""

from __future__ import annotations

import contextlib
import sys

__all__ = ["kernel_bytes"]

if sys.platform == "linux":
    import fcntl
    import termios

    def kernel_bytes(file: int) -> int:
        """Return the bytes of a socket that the peer's system has not taken yet."""
        answer = b""
        with contextlib.suppress(OSError):  # it is gone
            answer = fcntl.ioctl(file, termios.TIOCOUTQ, bytes(4))
        return int.from_bytes(answer, sys.byteorder)

else:

    def kernel_bytes(file: int) -> int:
        """Return 0: nobody tells."""
        return 0
