"""The connection of one lane: keeps it up, syncs its spool, and sends what is due.

Sending is one task that wakes when something may have become due: a push, an ack, a
welcome, the end of a wait. What it sends is durable before (see `spool`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from ssl import SSLContext

from ncs_protocol import MSGPACK, Code
from ncs_protocol.messages import GatewayReport, Ping, Pong, ServerMessage, Welcome

from .backoff import Backoff
from .clock import ClockOffset
from .connection import Connection
from .credential import TokenSource
from .errors import ConnectionEndedError, SpoolError
from .lane import DISK, HOLD_S, Lane

__all__ = ["Link"]

_RETRY_S = 1.0
_YIELD_S = 0.05

log = logging.getLogger("ncs_client")


class Link(Connection):
    """See the module.

    Args:
        url: address of the server's `/ws`.
        token: returns a credential, asked for every connection.
        lane: what is sent.
        clock: takes what pongs tell.
        waits: returns whether another lane goes first.
        is_lazy: whether syncing may wait until something can be sent, or `sync`.
        on_pause: called with reason, seconds and detail when nothing can be sent.
        on_welcome: called when a connection is made.
        backoff: waits between attempts to connect.
        ssl: see `Connection`.

    Attributes:
        lane: as given.
        failure: what went wrong last, until a connection is made again.
        is_replaced: whether another process speaks for the producer; it has ended then.
    """

    def __init__(
        self,
        url: str,
        token: TokenSource,
        lane: Lane,
        clock: ClockOffset,
        *,
        waits: Callable[[], bool],
        is_lazy: bool,
        on_pause: Callable[[str, float | None, str], None],
        on_welcome: Callable[[], None],
        backoff: Backoff | None = None,
        ssl: SSLContext | None = None,
    ) -> None:
        super().__init__(url, token, MSGPACK, lane, backoff=backoff, ssl=ssl)
        self.lane = lane
        self.failure: str | None = None
        self.is_replaced = False
        self._clock = clock
        self._waits = waits
        self._is_lazy = is_lazy
        self._on_pause = on_pause
        self._on_welcome = on_welcome
        self._hurry = asyncio.Event()
        self._awake = asyncio.Event()
        self._pump_task: asyncio.Task[None] | None = None
        self._syncing: asyncio.Task[None] | None = None
        self._pings: dict[str, float] = {}
        self._next_ping = 1

    @property
    def is_begun(self) -> bool:
        """Whether it was told to connect."""
        return self._pump_task is not None

    def begin(self) -> None:
        """Start to connect and to send, if that has not been done."""
        if not self.is_begun:
            self._pump_task = asyncio.create_task(self._pump())
            self._begin()

    async def stop(self) -> None:
        """End the connection; what is in the spool stays there."""
        if self._pump_task is not None:
            self._pump_task.cancel()
            await asyncio.gather(self._pump_task, return_exceptions=True)
        await self._stop()
        if self._syncing is not None:
            await asyncio.gather(self._syncing, return_exceptions=True)

    def wake(self) -> None:
        """Let it look for what is due."""
        self._awake.set()

    async def sync(self) -> None:
        """Make the spool durable; who comes while it is being done waits for the next.

        Raises:
            SpoolError: if the disk fails.
        """
        spool = self.lane.spool
        last = spool.last
        while spool.needs_sync and spool.synced < last:
            if self._syncing is None or self._syncing.done():
                self._syncing = asyncio.create_task(asyncio.to_thread(spool.sync))
            try:
                await asyncio.shield(self._syncing)
            except OSError as error:
                raise SpoolError(f"cannot make the spool durable: {error}") from error

    def ping(self) -> None:
        """Ask for the server's clock."""
        if self.lane.welcome is not None:
            id = f"p{self._next_ping}"
            self._next_ping += 1
            self._pings = {id: time.time()}
            self.send_now([Ping(id=id)])

    def report(self, state: GatewayReport) -> None:
        """Tell the server how the gateway is."""
        if self.lane.welcome is not None:
            self.send_now([state])

    def hurry(self) -> None:
        """Try to connect at once: the server is there."""
        self._hurry.set()

    # What the connection tells

    async def _rest(self, wait_s: float) -> None:
        self._hurry.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._hurry.wait()

    async def _run(self) -> None:
        while not self.is_replaced:
            await super()._run()
            error, self._ended = self._ended, None
            self.failure = str(error)
            code = error.close_code if isinstance(error, ConnectionEndedError) else None
            self.is_replaced = code == Code.PRODUCER_REPLACED.close_code
            if not isinstance(error, ConnectionEndedError):
                log.error("gateway: %s", error, exc_info=error)
            wait = HOLD_S
            if code == Code.TOO_MANY_ERRORS.close_code:
                wait = self._backoff.next_s()  # each refusal was for good: it goes on
            name = next((c.wire for c in Code if c.close_code == code), "refused")
            reason = "refused" if code is None else name
            self._on_pause(reason, None if self.is_replaced else wait, self.failure)
            if not self.is_replaced:
                await asyncio.sleep(wait)

    def _received(self, message: ServerMessage) -> None:
        if isinstance(message, Welcome):
            self.failure = None
            self._on_welcome()
            self.ping()
        elif isinstance(message, Pong):
            sent = self._pings.pop(message.id or "", None)
            if sent is not None:
                self._clock.add(sent, message.server_time, time.time())
        self._end_if_over()

    def _end_if_over(self) -> None:
        if self.lane.must_reconnect and self._socket is not None:
            self._socket.transport.abort()

    def _unreachable(self) -> None:
        self.failure = self._last_failure

    # Sending

    async def _pump(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._awake.wait()
            self._awake.clear()
            try:
                wait = await self._send_due()
            except (OSError, SpoolError) as error:
                self._on_pause(DISK, _RETRY_S, str(error))
                wait = _RETRY_S
            except Exception:  # it must not end while the gateway runs
                log.exception("gateway: sending failed; it is tried again")
                wait = _RETRY_S
            self._end_if_over()
            if wait is not None:
                loop.call_later(wait, self.wake)

    async def _send_due(self) -> float | None:
        """Send what is due; return after how many seconds to look again."""
        lane = self.lane
        if not self._is_lazy or (lane.is_open and lane.has_unsent):
            await self.sync()
        if lane.retry_s is not None:
            wait, lane.retry_s = lane.retry_s, None
            loop = asyncio.get_running_loop()
            loop.call_later(wait, lane.resume, lane.stream)
        if not lane.is_open or not lane.has_unsent:
            return None
        if self._waits():
            return _YIELD_S
        now = time.monotonic()
        self.send_now(lane.frames(now))
        wait = lane.pace.wait_s(now)
        return wait if wait > 0.0 else None
