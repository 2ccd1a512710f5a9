"""A client for gateways: what is pushed is on disk first, and counts exactly once.

Two lanes
  A server takes the batches of a producer in the order of their numbers, without gaps.
  After an outage the backlog would therefore come before what is measured now. So there
  are two producers, NAME for what is live and NAME.backfill for the backlog, each with
  a spool, numbers and a connection of its own. A push goes to the live lane while that
  is open and short, and otherwise to the backlog. The backlog is sent at a bounded rate
  and only while nothing live waits to be sent.

Why nothing counts twice
  A batch is appended to one spool, and never moves to the other: its producer is fixed
  before it is first sent. Its number is its rank in that spool. The number of a batch
  that may have been sent changes in two cases only, each on disk before the next send:
  the server refused a batch before it (so it refused this one for the gap), or a new
  epoch began because the server said that it does not have it (`lane` has the table).
  The server applies each (producer, epoch, seq) at most once. So what is pushed once
  is applied at most once; and it is sent until the server has it or refuses it.
"""

from __future__ import annotations

import asyncio
import logging
import time
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from ssl import SSLContext
from typing import Any

from ncs_protocol import check_name

from .backoff import Backoff
from .clock import ClockOffset
from .credential import TokenSource
from .errors import ConnectionEndedError, SpoolError, SpoolFullError
from .gateway_stats import GatewayStats, Tally
from .lane import DISK, Lane, Pace
from .link import Link
from .losses import Losses
from .payload import payload_of
from .spool import Spool
from .spool_options import SpoolOptions

__all__ = ["GatewayClient"]

_LIVE_BATCHES = 256
_WINDOW_BYTES = 512 * 1024
_TICK_S = 1.0
_NEWEST = "newest"
_PING_EVERY_S = 15.0

log = logging.getLogger("ncs_client")


class GatewayClient:
    """Pushes points through a spool on disk; see the module.

    Args:
        url: for example ``http://127.0.0.1:8000``.
        token: an access token, or a function, asynchronous or not, that returns a
            fresh one for every connection.
        api_key: an API key, instead of a token.
        producer: names this gateway. No other may push under the same name.
        spool_dir: folder of the spool, made if need be. It belongs to this producer
            and stream; a copy of it must not be used as well.
        stream: the stream to push to.
        spool: bounds and durability.
        drain_bytes_per_s: the backlog is sent no faster; None for no bound.
        on_backpressure: called with a reason (a code of the protocol, ``spool_full`` or
            ``disk_full``) and seconds after which it is tried again, if known.
        on_drop: called with a reason and a number of batches that are lost.
        backoff: returns the waits between attempts to connect, for one lane.
        ssl: for https: which servers are trusted; as the system does, if left out.

    Raises:
        ValueError: if `url` is no http address, or not one credential is given.
    """

    def __init__(
        self,
        url: str,
        *,
        producer: str,
        spool_dir: str | Path,
        token: str | TokenSource | None = None,
        api_key: str | None = None,
        stream: str = "default",
        spool: SpoolOptions | None = None,
        drain_bytes_per_s: float | None = 1024 * 1024,
        on_backpressure: Callable[[str, float | None], None] | None = None,
        on_drop: Callable[[str, int], None] | None = None,
        backoff: Callable[[], Backoff] = Backoff,
        ssl: SSLContext | None = None,
    ) -> None:
        credential = token if token is not None else api_key
        if credential is None or (token is not None and api_key is not None):
            raise ValueError("give either token or api_key")
        self._url = _ws_address(url)
        self._ssl = ssl
        self._credential: TokenSource
        self._credential = (
            credential if callable(credential) else lambda: str(credential)
        )
        self._producers = {"live": producer, "backfill": f"{producer}.backfill"}
        for name in (*self._producers.values(), stream):
            check_name("name", name)
        self._folder = Path(spool_dir)
        self._stream = stream
        self._options = spool or SpoolOptions()
        self._drain_bytes_per_s = drain_bytes_per_s
        self._on_backpressure = on_backpressure
        self._on_drop = on_drop
        self._backoff = backoff
        self._clock = ClockOffset()
        self._links: dict[str, Link] = {}
        self._changed = asyncio.Event()
        self._tick_task: asyncio.Task[None] | None = None
        self._tally = Tally(time.monotonic())
        self._losses = Losses()

    # Life

    async def __aenter__(self) -> GatewayClient:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Open the spool and begin to connect; the server need not be there.

        Raises:
            SpoolError: if the spool is in use, another's, or cannot be read.
            OSError: if the folder cannot be made or read.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            for name, producer in self._producers.items():
                pace = Pace(self._drain_bytes_per_s if name == "backfill" else None)
                self._links[name] = await self._link(name, producer, pace)
        except BaseException:
            await self.close()
            raise
        self._live.begin()
        if self._backfill.lane.spool.depth:
            self._backfill.begin()
        for link in self._links.values():
            link.wake()
        self._tick_task = asyncio.create_task(self._tick())

    async def close(self) -> None:
        """End the connections. What is not acknowledged stays in the spool."""
        if self._tick_task is not None:
            self._tick_task.cancel()
            await asyncio.gather(self._tick_task, return_exceptions=True)
        for link in self._links.values():
            await link.stop()
            link.lane.spool.close()
        self._links.clear()

    async def _link(self, name: str, producer: str, pace: Pace) -> Link:
        found: list[tuple[str, int]] = []
        spool = await asyncio.to_thread(
            Spool,
            self._folder / name,
            f"{producer}/{self._stream}",
            self._options.of_lane(name),
            epoch=time.time_ns(),
            on_drop=lambda *loss: found.append(loss),
        )
        spool.on_drop = self._dropped
        for loss in found:  # told here, not in that thread
            self._dropped(*loss)
        lane = Lane(
            spool,
            producer,
            self._stream,
            window_bytes=_WINDOW_BYTES,
            pace=pace,
            clock_ns=time.time_ns,
            on_ready=lambda: self._links[name].wake(),
            on_ack=self._acknowledged,
            on_refused=self._refused,
            on_pause=self._paused,
        )
        return Link(
            self._url,
            self._credential,
            lane,
            self._clock,
            waits=self._live_waits if name == "backfill" else lambda: False,
            is_lazy=self._options.fsync != "always",
            on_pause=self._paused,
            on_welcome=self._hurry,
            backoff=self._backoff(),
            ssl=self._ssl,
        )

    # Points

    async def push(
        self,
        points: Any,
        *,
        timestamps: Sequence[float] | None = None,
        metadata: Mapping[str, Any] | None = None,
        columns: Sequence[str] | None = None,
    ) -> bool:
        """Put a batch into the spool.

        Args:
            points: n lists of d numbers, an array of shape (n, d), or a table.
            timestamps: event time per point, epoch seconds or integer nanoseconds.
            metadata: echoed in the events that this batch causes.
            columns: the columns of a table that are the dimensions; all if left out.

        Returns:
            True once it is as durable as the spool's `fsync` says; False if there was
            no room and it was dropped (`drop_newest`).

        Raises:
            RefusedError: if the batch is bad in itself.
            SpoolError: if it cannot be written. Should it be the sync that failed, the
                batch is in the spool all the same, and pushing it again would count
                it twice.
            TypeError: if something in it is not a number, or cannot be encoded.
        """
        payload = payload_of(points, self._stream, timestamps, metadata, columns)
        link = await self._append(payload)
        if link is None:
            return False
        self._tally.pushed(time.monotonic())
        link.begin()
        link.wake()
        if self._options.fsync == "always":
            await link.sync()
        else:
            await asyncio.sleep(0)  # who pushes in a loop lets others run
        return True

    async def flush(self, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Wait until everything pushed is in the model.

        Raises:
            BatchesLostError: if the spool is empty now, but something will never be in
                the model: what was lost since the gateway was opened, or since a flush
                told of it. What `push` itself returned False for is not among it.
            TimeoutError: if it takes more than `timeout` seconds.
            ConnectionEndedError: if another process speaks for the producer.
            SpoolError: if the gateway is not open.
        """
        losses = self._losses
        async with asyncio.timeout(timeout):
            while self._live.lane.spool.depth + self._backfill.lane.spool.depth:
                for link in self._links.values():
                    if link.is_replaced:
                        raise ConnectionEndedError(None, link.failure or "replaced")
                await self._next_change(_TICK_S)
        if losses:
            if losses is self._losses:  # else another flush tells of them too
                self._losses = Losses()
            raise losses.error()

    def stats(self) -> GatewayStats:
        """Return how it is doing."""
        live, backfill = self._live.lane, self._backfill.lane
        now = time.time()
        oldest = [at for s in (live.spool, backfill.spool) if (at := s.oldest_at)]
        return GatewayStats(
            is_connected=live.is_connected,
            failure=self._live.failure or self._backfill.failure,
            depth_batches=live.spool.depth + backfill.spool.depth,
            depth_bytes=live.spool.size + backfill.spool.size,
            live_batches=live.spool.depth,
            backfill_batches=backfill.spool.depth,
            oldest_age_s=max(0.0, now - min(oldest)) if oldest else None,
            last_acked={
                producer: (numbers.epoch, numbers.acked_seq)
                for name, producer in self._producers.items()
                for numbers in (self._links[name].lane.spool.numbers,)
            },
            **self._tally.fields(time.monotonic()),
            clock_offset_s=self._clock.offset_s(now),
            clock_error_s=self._clock.error_s(now),
        )

    # The spool

    @property
    def _live(self) -> Link:
        return self._link_named("live")

    @property
    def _backfill(self) -> Link:
        return self._link_named("backfill")

    def _link_named(self, name: str) -> Link:
        link = self._links.get(name)
        if link is None:
            raise SpoolError("the gateway is not open")
        return link

    async def _append(self, payload: bytes) -> Link | None:
        """Append to the lane that is meant for it; None if there is no room."""
        is_told = False
        while True:
            try:
                return self._append_now(payload)
            except SpoolFullError as error:
                reason = DISK if error.disk else "spool_full"
            if self._options.overflow == "drop_newest":
                self._paused(reason, None, "")
                self._dropped(_NEWEST, 1)
                return None
            if not is_told:
                self._paused(reason, None, "")
                is_told = True
            await self._next_change(_TICK_S)

    def _append_now(self, payload: bytes) -> Link:
        live, now = self._live, time.time()
        spool = live.lane.spool
        is_short = spool.depth < _LIVE_BATCHES and spool.has_room(len(payload))
        if live.lane.is_connected and is_short:
            spool.append(payload, now)
            return live
        self._backfill.lane.spool.append(payload, now)
        return self._backfill

    def _live_waits(self) -> bool:
        live = self._live.lane
        return live.is_open and live.has_unsent

    async def _next_change(self, within_s: float) -> None:
        """Wait until something is acknowledged or dropped, but not for long."""
        self._changed.clear()
        try:
            async with asyncio.timeout(within_s):
                await self._changed.wait()
        except TimeoutError:
            pass

    async def _tick(self) -> None:
        """Do what time brings: sync, age, clock."""
        sync_due = ping_due = report_due = 0.0
        step = min(_TICK_S, self._options.fsync_interval_s)
        while True:
            await asyncio.sleep(step)
            now = time.monotonic()
            for link in self._links.values():
                try:
                    link.lane.spool.expire(time.time())
                    if link.lane.spool.needs_sync and now >= sync_due:
                        await link.sync()
                except (OSError, SpoolError) as error:
                    self._paused(DISK, _TICK_S, str(error))
            if now >= sync_due:
                sync_due = now + self._options.fsync_interval_s
            if self._report_s and now >= report_due:
                report_due = now + self._report_s
                self._live.report(self.stats().report())
            if now >= ping_due:
                ping_due = now + _PING_EVERY_S
                self._live.ping()

    @property
    def _report_s(self) -> float:
        """How often the server wants a report; 0 for never, or while not connected."""
        welcome = self._live.lane.welcome
        return 0.0 if welcome is None else welcome.report_s

    # What the lanes tell

    def _hurry(self) -> None:
        for link in self._links.values():
            link.hurry()

    def _acknowledged(self, batches: int, is_duplicate: bool) -> None:
        self._tally.acked(batches, is_duplicate, time.monotonic())
        self._changed.set()

    def _refused(self, code: str, detail: str) -> None:
        log.warning("gateway: a batch was refused and dropped: %s: %s", code, detail)
        self._losses.refused(code, detail)
        self._dropped("refused", 1)

    def _dropped(self, reason: str, batches: int) -> None:
        self._tally.dropped(reason, batches)
        if reason != _NEWEST:  # `push` says so
            self._losses.add(reason, batches)
        self._changed.set()
        if self._on_drop is not None:
            self._call(self._on_drop, reason, batches)

    def _paused(self, reason: str, retry_after: float | None, detail: str) -> None:
        self._changed.set()
        if detail:
            log.info("gateway: held up: %s: %s", reason, detail)
        if self._on_backpressure is not None:
            self._call(self._on_backpressure, reason, retry_after)

    @staticmethod
    def _call(hook: Callable[..., None], *arguments: Any) -> None:
        """Call a hook; that it fails is no reason to stop sending."""
        try:
            hook(*arguments)
        except Exception:
            log.exception("gateway: a hook failed")


def _ws_address(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    schemes = {"http": "ws", "https": "wss"}
    if parts.scheme not in schemes or not parts.hostname:
        raise ValueError(f"url must be like http://host:port, got {url}")
    path = parts.path.rstrip("/") + "/ws"
    return urllib.parse.urlunsplit((schemes[parts.scheme], parts.netloc, path, "", ""))
