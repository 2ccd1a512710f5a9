"""Frames made without the codec under test: what a stranger may send."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import msgpack
import orjson
import pytest

from ncs_protocol import JSON, Code, Codec, NcsError


def raw(codec: Codec, value: Any) -> bytes:
    """Return any value in the codec's form, whether it is a message or not."""
    packed: bytes = orjson.dumps(value) if codec is JSON else msgpack.packb(value)
    return packed


def points(codec: Codec, points: Any, **more: Any) -> bytes:
    """Return a `points` frame with anything for points."""
    return raw(codec, {"type": "points", "seq": 1, "points": points, **more})


def refusal(call: Callable[[], object]) -> NcsError:
    """Return the error that the call must raise."""
    with pytest.raises(NcsError) as caught:
        call()
    return caught.value


def code_of(call: Callable[[], object]) -> Code:
    """Return the code of the error that the call must raise."""
    return refusal(call).code


def peak_megabytes(call: Callable[[], object]) -> float:
    """Return the most memory that the call, which must be refused, had in use."""
    tracemalloc.start()
    try:
        with pytest.raises(NcsError):
            call()
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()
