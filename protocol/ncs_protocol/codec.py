"""Two codecs behind one interface: JSON by orjson, MessagePack by msgpack.

A codec turns bytes into one typed message or into an `NcsError`, and nothing else: any
bytes whatever give one or the other. Types are checked by msgspec after the bytes have
been parsed under limits, so both codecs refuse exactly the same messages.
"""

from __future__ import annotations

import base64
import binascii
import sys
from typing import Any, Protocol, TypeVar, get_args

import msgpack
import msgspec
import orjson

from .arrays import EXT_NDARRAY, ScaledArray, pack, unpack
from .codes import Code
from .errors import NcsError
from .limits import DEFAULT_LIMITS, Limits
from .messages import (
    ClientMessage,
    Points,
    PointsSample,
    PointsSampleEvent,
    ServerMessage,
)

__all__ = ["CODECS", "JSON", "MSGPACK", "Codec", "JsonCodec", "MsgpackCodec"]

_MAX_DETAIL = 300

_T = TypeVar("_T")


class Codec(Protocol):
    """Encodes messages to frames and decodes frames to messages. Stateless."""

    subprotocol: str
    """The WebSocket subprotocol that selects this codec."""
    binary: bool
    """Whether its frames are binary."""

    def encode(self, message: ClientMessage | ServerMessage) -> bytes:
        """Return the frame for `message`."""

    def decode_client(
        self, frame: bytes | str, limits: Limits = DEFAULT_LIMITS
    ) -> ClientMessage:
        """Return the message that a client sent.

        Raises:
            NcsError: with `id`, `seq` and `stream` of the refused message where it had
                them.
        """

    def decode_server(self, frame: bytes | str) -> ServerMessage:
        """Return the message that a server sent; unknown fields are ignored.

        Raises:
            NcsError: if the frame is not a message of this protocol.
        """

    def decode_as(
        self, body: bytes, kind: type[_T], limits: Limits = DEFAULT_LIMITS
    ) -> _T:
        """Return an HTTP body as `kind`, a struct of the caller's.

        Raises:
            NcsError: as `decode_client`.
        """


class JsonCodec:
    """Text frames. Arrays travel as base64 of their packed payload."""

    subprotocol = "ncs.v1+json"
    binary = False

    def encode(self, message: ClientMessage | ServerMessage) -> bytes:
        """Return UTF-8 JSON."""
        return orjson.dumps(_builtins(message), default=_array_to_json)

    def decode_client(
        self, frame: bytes | str, limits: Limits = DEFAULT_LIMITS
    ) -> ClientMessage:
        """See `Codec.decode_client`."""
        _check_size(frame, limits)
        message: ClientMessage = _convert(
            self._parse(frame), ClientMessage, _array_from_json
        )
        return message

    def decode_server(self, frame: bytes | str) -> ServerMessage:
        """See `Codec.decode_server`."""
        message: ServerMessage = _convert(
            self._parse(frame), ServerMessage, _array_from_json
        )
        return message

    def decode_as(
        self, body: bytes, kind: type[_T], limits: Limits = DEFAULT_LIMITS
    ) -> _T:
        """See `Codec.decode_as`."""
        _check_size(body, limits)
        decoded: _T = _convert(self._parse(body), kind, _array_from_json)
        return decoded

    @staticmethod
    def _parse(frame: bytes | str) -> Any:
        try:
            return orjson.loads(frame)
        except ValueError as error:
            raise _malformed("JSON", error) from None


class MsgpackCodec:
    """Binary frames. Arrays travel as ext type 0x10, timestamps also as ext type -1."""

    subprotocol = "ncs.v1+msgpack"
    binary = True

    def encode(self, message: ClientMessage | ServerMessage) -> bytes:
        """Return MessagePack."""
        packed: bytes = msgpack.packb(_builtins(message), default=_array_to_ext)
        return packed

    def decode_client(
        self, frame: bytes | str, limits: Limits = DEFAULT_LIMITS
    ) -> ClientMessage:
        """See `Codec.decode_client`."""
        _check_size(frame, limits)
        parsed = self._parse(frame, _longest(limits))
        message: ClientMessage = _convert(parsed, ClientMessage, _array_from_ext)
        return message

    def decode_as(
        self, body: bytes, kind: type[_T], limits: Limits = DEFAULT_LIMITS
    ) -> _T:
        """See `Codec.decode_as`."""
        _check_size(body, limits)
        parsed = self._parse(body, _longest(limits))
        decoded: _T = _convert(parsed, kind, _array_from_ext)
        return decoded

    def decode_server(self, frame: bytes | str) -> ServerMessage:
        """See `Codec.decode_server`."""
        message: ServerMessage = _convert(
            self._parse(frame, -1), ServerMessage, _array_from_ext
        )
        return message

    @staticmethod
    def _parse(frame: bytes | str, max_container: int) -> Any:
        if isinstance(frame, str):
            raise NcsError(Code.WRONG_FRAME_TYPE)
        try:
            return msgpack.unpackb(
                frame,
                timestamp=2,  # integer nanoseconds
                ext_hook=_ext_hook,
                max_array_len=max_container,
                max_map_len=max_container,
            )
        except NcsError:
            raise
        except (ValueError, TypeError, OverflowError, msgpack.UnpackException) as error:
            if "exceeds max_array_len" in str(error) or "max_map_len" in str(error):
                raise NcsError(Code.TOO_MANY_ELEMENTS, str(error)) from None
            raise _malformed("MessagePack", error) from None


JSON = JsonCodec()
MSGPACK = MsgpackCodec()
CODECS: dict[str, Codec] = {codec.subprotocol: codec for codec in (JSON, MSGPACK)}


def _longest(limits: Limits) -> int:
    """Return how long an array may be for it to be read at all.

    Twice the limit and a little, so that what is only somewhat too long is read and
    gets the code that says so.
    """
    return 2 * max(limits.max_points, limits.max_dimensions) + 64


def _check_size(frame: bytes | str, limits: Limits) -> None:
    if isinstance(frame, str) and not frame.isascii():
        frame = frame.encode("utf-8", "surrogatepass")
    if len(frame) > limits.max_frame_bytes:
        raise NcsError(
            Code.FRAME_TOO_LARGE,
            f"frame of {len(frame)} bytes, the limit is {limits.max_frame_bytes}",
        )


def _builtins(message: ClientMessage | ServerMessage) -> Any:
    numpy = sys.modules.get("numpy")  # without it there is no array either
    arrays = (ScaledArray,) if numpy is None else (numpy.ndarray, ScaledArray)
    return msgspec.to_builtins(message, builtin_types=arrays)


def _array_to_json(value: Any) -> str:
    return base64.b64encode(pack(value)).decode("ascii")


def _array_to_ext(value: Any) -> msgpack.ExtType:
    return msgpack.ExtType(EXT_NDARRAY, pack(value))


def _array_from_json(expected: type, value: Any) -> Any:
    if isinstance(value, str):
        try:
            return unpack(base64.b64decode(value, validate=True))
        except (binascii.Error, ValueError) as error:
            raise NcsError(Code.BAD_ARRAY, f"packed array: {error}") from None
    raise NcsError(Code.BAD_ARRAY, "a packed array in JSON is a base64 string")


def _array_from_ext(expected: type, value: Any) -> Any:
    if isinstance(value, _Packed):
        return unpack(value.payload)
    raise NcsError(Code.BAD_ARRAY, "a packed array in MessagePack is ext type 0x10")


class _Packed:
    """An ext of type 0x10 that is unpacked once it is known whose message it is in."""

    __slots__ = ("payload",)

    def __init__(self, payload: bytes) -> None:
        self.payload = payload


def _ext_hook(code: int, payload: bytes) -> _Packed:
    if code != EXT_NDARRAY:
        raise ValueError(f"unknown ext type {code}")
    return _Packed(payload)


def _kinds(union: Any) -> dict[Any, Any]:
    return {kind.__struct_config__.tag: kind for kind in get_args(union)}


_KINDS: dict[Any, dict[Any, Any]] = {
    union: _kinds(union) for union in (ClientMessage, ServerMessage)
}
"""Union -> tag -> message."""


def _convert(parsed: Any, union: Any, dec_hook: Any) -> Any:
    tag = parsed.get("type") if isinstance(parsed, dict) else None
    kinds = _KINDS.get(union, {}) if isinstance(tag, str) else {}
    try:
        # To find the message in the union takes msgspec ten times as long as the rest.
        message = msgspec.convert(parsed, kinds.get(tag, union), dec_hook=dec_hook)
        if type(message) is Points and message.array is not None:
            message.array = dec_hook(object, message.array)
        if type(message) is PointsSampleEvent:
            _unpack_sample(message.data, dec_hook)
        return message
    except NcsError as error:
        raise _addressed(error, parsed) from None
    except (msgspec.ValidationError, OverflowError) as error:
        code, detail = Code.INVALID_MESSAGE, str(error)
        if kinds and tag not in kinds:
            code, detail = Code.UNKNOWN_TYPE, f"unknown message type {tag!r:.60}"
        raise _addressed(NcsError(code, detail[:_MAX_DETAIL]), parsed) from None


def _unpack_sample(sample: PointsSample, dec_hook: Any) -> None:
    parts: list[tuple[Any, tuple[str, ...]]] = [
        (sample, ("points", "cluster_ids", "is_outlier")),
        (sample.projection, ("mean", "components")),
    ]
    for part, names in parts:
        for name in names if part is not None else ():
            setattr(part, name, dec_hook(object, getattr(part, name)))


def _addressed(error: NcsError, parsed: Any) -> NcsError:
    """Say which message is refused, as far as it can still be read."""
    if isinstance(parsed, dict):
        id_, seq, stream = (parsed.get(name) for name in ("id", "seq", "stream"))
        error.id = id_ if isinstance(id_, str) and len(id_) <= 64 else None
        error.seq = seq if type(seq) is int and 0 < seq < 2**63 else None
        error.stream = (
            stream if isinstance(stream, str) and len(stream) <= 128 else None
        )
    return error


def _malformed(form: str, error: Exception) -> NcsError:
    why = str(error) or type(error).__name__
    return NcsError(Code.MALFORMED_FRAME, f"not valid {form}: {why}"[:_MAX_DETAIL])
