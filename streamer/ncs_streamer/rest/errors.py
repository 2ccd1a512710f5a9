"""From an `NcsError` to the body and headers that the API promises."""

from __future__ import annotations

import math
import re
from typing import Any

import orjson
from aiohttp import web

from ncs_protocol import Code, NcsError

__all__ = ["error_response"]

_AT = re.compile(r" - at `\$(?P<path>[^`]*)`")
_STEP = re.compile(r"\.(?P<name>\w+)|\[(?P<index>\d+|\.\.\.)\]")
_ABOUT_POINTS = frozenset(
    (
        Code.NO_POINTS, Code.EMPTY_POINT, Code.RAGGED_POINTS, Code.NOT_FINITE,
        Code.OUT_OF_RANGE, Code.SUSPICIOUS_POINT, Code.TOO_MANY_POINTS,
        Code.TOO_MANY_DIMENSIONS, Code.TOO_MANY_ELEMENTS, Code.DIMENSION_MISMATCH,
    )
)  # fmt: skip
_FIELDS = {
    **dict.fromkeys(_ABOUT_POINTS, "points"),
    Code.BAD_ARRAY: "array",
    Code.INVALID_TIMESTAMP: "timestamps",
    Code.NESTED_TOO_DEEP: "metadata",
    Code.METADATA_TOO_LARGE: "metadata",
    Code.INVALID_PARAMETER: "params",
    Code.CONFIRMATION_REQUIRED: "confirm",
}
"""The field of the body that a code is about."""


def error_response(error: NcsError, request_id: str) -> web.Response:
    """Return the response for a refusal or failure."""
    status = error.code.http_status
    body: dict[str, Any]
    headers: dict[str, str] = {}
    if status == 401:
        body = {
            "detail": "Authentication failed",
            "error_code": "AUTHENTICATION_ERROR",
            "reason": error.code.wire,
        }
        headers["WWW-Authenticate"] = 'Bearer realm="ncs"'
        if error.code is not Code.CREDENTIALS_MISSING:
            headers["WWW-Authenticate"] += ', error="invalid_token"'
    elif status == 422:
        body = {"detail": [_place(error)], "error_code": error.code.name}
    elif status == 429:
        wait = math.ceil(error.retry_after_s or 1)
        body = {
            "detail": error.detail,
            "error_code": error.code.name,
            "retry_after": wait,
        }
        headers["Retry-After"] = str(wait)
    elif status == 503:
        body = {
            "detail": "Service temporarily unavailable",
            "error_code": error.code.name,
        }
        headers["Retry-After"] = str(math.ceil(error.retry_after_s or 1))
    else:
        body = {"detail": error.detail, "error_code": error.code.name}
        if error.expected_seq is not None:
            body["expected_seq"] = error.expected_seq
        if error.retry_after_s is not None:
            headers["Retry-After"] = str(math.ceil(error.retry_after_s))
    body["request_id"] = request_id
    return web.Response(
        body=orjson.dumps(body),
        status=status,
        content_type="application/json",
        headers=headers,
    )


def _place(error: NcsError) -> dict[str, Any]:
    """Return the item of a 422 body: where, what, of which kind."""
    loc: list[str | int] = ["body"]
    message = error.detail
    if found := _AT.search(message):
        message = message[: found.start()]
        for step in _STEP.finditer(found["path"]):
            index = step["index"]
            loc.append(step["name"] or (int(index) if index.isdigit() else index))
    else:
        where = (error.field or "").partition(".")[0]
        if where in ("query", "header"):
            loc = [where]
        field = error.field or _FIELDS.get(error.code)
        if field is not None:
            loc.append(field.rpartition(".")[2])
        if error.index is not None:
            loc.append(error.index)
    return {"loc": loc, "msg": message, "type": "value_error"}
