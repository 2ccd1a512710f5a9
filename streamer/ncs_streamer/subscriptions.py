"""The subscriptions of one connection: asked for, begun, renewed, ended.

A subscription begins with a look at its stream's model, which takes its turn on an
engine thread; it may be gone again by then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from ncs_protocol import Code, NcsError
from ncs_protocol.messages import Position, Sample, Subscribe

from .audience import Subscription
from .hub import Sight
from .lanes import Lanes
from .outgoing import Outgoing
from .served import ServedStream
from .variant import Variant
from .wire import Wire

if TYPE_CHECKING:
    from .server import Server

__all__ = ["Subscriptions"]

_MAX_JOINING = 128
_AGAIN_S = 1.0


class Subscriptions:
    """See the module.

    Args:
        server: what the connection belongs to.
        outgoing: where events go.
        wire: how.
        on_refused: called with why a subscription could not begin, and its id.
        on_failure: called with what went wrong in the server.
    """

    def __init__(
        self,
        server: Server,
        outgoing: Outgoing,
        wire: Wire,
        on_refused: Callable[[NcsError, str], None],
        on_failure: Callable[[Exception], None],
    ) -> None:
        self._server = server
        self._outgoing = outgoing
        self._wire = wire
        self._on_refused = on_refused
        self._on_failure = on_failure
        self._asked: dict[str, Subscribe] = {}  # by id, what is in force
        self._followed: dict[str, tuple[ServedStream, Subscription]] = {}
        self._sampled: dict[str, tuple[ServedStream, Sample]] = {}
        self._joining = 0  # that wait for their turn

    def follow(self, tenant: str, request: Subscribe) -> None:
        """Begin a subscription.

        Raises:
            NcsError: if the stream may not be made, or too many wait for their turn, or
                too many kinds of samples are read.
        """
        if self._joining >= _MAX_JOINING:
            raise NcsError(
                Code.OVERLOADED,
                f"{self._joining} subscriptions of this connection wait for their turn",
                retry_after_s=0.5,
            )
        stream = self._server.streams.open(tenant, request.stream)
        try:
            self._sample(stream, request)
        except NcsError:
            self._server.streams.discard_unused(stream)
            raise
        self._asked[request.id] = request

        def begin(sight: Sight) -> None:
            if self._asked.get(request.id) is not request:
                # Unsubscribed, or gone, while this waited for its turn.
                self._server.streams.discard_unused(stream)
                return
            clock = self._server.clock
            subscription = stream.hub.join(
                request,
                sight,
                self._outgoing,
                self._wire,
                now=clock.now(),
                mono=clock.monotonic(),
                room=self._outgoing.outbox.patience.max_bytes // 2,
            )
            self._followed[request.id] = (stream, subscription)
            self._server.metrics.add("ncs_subscriptions", 1)

        def refused(error: NcsError) -> None:
            if self._asked.get(request.id) is request:
                self.unfollow(request.id)
                self._on_refused(error, request.id)
            self._server.streams.discard_unused(stream)

        self._look(stream, request.since, begin, refused)

    def _sample(self, stream: ServedStream, request: Subscribe) -> None:
        options = Variant.of(request).sample
        if options is not None:
            stream.sample(options)
            self._sampled[request.id] = (stream, options)

    def renew(self, lanes: Lanes) -> None:
        """Have a fresh snapshot sent to the subscription with these lanes."""
        for stream, subscription in self._followed.values():
            if subscription.lanes is lanes:
                self._renew(stream, subscription)
                return

    def _renew(self, stream: ServedStream, subscription: Subscription) -> None:
        def is_followed() -> bool:
            return (stream, subscription) in self._followed.values()

        def go_on(sight: Sight) -> None:
            if is_followed():
                monotonic = self._server.clock.monotonic()
                stream.hub.renew(subscription, sight, monotonic)

        def refused(error: NcsError) -> None:
            wait = error.retry_after_s or _AGAIN_S
            asyncio.get_running_loop().call_later(wait, try_again)

        def try_again() -> None:
            if is_followed():
                self._renew(stream, subscription)

        self._look(stream, None, go_on, refused)

    def _look(
        self,
        stream: ServedStream,
        since: Position | None,
        deliver: Callable[[Sight], None],
        refused: Callable[[NcsError], None],
    ) -> None:
        """Look at a stream's model, after all that is queued."""
        self._joining += 1

        def take(sight: Sight | Exception) -> None:
            self._joining -= 1
            if isinstance(sight, NcsError):
                refused(sight)
            elif isinstance(sight, Exception):
                self._on_failure(sight)
            else:
                deliver(sight)

        stream.look(since, take)

    def unfollow(self, id: str) -> None:
        """End a subscription, or one that waits for its turn."""
        self._asked.pop(id, None)
        if id in self._sampled:
            stream, options = self._sampled.pop(id)
            stream.unsample(options)
        followed = self._followed.pop(id, None)
        if followed is not None:
            stream, subscription = followed
            stream.hub.leave(subscription)
            self._server.streams.discard_unused(stream)
            self._server.metrics.add("ncs_subscriptions", -1)

    def end(self) -> None:
        """End all of them."""
        for id in list(self._asked):
            self.unfollow(id)
