"""What one frame may hold; `welcome` tells it, and each limit has its own code."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import orjson

from .codes import Code
from .errors import NcsError

__all__ = ["DEFAULT_LIMITS", "Limits", "check_metadata", "check_name"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@-]{0,127}")


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Upper bounds on one frame or request; the tightest one wins."""

    max_frame_bytes: int = 2 * 1024 * 1024
    max_points: int = 10_000
    max_dimensions: int = 1_000
    max_elements: int = 100_000
    max_abs_value: float = 1e6
    max_metadata_bytes: int = 4096
    max_metadata_depth: int = 8


DEFAULT_LIMITS = Limits()


def check_name(what: str, name: str) -> str:
    """Return `name` if it can name a stream, producer, connection or subscription.

    Raises:
        NcsError: ``invalid_name``; names are 1 to 128 of ``A-Z a-z 0-9 _ . : @ -`` and
            begin with a letter or a digit.
    """
    if _NAME.fullmatch(name) is None:
        shown = name if len(name) <= 40 else name[:40] + "..."
        raise NcsError(
            Code.INVALID_NAME,
            f"{what} {shown!r} is not a name: 1 to 128 of A-Z a-z 0-9 _ . : @ -,"
            " beginning with a letter or digit",
            field=what,
        )
    return name


def check_metadata(metadata: dict[str, Any], limits: Limits) -> None:
    """Refuse metadata that is nested too deep, or too large when written as JSON.

    Raises:
        NcsError: ``nested_too_deep``, ``metadata_too_large``, or ``invalid_message``
            for a value that JSON does not have.
    """
    todo: list[tuple[Any, int]] = [(metadata, 1)]
    while todo:
        value, depth = todo.pop()
        if depth > limits.max_metadata_depth:
            raise NcsError(
                Code.NESTED_TOO_DEEP,
                f"metadata is nested deeper than {limits.max_metadata_depth} levels",
            )
        if isinstance(value, dict):
            todo.extend((item, depth + 1) for item in value.values())
        elif isinstance(value, list):
            todo.extend((item, depth + 1) for item in value)
    try:
        size = len(orjson.dumps(metadata))
    except TypeError as error:
        raise NcsError(
            Code.INVALID_MESSAGE, f"metadata: {error}", field="metadata"
        ) from None
    if size > limits.max_metadata_bytes:
        raise NcsError(
            Code.METADATA_TOO_LARGE,
            f"metadata takes {size} bytes of JSON, the limit is"
            f" {limits.max_metadata_bytes}",
        )
