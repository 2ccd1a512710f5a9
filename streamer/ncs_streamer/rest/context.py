"""What handlers get hold of: the server, the caller, the body, and how to answer."""

from __future__ import annotations

import asyncio
import re
import uuid
from typing import Any, TypeVar

import msgspec
import orjson
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from ncs_protocol import JSON, MSGPACK, Code, Codec, NcsError

from ..auth.principal import Principal
from ..limiter import Verdict
from ..server import Server

__all__ = [
    "IDEMPOTENCY_KEY",
    "IS_OF_NODES",
    "KEY_HEADER",
    "PRINCIPAL",
    "REQUEST_ID",
    "SERVER",
    "VERDICT",
    "principal_of",
    "read_body",
    "read_bytes",
    "reply",
    "request_id_for",
    "server_of",
]

SERVER: web.AppKey[Server] = web.AppKey("server", Server)
REQUEST_ID: web.RequestKey[str] = web.RequestKey("request_id", str)
PRINCIPAL: web.RequestKey[Principal] = web.RequestKey("principal", Principal)
IS_OF_NODES: web.AppKey[bool] = web.AppKey("is_of_nodes", bool)
"""Whether the application answers other nodes, and nobody else."""

KEY_HEADER = "Idempotency-Key"
IDEMPOTENCY_KEY: web.RequestKey[str] = web.RequestKey("idempotency_key", str)
"""What a node has given to a request without one, before sending it on."""

VERDICT: web.RequestKey[Verdict] = web.RequestKey("verdict", Verdict)

_CODEC_BY_TYPE: dict[str, Codec] = {
    "application/json": JSON,
    "application/msgpack": MSGPACK,
    "application/x-msgpack": MSGPACK,
}
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")

T = TypeVar("T")


def server_of(request: web.Request) -> Server:
    """Return the server."""
    return request.app[SERVER]


def principal_of(request: web.Request) -> Principal:
    """Return who is calling; only on routes that need a credential."""
    return request[PRINCIPAL]


def request_id_for(request: web.Request) -> str:
    """Return the id that the client sent, if it is one, or a new UUID."""
    given = request.headers.get("X-Request-ID", "")
    return given if _REQUEST_ID.fullmatch(given) else str(uuid.uuid4())


async def read_body(request: web.Request, kind: type[T]) -> T:
    """Return the body as `kind`, from JSON or MessagePack.

    Raises:
        NcsError: saying what does not fit.
    """
    content_type = request.content_type
    codec = _CODEC_BY_TYPE.get(content_type)
    if codec is None:
        raise NcsError(
            Code.UNSUPPORTED_MEDIA_TYPE,
            f"content type {content_type}; this route reads application/json and"
            " application/msgpack",
        )
    body = await read_bytes(request)
    return codec.decode_as(body, kind, server_of(request).limits)


async def read_bytes(request: web.Request) -> bytes:
    """Return the body, within the limits of size and time.

    Raises:
        NcsError: ``frame_too_large``, ``body_timeout``, or ``malformed_frame`` for a
            content encoding that is not what it says.
    """
    try:
        async with asyncio.timeout(server_of(request).settings.body_timeout_s):
            return await request.read()
    except web.HTTPRequestEntityTooLarge:
        most = server_of(request).limits.max_frame_bytes
        raise NcsError(
            Code.FRAME_TOO_LARGE, f"the body is larger than {most} bytes"
        ) from None
    except TimeoutError:
        raise NcsError(Code.BODY_TIMEOUT) from None
    except (web.RequestPayloadError, HttpProcessingError):
        raise NcsError(
            Code.MALFORMED_FRAME, "the body is not what its headers say"
        ) from None


def reply(body: Any, status: int = 200) -> web.Response:
    """Return `body`, a struct or plain value, as JSON."""
    return web.Response(
        body=orjson.dumps(msgspec.to_builtins(body)),
        status=status,
        content_type="application/json",
    )
