"""The client of programs that wait for each request."""

from __future__ import annotations

import inspect
import itertools
import os
import time
from collections.abc import Callable
from typing import Concatenate, ParamSpec, Self, TypeVar

import urllib3

from . import calls
from .endpoint import Endpoint
from .errors import NcsClientError, RequestTimeoutError, UnreachableError
from .rest import Call

__all__ = ["NCSClient"]

P = ParamSpec("P")
T = TypeVar("T")

_CHUNK_BYTES = 64 * 1024


def _blocking(
    make: Callable[P, Call[T]],
) -> Callable[Concatenate[NCSClient, P], T]:
    """Return the method that carries out what `make` describes."""

    def method(client: NCSClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return client.request(make(*args, **kwargs))

    return calls.as_method(method, make)


class NCSClient(Endpoint):
    """A client of one server, for programs without ``async``; see `Endpoint`.

    Threads may share one. Only `start_streaming` and `stream` need an event loop.
    """

    _http: urllib3.PoolManager | None = None
    _process = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        if self._http is not None:
            self._http.clear()
            self._http = None

    def login(self, username: str, password: str) -> None:
        """Exchange a password for a token, and use that from now on.

        Raises:
            RefusedError: if either is wrong.
        """
        self.use_token(self.request(calls.log_in(username, password)))

    process_points = _blocking(calls.process_points)
    get_clusters = _blocking(calls.get_clusters)
    get_algorithm_status = _blocking(calls.get_algorithm_status)
    get_algorithm_config = _blocking(calls.get_algorithm_config)
    list_streams = _blocking(calls.list_streams)
    health_check = _blocking(calls.health_check)
    reset_algorithm = _blocking(calls.reset_algorithm)
    configure = _blocking(calls.configure)
    shadow = _blocking(calls.shadow)
    create_key = _blocking(calls.create_key)
    revoke_key = _blocking(calls.revoke_key)

    def request(self, call: Call[T]) -> T:
        """Carry out a call, more than once if need be and it does no harm.

        Raises:
            RefusedError: if the server refuses.
            UnreachableError: if it does not answer.
        """
        for attempt in itertools.count():
            try:
                return self._once(call)
            except NcsClientError as error:
                wait_s = self._retries.wait_s(call, attempt, error)
                if wait_s is None:
                    raise
            time.sleep(wait_s)
        raise AssertionError("it returns or raises")

    def _once(self, call: Call[T]) -> T:
        timeout_s = call.timeout_s or self._timeout_s
        deadline = time.monotonic() + timeout_s
        try:
            response = self._connected().request(
                call.method,
                str((self.base_url / call.path).with_query(call.query)),
                body=call.body,
                headers=call.all_headers(self._token_now()),
                timeout=urllib3.Timeout(
                    connect=min(timeout_s, self._pool.connection_timeout),
                    read=min(timeout_s, self._pool.read_timeout),
                ),
                retries=False,
                redirect=False,
                preload_content=False,
                pool_timeout=min(timeout_s, self._pool.connection_timeout),
            )
            chunks = []
            for chunk in response.stream(_CHUNK_BYTES):
                chunks.append(chunk)
                if time.monotonic() > deadline:
                    response.close()
                    raise TimeoutError
        except (TimeoutError, urllib3.exceptions.HTTPError) as error:
            raise self._unanswered(error) from error
        return call.answer(response.status, response.headers, b"".join(chunks))

    def _unanswered(self, error: Exception) -> UnreachableError:
        late = (TimeoutError, urllib3.exceptions.TimeoutError)
        # A connection that was refused, or a name that there is not, is no time-out,
        # though to urllib3 they are kinds of it.
        refused = urllib3.exceptions.NewConnectionError
        if isinstance(error, late) and not isinstance(error, refused):
            return RequestTimeoutError(f"no answer from {self.base_url} in time")
        return UnreachableError(f"no answer from {self.base_url}: {error}")

    def _token_now(self) -> str | None:
        token = None if self._token is None else self._token()
        if isinstance(token, str | None):
            return token
        if inspect.iscoroutine(token):
            token.close()  # else Python complains that nobody waits for it
        raise TypeError("requests of an NCSClient cannot wait for a `token`")

    def _connected(self) -> urllib3.PoolManager:
        if self._http is None or self._process != os.getpid():
            # Sockets are not shared with the process that this one was forked from.
            self._process = os.getpid()
            self._http = urllib3.PoolManager(
                num_pools=1,
                maxsize=self._pool.most,
                block=True,
                ssl_context=self._ssl,
            )
        return self._http
