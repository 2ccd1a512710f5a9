"""A server, the credential for it, and the way to a live session: what clients share.

Requests differ in how a program waits for them; live sessions are asynchronous in both.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from ssl import SSLContext
from typing import Any

from .callbacks import CallbackStream, StreamingOptions
from .credential import TokenSource
from .errors import NcsClientError
from .pool import PoolOptions
from .rest import Retries, address
from .stream import StreamSession

__all__ = ["Endpoint"]


class Endpoint:
    """A client of one server.

    Args:
        base_url: for example ``http://127.0.0.1:8000``; REST and WebSocket are there.
        api_key: an API key or an access token; not needed before `login`.
        config: bounds of the pool of connections, also as a dict; see `PoolOptions`.
        token: instead of `api_key`, a function that returns a fresh token, asked for
            every request and every connection. It may be asynchronous, but for the
            requests of `NCSClient`.
        timeout: seconds for one attempt of a request.
        max_retries: how often a request is sent again that may be, when the server
            cannot be reached or says that it cannot for now.
        ssl: for https: which servers are trusted, and a certificate of one's own; as
            the system does, if left out.

    Attributes:
        base_url: as given.

    Raises:
        ValueError: if `base_url` is not an http or https address.
        TypeError: if there is no such option of the pool.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str | None = None,
        config: PoolOptions | Mapping[str, Any] | None = None,
        *,
        token: TokenSource | None = None,
        timeout: float = 30.0,
        max_retries: int = 3,
        ssl: SSLContext | None = None,
    ) -> None:
        self.base_url = address(base_url)
        self._pool = PoolOptions.of(config)
        self._timeout_s = timeout
        self._retries = Retries(max_retries)
        self._ssl = ssl
        self._token = token
        if api_key is not None:
            self.use_token(api_key)

    def use_token(self, token: str) -> None:
        """Use another credential from now on; live sessions do too."""
        self._token = lambda: token

    def _present_token(self) -> str | Awaitable[str]:
        """Ask the present source; a `login` may have replaced the one of before."""
        assert self._token is not None
        return self._token()

    # Live

    def stream(
        self,
        *,
        codec: str = "msgpack",
        producer: str | None = None,
        streams: Sequence[str] = ("default",),
        connection_id: str | None = None,
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
        if self._token is None:
            raise NcsClientError("no credential: pass api_key, or login first")
        scheme = "wss" if self.base_url.scheme == "https" else "ws"
        return StreamSession(
            str(self.base_url.with_scheme(scheme) / "ws"),
            self._present_token,
            codec=codec,
            producer=producer,
            streams=streams,
            connection_id=connection_id,
            reconnect_attempts=reconnect_attempts,
            on_reconnect=on_reconnect,
            on_close=on_close,
            max_unacknowledged=max_unacknowledged,
            event_credit=event_credit,
            ssl=self._ssl,
        )

    async def start_streaming(
        self, options: Mapping[str, Any] | None = None, **more: Any
    ) -> CallbackStream:
        """Open a live session that tells callbacks what happens; see `CallbackStream`.

        Args:
            options: see `StreamingOptions`; the names may be camelCase.
            more: the same as keywords.

        Raises:
            ConnectionEndedError: if the server cannot be reached or refuses.
            NcsClientError: if there is no credential yet.
            TypeError: for an option that there is not.
        """
        chosen = StreamingOptions.of({**(options or {}), **more})
        stream = CallbackStream(self.stream, chosen)
        await stream.open()
        return stream
