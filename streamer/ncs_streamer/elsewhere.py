"""What a node says that is asked for a stream which is not its own."""

from __future__ import annotations

from ncs_protocol import Code, NcsError

__all__ = ["ElsewhereError"]


class ElsewhereError(NcsError):
    """Nothing was done: another node owns the stream, or is about to.

    Attributes:
        node: its name; empty if that is not known.
    """

    def __init__(self, node: str = "") -> None:
        super().__init__(Code.OWNER_UNAVAILABLE, retry_after_s=1.0)
        self.node = node
