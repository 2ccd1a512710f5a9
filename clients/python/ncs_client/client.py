"""The asynchronous client."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import aiohttp

from . import calls
from .credential import fresh
from .endpoint import Endpoint
from .errors import NcsClientError, RequestTimeoutError, UnreachableError
from .measure import Throughput, measure_throughput
from .rest import Call

__all__ = ["AsyncNCSClient"]

P = ParamSpec("P")
T = TypeVar("T")


def _awaited(
    make: Callable[P, Call[T]],
) -> Callable[Concatenate[AsyncNCSClient, P], Coroutine[Any, Any, T]]:
    """Return the method that carries out what `make` describes."""

    async def method(client: AsyncNCSClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await client.request(make(*args, **kwargs))

    return calls.as_method(method, make)


class AsyncNCSClient(Endpoint):
    """A client of one server, for ``async`` programs; see `Endpoint`."""

    _http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
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
        self.use_token(await self.request(calls.log_in(username, password)))

    process_points = _awaited(calls.process_points)
    get_clusters = _awaited(calls.get_clusters)
    get_algorithm_status = _awaited(calls.get_algorithm_status)
    get_algorithm_config = _awaited(calls.get_algorithm_config)
    list_streams = _awaited(calls.list_streams)
    health_check = _awaited(calls.health_check)
    reset_algorithm = _awaited(calls.reset_algorithm)
    configure = _awaited(calls.configure)
    shadow = _awaited(calls.shadow)
    create_key = _awaited(calls.create_key)
    revoke_key = _awaited(calls.revoke_key)

    async def benchmark_throughput(
        self,
        test_points: Any,
        duration_seconds: float = 60,
        concurrent_requests: int = 10,
        *,
        stream: str = "benchmark",
    ) -> Throughput:
        """Send a batch over and over and measure; see `measure_throughput`."""
        return await measure_throughput(
            self, test_points, duration_seconds, concurrent_requests, stream=stream
        )

    async def request(self, call: Call[T]) -> T:
        """Carry out a call, more than once if need be and it does no harm.

        Raises:
            RefusedError: if the server refuses.
            UnreachableError: if it does not answer.
        """
        for attempt in itertools.count():
            try:
                return await self._once(call)
            except NcsClientError as error:
                wait_s = self._retries.wait_s(call, attempt, error)
                if wait_s is None:
                    raise
            await asyncio.sleep(wait_s)
        raise AssertionError("it returns or raises")

    async def _once(self, call: Call[T]) -> T:
        if self._http is None:
            self._http = self._connected()
        token = None if self._token is None else await fresh(self._token)
        timeout = aiohttp.ClientTimeout(
            total=call.timeout_s or self._timeout_s,
            connect=self._pool.connection_timeout,
            sock_read=self._pool.read_timeout,
        )
        try:
            async with self._http.request(
                call.method,
                self.base_url / call.path,
                params=call.query,
                data=call.body,
                headers=call.all_headers(token),
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                body = await response.read()
        except TimeoutError as error:
            raise RequestTimeoutError(
                f"no answer from {self.base_url} in time"
            ) from error
        except aiohttp.ClientError as error:
            raise UnreachableError(
                f"no answer from {self.base_url}: {error}"
            ) from error
        return call.answer(response.status, response.headers, body)

    def _connected(self) -> aiohttp.ClientSession:
        pool = self._pool
        connector = aiohttp.TCPConnector(
            limit=pool.max_connections,
            limit_per_host=pool.max_connections_per_host,
            keepalive_timeout=pool.keepalive_timeout,
            ssl=self._ssl or True,
        )
        return aiohttp.ClientSession(connector=connector)
