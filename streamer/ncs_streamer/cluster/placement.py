"""Where a stream belongs: rendezvous hashing over the nodes that live.

Every node works out the same answer from the same names, with nothing to agree on. When
a node comes or goes, only the streams move that come to it or lived on it (Thaler and
Ravishankar, 1998).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from ..store.contracts import StreamKey

__all__ = ["preferred"]


def preferred(key: StreamKey, nodes: Iterable[str]) -> str | None:
    """Return the node that a stream belongs to, None if there is no node."""
    return max(nodes, key=lambda node: (_weight(key, node), node), default=None)


def _weight(key: StreamKey, node: str) -> bytes:
    # The parts are kept apart: no name may stand for the end of another.
    parts = b"".join(len(p).to_bytes(4, "big") + p for p in map(str.encode, key))
    return hashlib.blake2b(parts + node.encode(), digest_size=8).digest()
