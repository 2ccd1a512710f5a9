"""The asynchronous client: REST calls, and the way to a live session."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar

import aiohttp
import msgspec
import numpy as np
import orjson
from yarl import URL

from ncs_protocol import Code

from .errors import NcsClientError, RefusedError, UnreachableError
from .results import (
    AlgorithmStatus,
    ApiKey,
    Cluster,
    Health,
    ProcessBody,
    ProcessResult,
    ShadowResult,
)
from .stream import StreamSession

__all__ = ["AsyncNCSClient"]

_T = TypeVar("_T")
_NOTHING_DONE = frozenset(
    code.wire
    for code in (
        Code.STARTING,
        Code.OVERLOADED,
        Code.DRAINING,
        Code.TOO_MANY_SHADOWS,
    )
)
"""Refusals after which any request may be sent again."""


class AsyncNCSClient:
    """A client of one server.

    Args:
        base_url: for example ``http://127.0.0.1:8000``; REST and WebSocket are there.
        api_key: an API key or an access token; not needed before `login`.
        timeout: seconds for one request.
        max_retries: how often a request that is safe to repeat is tried again, when the
            server cannot be reached or says that it cannot for now.

    Raises:
        ValueError: if `base_url` is not an http or https address.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str | None = None,
        *,
        timeout: float = 30.0,
        max_retries: int = 3,
    ) -> None:
        self.base_url = URL(base_url.rstrip("/") + "/")
        if self.base_url.scheme not in ("http", "https") or not self.base_url.host:
            raise ValueError(f"base_url must be like http://host:port, got {base_url}")
        self._credential = api_key
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._max_retries = max_retries
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> AsyncNCSClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the connections."""
        if self._http is not None:
            await self._http.close()
            self._http = None

    async def login(self, username: str, password: str) -> None:
        """Exchange a password for a token, and use that from now on.

        Raises:
            RefusedError: if either is wrong.
        """
        form = {"username": username, "password": password}
        body = await self._request("POST", "auth/login", dict[str, Any], form=form)
        self._credential = str(body["access_token"])

    # REST

    async def process_points(
        self,
        points: Any,
        *,
        stream: str = "default",
        timestamps: Sequence[float] | None = None,
        metadata: dict[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> ProcessResult:
        """Cluster a batch and say what became of each point.

        Without a key it is not repeated when the connection breaks: the batch might
        count twice.

        Args:
            points: n lists of d numbers, or an array of shape (n, d).
            stream: name of the stream.
            timestamps: event time per point.
            metadata: echoed in the events that this batch causes.
            idempotency_key: names this batch, which counts once however often it is
                sent, for as long as the server remembers its key.

        Raises:
            RefusedError: if the server refuses; nothing was applied.
            UnreachableError: if no answer came.
        """
        rows = points.tolist() if isinstance(points, np.ndarray) else points
        request = {"points": rows, "stream": stream}
        if timestamps is not None:
            request["timestamps"] = list(timestamps)
        if metadata is not None:
            request["metadata"] = metadata
        body = await self._request(
            "POST",
            "api/v1/process_points",
            ProcessBody,
            json=request,
            safe=idempotency_key is not None,
            key=idempotency_key,
        )
        return ProcessResult.from_body(body)

    async def get_clusters(self, stream: str = "default") -> list[Cluster]:
        """Return the clusters of a stream, by id."""
        path = "api/v1/clusters_summary"
        return await self._request("GET", path, list[Cluster], query={"stream": stream})

    async def get_algorithm_status(self, stream: str = "default") -> AlgorithmStatus:
        """Return the state of a stream's engine."""
        path = "api/v1/algorithm_status"
        return await self._request(
            "GET", path, AlgorithmStatus, query={"stream": stream}
        )

    async def reset_algorithm(self, stream: str = "default") -> None:
        """Throw the model of a stream away; needs the scope `admin`."""
        request = {"stream": stream, "confirm": True}
        path = "api/v1/algorithm/reset"
        await self._request("POST", path, dict[str, Any], json=request)

    async def configure(self, stream: str = "default", **params: Any) -> dict[str, Any]:
        """Change engine parameters of a stream and return all; needs `admin`."""
        request = {"stream": stream, "params": params}
        path = "api/v1/algorithm/config"
        body = await self._request("PATCH", path, dict[str, Any], json=request)
        return dict(body["params"])

    async def shadow(
        self,
        stream: str = "default",
        *,
        params: Mapping[str, Any] | None = None,
        preset: str | None = None,
        configurations: Sequence[Mapping[str, Any]] = (),
        last_points: int | None = None,
        points: Any = None,
        labels: Sequence[int | str] | None = None,
        start: Literal["model", "empty"] = "model",
        summaries: bool = True,
    ) -> ShadowResult:
        """Return what other parameters would make of a stream, which is not touched.

        Args:
            stream: name of the stream.
            params: to try, in place of those in force; or
            preset: name of a preset to try, with `params` on top of it; or
            configurations: up to 16 of {"name", "preset", "params"}, to compare them.
            last_points: of the stream, to try them on; 10,000 unless points are given.
            points: n lists of d numbers, or an array of shape (n, d), to try them on.
            labels: classes of `points`, to see how true the clusters are.
            start: ``model`` changes the parameters in the stream's model as it was
                before these points; ``empty`` begins without a model.
            summaries: whether to return the clusters one by one.

        Raises:
            RefusedError: if the server refuses, ``too_many_shadows`` after all retries.
        """
        request: dict[str, Any] = {"stream": stream, "start": start}
        request["summaries"] = summaries
        rows = points.tolist() if isinstance(points, np.ndarray) else points
        optional = {
            "params": params,
            "preset": preset,
            "configurations": list(configurations) or None,
            "last_points": last_points,
            "points": rows,
            "labels": None if labels is None else list(labels),
        }
        request |= {
            name: value for name, value in optional.items() if value is not None
        }
        path = "api/v1/shadow"
        return await self._request("POST", path, ShadowResult, json=request, safe=True)

    async def create_key(
        self,
        name: str,
        permissions: Sequence[str] = ("read", "write"),
        *,
        days: float | None = None,
    ) -> ApiKey:
        """Make an API key for the caller's tenant; needs `admin`.

        The key itself is in this reply and nowhere else.
        """
        request: dict[str, Any] = {"name": name, "permissions": list(permissions)}
        if days is not None:
            request["expires_in_days"] = days
        return await self._request("POST", "auth/api-keys", ApiKey, json=request)

    async def revoke_key(self, key_id: str) -> None:
        """Make an API key unusable and end its sessions; needs `admin`."""
        await self._request("DELETE", f"auth/api-keys/{key_id}", type(None))

    async def health_check(self) -> Health:
        """Return how the server is; needs no credential."""
        return await self._request("GET", "health", Health)

    # Live

    def stream(
        self,
        *,
        codec: str = "msgpack",
        producer: str | None = None,
        streams: Sequence[str] = ("default",),
        reconnect_attempts: int | None = None,
        on_reconnect: Callable[[int], None] | None = None,
        on_close: Callable[[Exception | None], None] | None = None,
        max_unacknowledged: int = 1024,
        event_credit: int | None = None,
    ) -> StreamSession:
        """Return a live session, to be used with ``async with``; see `StreamSession`.

        Raises:
            NcsClientError: if there is no credential yet.
        """
        if self._credential is None:
            raise NcsClientError("no credential: pass api_key, or login first")
        url = self.base_url.with_scheme(
            {"http": "ws", "https": "wss"}.get(self.base_url.scheme, "ws")
        )
        return StreamSession(
            str(url / "ws"),
            lambda: self._credential or "",
            codec=codec,
            producer=producer,
            streams=streams,
            reconnect_attempts=reconnect_attempts,
            on_reconnect=on_reconnect,
            on_close=on_close,
            max_unacknowledged=max_unacknowledged,
            event_credit=event_credit,
        )

    # Requests

    async def _request(
        self,
        method: str,
        path: str,
        kind: type[_T],
        *,
        json: Any = None,
        form: dict[str, str] | None = None,
        query: dict[str, str] | None = None,
        safe: bool = False,
        key: str | None = None,
    ) -> _T:
        safe = safe or method == "GET"
        for attempt in range(self._max_retries + 1):
            last = attempt == self._max_retries
            try:
                return await self._once(method, path, kind, json, form, query, key)
            except RefusedError as error:
                untouched = error.status == 429 or error.code in _NOTHING_DONE
                if last or not (untouched or (safe and error.status == 503)):
                    raise
                await asyncio.sleep(error.retry_after_s or 2.0**attempt)
            except (aiohttp.ClientConnectionError, TimeoutError) as error:
                if last or not safe:
                    raise UnreachableError(
                        f"no answer from {self.base_url}: {str(error) or 'time-out'}"
                    ) from error
                await asyncio.sleep(2.0**attempt)
        raise AssertionError("the last attempt returns or raises")

    async def _once(
        self,
        method: str,
        path: str,
        kind: type[_T],
        json: Any,
        form: dict[str, str] | None,
        query: dict[str, str] | None,
        key: str | None,
    ) -> _T:
        if self._http is None:
            self._http = aiohttp.ClientSession(timeout=self._timeout)
        headers = {}
        if self._credential is not None:
            headers["Authorization"] = f"Bearer {self._credential}"
        if key is not None:
            headers["Idempotency-Key"] = key
        if json is not None:
            headers["Content-Type"] = "application/json"
        data: Any = form if json is None else orjson.dumps(json)
        async with self._http.request(
            method, self.base_url / path, params=query, data=data, headers=headers
        ) as response:
            body = await response.read()
            if response.status >= 400:
                raise _refusal(response.status, body, response.headers)
            return msgspec.convert(orjson.loads(body) if body else None, kind)


def _refusal(status: int, body: bytes, headers: Any) -> RefusedError:
    """Return the error in a reply's body."""
    try:
        fields = orjson.loads(body)
    except ValueError:
        fields = {}
    detail, index = fields.get("detail", body[:200].decode(errors="replace")), None
    if isinstance(detail, list) and detail:
        place = detail[0]
        numbers = [step for step in place.get("loc", ()) if isinstance(step, int)]
        index = numbers[0] if numbers else None
        detail = place.get("msg", "")
    code = fields.get("reason") or fields.get("error_code") or f"http_{status}"
    retry_after = headers.get("Retry-After")
    return RefusedError(
        str(code).lower(),
        str(detail),
        status=status,
        index=index,
        retry_after_s=float(retry_after) if retry_after else None,
    )
