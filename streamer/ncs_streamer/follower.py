"""What a WebSocket and a reader over HTTP have in common.

A session, the outgoing half of a socket, what is followed over it, and when it has to
go because it does not read or because we have failed.
"""

from __future__ import annotations

import abc
import asyncio
from typing import TYPE_CHECKING, Any

from ncs_protocol import Code, NcsError

from .logs import get_log
from .outgoing import Outgoing
from .session import Session, State
from .subscriptions import Subscriptions
from .wire import Wire

if TYPE_CHECKING:
    from .server import Server

__all__ = ["Follower"]

log = get_log()


class Follower(abc.ABC):
    """See the module.

    Args:
        server: what it belongs to.
        session: its own.
        wire: how messages go out.
        transport: of the socket.
        kind: what it speaks, for metrics.
        outgoing: makes the outgoing half.
        more: arguments of that.

    Attributes:
        reason: why it ended, for metrics and logs.
    """

    def __init__(
        self,
        server: Server,
        session: Session,
        wire: Wire,
        transport: asyncio.Transport,
        kind: str,
        outgoing: type[Outgoing] = Outgoing,
        **more: Any,
    ) -> None:
        self.session = session
        self.kind = kind
        self.reason = "peer"
        self._server = server
        self._transport = transport
        self._outgoing = outgoing(
            transport,
            wire,
            server.patience,
            monotonic=server.clock.monotonic,
            on_waiting=server.fanout.wait,
            on_owed=lambda lanes: self._subscriptions.renew(lanes),
            on_hopeless=self.cut_off,
            **more,
        )
        self._subscriptions = Subscriptions(
            server, self._outgoing, wire, self._refuse_follow, self.fail
        )

    @property
    def waiting_bytes(self) -> int:
        """Bytes that wait for the reader."""
        return self._outgoing.outbox.waiting_bytes

    @abc.abstractmethod
    def end(self, code: Code) -> None:
        """End with the code, after what waits is written."""

    @abc.abstractmethod
    def _refuse_follow(self, error: NcsError, id: str) -> None:
        """Tell why the subscription with this id could not begin."""

    def abort(self) -> None:
        """Cut the connection without ceremony."""
        self._transport.abort()

    def _let_go(self) -> None:
        """Follow nothing any more, and forget what waits."""
        self.session.state = State.CLOSED
        self._subscriptions.end()
        self._outgoing.close()
        self._server.fanout.forget(self._outgoing)

    def cut_off(self) -> None:
        """End it because it does not read."""
        if self.session.state is not State.CLOSED:
            waiting = self.waiting_bytes
            log.warning("slow_consumer", session=self.session.id, waiting_bytes=waiting)
            self.end(Code.SLOW_CONSUMER)

    def fail(self, error: Exception) -> None:
        """End it because of a fault of ours."""
        log.error("session_failed", session=self.session.id, error=repr(error))
        try:
            self.end(Code.INTERNAL_ERROR)
        except Exception:  # then without a word; whoever calls has others to care for
            log.exception("end_failed", session=self.session.id)
            self.abort()
