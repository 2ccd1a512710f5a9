"""Every request that a client makes, once: the clients have these as methods.

A function here returns a `Call`, which nobody has carried out yet.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypedDict, TypeVar
from urllib.parse import urlencode

import msgpack
import msgspec
import numpy as np

from ncs_protocol import EXT_NDARRAY, Code, NcsError, pack, pack_rows

from .errors import refusal
from .points import Rows, as_points, count_of
from .rest import Call
from .results import (
    AlgorithmStatus,
    ApiKey,
    Cluster,
    Health,
    ProcessBody,
    ProcessResult,
    ShadowResult,
)

__all__ = ["ProcessOptions", "as_method"]

_T = TypeVar("_T")
_F = TypeVar("_F", bound=Callable[..., Any])

_JSON = {"Content-Type": "application/json"}
_MSGPACK = {"Content-Type": "application/msgpack"}
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def as_method(method: _F, make: Callable[..., Any]) -> _F:
    """Let a method look like the function that it carries out."""
    functools.update_wrapper(method, make)
    signature = inspect.signature(make)
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    parameters = [own, *signature.parameters.values()]
    told = str(signature.return_annotation).removeprefix("Call[").removesuffix("]")
    vars(method)["__signature__"] = signature.replace(
        parameters=parameters, return_annotation=told
    )
    return method


class ProcessOptions(TypedDict, total=False):
    """The documented options of `process_points`."""

    batch_mode: bool
    """Accepted for compatibility: a request is always one batch."""
    timeout: float
    """Milliseconds for one attempt."""
    max_retries: int
    """How often it is sent again, instead of what the client does otherwise."""


_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_OPTIONS = {"batchMode": "batch_mode", "maxRetries": "max_retries"}


def process_points(
    points: Any,
    options: ProcessOptions | Mapping[str, Any] | None = None,
    *,
    stream: str = "default",
    timestamps: Sequence[float] | None = None,
    metadata: Mapping[str, Any] | None = None,
    columns: Sequence[str] | None = None,
    idempotency_key: str | None = None,
    request_id: str | None = None,
) -> Call[ProcessResult]:
    """Cluster a batch and say what became of each point.

    It is sent again if the answer is lost: by its key the server knows it, and counts
    it once.

    Args:
        points: n lists of d numbers, an array of shape (n, d), or a table.
        options: see `ProcessOptions`; camelCase is understood too.
        stream: name of the stream.
        timestamps: event time per point: epoch seconds, or integer nanoseconds.
        metadata: echoed in the events that this batch causes.
        columns: the columns of a table that are the dimensions; all if left out.
        idempotency_key: names this batch, of which only one with the same content
            counts; random if left out.
        request_id: what the server's log and the result call it, if it is 1 to 128
            letters, digits and ``._:-``.

    Raises:
        RefusedError: if the server refuses; nothing was applied.
        UnreachableError: if no answer came; sent with the same key it counts once.
        TypeError: for points that are no numbers, and options that there are not.
    """
    given: dict[str, Any] = {**(options or {})}
    chosen = {_OPTIONS.get(name, name): value for name, value in given.items()}
    if unknown := chosen.keys() - ProcessOptions.__annotations__.keys():
        raise TypeError(f"process_points has no option {min(unknown)!r}")
    timeout_ms = chosen.get("timeout")
    fields: dict[str, Any] = {
        "stream": stream,
        "array": _packed(as_points(points, columns)),
    }
    if timestamps is not None:
        fields["timestamps"] = np.asarray(timestamps).tolist()
    if metadata is not None:
        fields["metadata"] = metadata
    headers = {**_MSGPACK, "Idempotency-Key": idempotency_key or uuid.uuid4().hex}
    if request_id is not None and _REQUEST_ID.fullmatch(request_id):
        headers["X-Request-ID"] = request_id
    return Call(
        method="POST",
        path="api/v1/process_points",
        read=lambda body: ProcessResult.from_body(_decode(body, ProcessBody)),
        body=msgpack.packb(fields),
        headers=headers,
        is_repeatable=True,
        timeout_s=None if timeout_ms is None else timeout_ms / 1000,
        max_retries=chosen.get("max_retries"),
    )


def get_clusters(stream: str = "default") -> Call[list[Cluster]]:
    """Return the clusters of a stream, by id."""
    return _get("api/v1/clusters_summary", list[Cluster], stream=stream)


def get_algorithm_status(stream: str = "default") -> Call[AlgorithmStatus]:
    """Return the state of a stream's engine."""
    return _get("api/v1/algorithm_status", AlgorithmStatus, stream=stream)


def get_algorithm_config(stream: str = "default") -> Call[dict[str, Any]]:
    """Return the engine parameters of a stream."""
    path = "api/v1/algorithm/config"
    return Call(
        method="GET",
        path=path,
        query={"stream": stream},
        read=lambda body: dict(_decode(body, dict[str, Any])["params"]),
        is_repeatable=True,
    )


def list_streams() -> Call[list[str]]:
    """Return the names of the streams that there are."""
    return _get("api/v1/streams", list[str])


def health_check() -> Call[Health]:
    """Return how the server is, also if it is not well; needs no credential."""
    return dataclasses.replace(_get("health", Health), also_good=(503,))


def reset_algorithm(stream: str = "default") -> Call[None]:
    """Throw the model of a stream away; needs the scope `admin`."""
    body = {"stream": stream, "confirm": True}
    return _send("POST", "api/v1/algorithm/reset", body, lambda body: None)


def configure(stream: str = "default", **params: Any) -> Call[dict[str, Any]]:
    """Change engine parameters of a stream and return all; needs `admin`."""
    return _send(
        "PATCH",
        "api/v1/algorithm/config",
        {"stream": stream, "params": params},
        lambda body: dict(_decode(body, dict[str, Any])["params"]),
    )


def shadow(
    stream: str = "default",
    *,
    params: Mapping[str, Any] | None = None,
    preset: str | None = None,
    configurations: Sequence[Mapping[str, Any]] = (),
    last_points: int | None = None,
    points: Any = None,
    columns: Sequence[str] | None = None,
    labels: Sequence[int | str] | None = None,
    start: Literal["model", "empty"] = "model",
    summaries: bool = True,
) -> Call[ShadowResult]:
    """Return what other parameters would make of a stream, which is not touched.

    Args:
        stream: name of the stream.
        params: to try, in place of those in force; or
        preset: name of a preset to try, with `params` on top of it; or
        configurations: up to 16 of {"name", "preset", "params"}, to compare them.
        last_points: of the stream, to try them on; 10,000 unless points are given.
        points: to try them on; see `process_points`.
        columns: the columns of a table that are the dimensions; all if left out.
        labels: classes of `points`, to see how true the clusters are.
        start: ``model`` changes the parameters in the stream's model as it was before
            these points; ``empty`` begins without a model.
        summaries: whether to return the clusters one by one.

    Raises:
        RefusedError: if the server refuses, ``too_many_shadows`` after all retries.
    """
    optional = {
        "params": params,
        "preset": preset,
        "configurations": list(configurations) or None,
        "last_points": last_points,
        "array": None if points is None else _packed(as_points(points, columns)),
        "labels": None if labels is None else list(labels),
    }
    given = {name: value for name, value in optional.items() if value is not None}
    return Call(
        method="POST",
        path="api/v1/shadow",
        read=lambda body: _decode(body, ShadowResult),
        body=msgpack.packb(
            {"stream": stream, "start": start, "summaries": summaries, **given}
        ),
        headers=_MSGPACK,
        is_repeatable=True,
    )


def create_key(
    name: str,
    permissions: Sequence[str] = ("read", "write"),
    *,
    days: float | None = None,
) -> Call[ApiKey]:
    """Make an API key for the caller's tenant; needs `admin`.

    The key itself is in this reply and nowhere else.
    """
    body: dict[str, Any] = {"name": name, "permissions": list(permissions)}
    if days is not None:
        body["expires_in_days"] = days
    return _send("POST", "auth/api-keys", body, lambda body: _decode(body, ApiKey))


def revoke_key(key_id: str) -> Call[None]:
    """Make an API key unusable and end its sessions; needs `admin`."""
    path = f"auth/api-keys/{key_id}"
    return Call(method="DELETE", path=path, read=lambda body: None)


def log_in(username: str, password: str) -> Call[str]:
    """Return a token."""
    return Call(
        method="POST",
        path="auth/login",
        read=lambda body: str(_decode(body, dict[str, Any])["access_token"]),
        body=urlencode({"username": username, "password": password}).encode(),
        headers=_FORM,
    )


def _get(path: str, kind: type[_T], **query: str) -> Call[_T]:
    return Call(
        method="GET",
        path=path,
        query=query,
        read=lambda body: _decode(body, kind),
        is_repeatable=True,
    )


def _send(method: str, path: str, body: Any, read: Any) -> Call[Any]:
    encoded = msgspec.json.encode(body)
    return Call(method=method, path=path, body=encoded, headers=_JSON, read=read)


def _decode(body: bytes, kind: type[_T]) -> _T:
    return msgspec.json.decode(body, type=kind)


def _packed(points: Rows) -> msgpack.ExtType:
    """Return the array that the body has; the server checks what it holds."""
    try:
        if count_of(points) == 0:
            raise NcsError(Code.NO_POINTS)
        if not isinstance(points, list):
            return msgpack.ExtType(EXT_NDARRAY, pack(points))
        if not points[0]:
            raise NcsError(Code.EMPTY_POINT, index=0)
        return msgpack.ExtType(EXT_NDARRAY, pack_rows(points))
    except NcsError as error:
        raise refusal(error.code.wire, error.detail, index=error.index) from None
