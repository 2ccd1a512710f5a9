"""The wire protocol of NeuroCluster Streamer: messages, codecs, limits and codes.

Used by the server and by the Python SDK alike. It does no I/O and reads no clock. The
specification, with example conversations, is `protocol/README.md`.
"""

from . import messages
from .arrays import EXT_NDARRAY, ScaledArray, pack, unpack
from .codec import CODECS, JSON, MSGPACK, Codec
from .codes import Blame, Code, Retry
from .errors import NcsError
from .limits import DEFAULT_LIMITS, Limits, check_metadata, check_name
from .points import Block, as_block, suspicion
from .times import to_ns

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
    "suspicion",
    "to_ns",
    "unpack",
]

__version__ = "0.1.0"
