"""The wire protocol of NeuroCluster Streamer: messages, codecs, limits and codes.

Used by the server and by the Python SDK alike. It does no I/O and reads no clock. The
specification, with example conversations, is `protocol/README.md`.
"""

from typing import TYPE_CHECKING, Any

from . import messages
from .arrays import EXT_NDARRAY, ScaledArray, pack, pack_rows, unpack
from .codec import CODECS, JSON, MSGPACK, Codec
from .codes import Blame, Code, Retry
from .errors import NcsError
from .limits import DEFAULT_LIMITS, Limits, check_metadata, check_name
from .times import to_ns

if TYPE_CHECKING:
    from .points import Block, as_block, suspicion

__all__ = [
    "CODECS",
    "DEFAULT_LIMITS",
    "EXT_NDARRAY",
    "JSON",
    "MSGPACK",
    "Blame",
    "Block",
    "Code",
    "Codec",
    "Limits",
    "NcsError",
    "Retry",
    "ScaledArray",
    "as_block",
    "check_metadata",
    "check_name",
    "messages",
    "pack",
    "pack_rows",
    "suspicion",
    "to_ns",
    "unpack",
]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Load what needs NumPy when it is asked for; a gateway does without (PEP 562)."""
    if name in ("Block", "as_block", "suspicion"):
        from . import points

        return getattr(points, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
