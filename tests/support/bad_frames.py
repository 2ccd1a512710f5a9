"""Frames that are wrong, each with the code that it has to be answered with."""

import dataclasses

import msgpack
import numpy as np
from numpy.typing import NDArray

from ncs_protocol import JSON, MSGPACK, Codec, pack

__all__ = ["BAD_FRAMES", "BadFrame"]


@dataclasses.dataclass(frozen=True)
class BadFrame:
    """One of them."""

    name: str
    frame: str | bytes
    code: str

    @property
    def codec(self) -> Codec:
        """What a session has to speak to be sent it."""
        return JSON if isinstance(self.frame, str) else MSGPACK


def points(text: str) -> str:
    """Return a JSON frame with these points."""
    return '{"type":"points","seq":1,"points":' + text + "}"


def rows(count: int, dimension: int) -> str:
    """Return so many points, as JSON."""
    row = "[" + ",".join(["1"] * dimension) + "]"
    return "[" + ",".join([row] * count) + "]"


def extension(code: int, payload: bytes) -> bytes:
    """Return a MessagePack frame with this extension as its array."""
    array = msgpack.ExtType(code, payload)
    return bytes(msgpack.packb({"type": "points", "seq": 1, "array": array}))


def packed(array: NDArray[np.float32]) -> bytes:
    """Return a MessagePack frame with this packed array."""
    return extension(0x10, pack(array))


def floats(*values: float) -> NDArray[np.float32]:
    """Return one point a value."""
    return np.array([[value] for value in values], np.float32)


NAN_IN_LISTS = bytes(
    msgpack.packb({"type": "points", "seq": 1, "points": [[float("nan")]]})
)
_JSON: dict[str, tuple[str, str]] = {
    "cut off": ('{"type":"poi', "malformed_frame"),
    "not JSON": ("hello", "malformed_frame"),
    "no object": ("[1, 2]", "invalid_message"),
    "no type": ('{"seq":1}', "invalid_message"),
    "unknown type": ('{"type":"shout"}', "unknown_type"),
    "a server's type": ('{"type":"welcome"}', "unknown_type"),
    "unknown field": ('{"type":"ping","idd":"x"}', "invalid_message"),
    "deep nesting": ("[" * 100_000, "malformed_frame"),
    "deep metadata": (
        '{"type":"points","seq":1,"points":[[1]],"metadata":'
        + '{"a":' * 20 + "1" + "}" * 20 + "}",
        "nested_too_deep",
    ),
    "large metadata": (
        points('[[1]],"metadata":{"a":"' + "x" * 5000 + '"}'),
        "metadata_too_large",
    ),
    "NaN": (points("[[NaN]]"), "malformed_frame"),
    "1e20": (points("[[1e20]]"), "out_of_range"),
    "1e999": (points("[[1e999]]"), "malformed_frame"),
    "ragged": (points("[[1,2],[1]]"), "ragged_points"),
    "no point": (points("[]"), "no_points"),
    "empty point": (points("[[]]"), "empty_point"),
    "boolean": (points("[[true]]"), "invalid_message"),
    "text": (points('[["1"]]'), "invalid_message"),
    "flat": (points("[1,2,3]"), "invalid_message"),
    "wrong dimension": (points("[[1,2,3,4,5]]"), "dimension_mismatch"),
    "too many dimensions": (points(rows(1, 1001)), "too_many_dimensions"),
    "too many points": (points(rows(10_001, 1)), "too_many_points"),
    "too many elements": (
        points(rows(10_000, 11)),
        "too_many_elements",
    ),
    "bad stream name": (
        '{"type":"points","seq":1,"stream":"../x","points":[[1]]}', "invalid_name",
    ),
    "seq 0": ('{"type":"points","seq":0,"points":[[1]]}', "invalid_message"),
    "bad base64": ('{"type":"points","seq":1,"array":"!!"}', "bad_array"),
    "bad timestamp": (
        '{"type":"points","seq":1,"points":[[1]],"timestamps":[1e13]}',
        "invalid_timestamp",
    ),
    "a second hello": ('{"type":"hello","token":"x"}', "unexpected_message"),
    "unknown subscription": ('{"type":"unsubscribe","id":"x"}', "unknown_subscription"),
    "unknown event": (
        '{"type":"subscribe","id":"x","events":["gossip"]}', "invalid_message",
    ),
}  # fmt: skip
_MSGPACK: dict[str, tuple[bytes, str]] = {
    "NaN in lists": (NAN_IN_LISTS, "not_finite"),
    "packed NaN": (packed(floats(np.nan)), "not_finite"),
    "packed infinity": (packed(floats(1.0, np.inf)), "not_finite"),
    "packed 1e20": (packed(floats(1e20)), "out_of_range"),
    "packed without points": (packed(np.zeros((0, 3), np.float32)), "no_points"),
    "packed flat": (packed(np.zeros(3, np.float32)), "bad_array"),
    "packed wrong dimension": (packed(np.ones((2, 7), "f4")), "dimension_mismatch"),
    "damaged array": (
        extension(0x10, b"\x01"),
        "bad_array",
    ),
    "unknown extension": (
        extension(0x33, b"x"),
        "malformed_frame",
    ),
    "array bomb": (b"\xdd\xff\xff\xff\xff" * 300, "too_many_elements"),
    "deep nesting": (b"\x91" * 100_000, "malformed_frame"),
    "nothing": (b"", "malformed_frame"),
}  # fmt: skip
BAD_FRAMES = [
    *(BadFrame(name, *row) for name, row in _JSON.items()),
    *(BadFrame(f"{name} in MessagePack", *row) for name, row in _MSGPACK.items()),
]
