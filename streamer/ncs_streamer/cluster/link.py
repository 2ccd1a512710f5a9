"""The way to another node: dialled when it is needed, and again when it was lost.

Whatever waits for an answer when the way is lost gets to know that; what came of it
only the other node can say, so it is asked again, under the same identity.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import time
from collections.abc import Callable

from aiohttp import ClientError, ClientSession

from ncs_protocol import Code, NcsError

from ..logs import get_log
from ..metrics import Metrics
from ..store.contracts import Node, StreamKey
from .socket import HEARTBEAT_S, PeerSocket, begin_handshake
from .wire import (
    Answer,
    Applied,
    Ask,
    LinkError,
    Listen,
    Message,
    Moved,
    Refused,
    Submit,
)

__all__ = ["Link"]

Reply = Applied | Answer | Refused | LinkError

_CONNECT_S = 3.0
_FAILED_S = 2.0
_MAX_FRAME = 256 * 1024 * 1024
_MAX_WAITING = 100_000

log = get_log()


class Link:
    """See the module. Belongs to the event loop's thread.

    Args:
        me: this node's name.
        node: where to.
        secret: of the cluster.
        session: dials.
        metrics: where to count.
        on_moved: called with a stream that we listen to and that has moved.
        on_down: called when the way is lost.
    """

    def __init__(
        self,
        me: str,
        node: Node,
        secret: bytes,
        session: ClientSession,
        metrics: Metrics,
        on_moved: Callable[[StreamKey], None],
        on_down: Callable[[Link], None],
    ) -> None:
        self.node = node
        self._failed_at = -math.inf
        self._me = me
        self._secret = secret
        self._session = session
        self._metrics = metrics
        self._on_moved = on_moved
        self._on_down = on_down
        self._ids = itertools.count(1)
        self._waiting: dict[int, Callable[[Reply], None]] = {}
        self._unsent: list[Message] = []  # until the way is there
        self._socket: PeerSocket | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def is_used(self) -> bool:
        """Whether it is there, or being dialled."""
        return self._task is not None

    @property
    def failed(self) -> bool:
        """Whether it could not be dialled, or was lost, just now."""
        return time.monotonic() - self._failed_at < _FAILED_S

    def submit(self, message: Submit, deliver: Callable[[Reply], None]) -> int:
        """Send a batch; `deliver` is called once, with what came of it."""
        return self._request(message, deliver)

    async def ask(self, key: StreamKey, what: str, body: bytes) -> bytes:
        """Return the answer to a question.

        Raises:
            LinkError: the way is lost, and whether it was answered is unknown.
            NcsError: it is refused.
        """
        if len(self._waiting) >= _MAX_WAITING:
            raise NcsError(Code.OVERLOADED, retry_after_s=1.0)
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

        def deliver(reply: Reply) -> None:
            if not future.cancelled():
                future.set_result(reply)

        self._request(Ask(0, *key, what, body), deliver)
        reply = await future
        if isinstance(reply, LinkError):
            raise reply
        if isinstance(reply, Refused):
            raise reply.error()
        assert isinstance(reply, Answer)
        return reply.body

    def listen(self, message: Listen) -> None:
        """Say who reads a stream here."""
        self._send(message)

    def _request(self, message: Submit | Ask, deliver: Callable[[Reply], None]) -> int:
        message.id = next(self._ids)
        self._waiting[message.id] = deliver
        self._send(message)
        return message.id

    def _send(self, message: Message) -> None:
        if self._socket is not None:
            self._socket.send(message)
            return
        self._unsent.append(message)
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        """Dial, and carry messages until the way is lost."""
        error = LinkError(f"node {self.node.name!r} has hung up")
        try:
            url = f"http://{self.node.address}/peer"
            async with asyncio.timeout(_CONNECT_S) as patience:
                async with self._session.ws_connect(
                    url,
                    heartbeat=HEARTBEAT_S,
                    max_msg_size=_MAX_FRAME,
                    compress=0,
                ) as ws:
                    name, secret = self.node.name, self._secret
                    await begin_handshake(ws, self._me, name, secret)
                    patience.reschedule(None)
                    await self._carry(PeerSocket(ws))
        except (LinkError, ClientError, OSError, TimeoutError) as reason:
            error = LinkError(f"node {self.node.name!r}: {reason!r}")
        finally:
            self._failed_at = time.monotonic()
            self._task = self._socket = None
            self._fail(error)

    async def _carry(self, socket: PeerSocket) -> None:
        self._failed_at, self._socket = -math.inf, socket
        log.info("peer_connected", node=self.node.name)
        self._metrics.add("ncs_peer_links", 1)
        unsent, self._unsent = self._unsent, []
        for message in unsent:
            socket.send(message)
        writing = asyncio.create_task(socket.write())
        try:
            async for messages in socket.messages():
                for message in messages:
                    self._receive(message)
        finally:
            writing.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await writing
            self._metrics.add("ncs_peer_links", -1)
            log.info("peer_disconnected", node=self.node.name)

    def _receive(self, message: Message) -> None:
        if isinstance(message, Moved):
            self._on_moved(StreamKey(message.tenant, message.stream))
        elif isinstance(message, Applied | Answer | Refused):
            deliver = self._waiting.pop(message.id, None)
            if deliver is not None:
                deliver(message)

    def _fail(self, error: LinkError) -> None:
        """Tell everyone who waits, in the order in which they asked."""
        waiting, self._waiting, self._unsent = self._waiting, {}, []
        for deliver in waiting.values():
            deliver(error)
        self._on_down(self)

    async def close(self) -> None:
        """Hang up."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
