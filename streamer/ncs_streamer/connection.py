"""One WebSocket connection: the thin adapter between a socket and its `Session`.

It decodes messages and carries out the session's effects, by a task that lives as long
as there is something to read. Everything that is decided is decided in the session; the
socket is in `link`, what goes out in `outgoing`, what is followed in `subscriptions`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ncs_protocol import Blame, Code, NcsError
from ncs_protocol.messages import (
    AlgorithmStatus,
    Auth,
    Error,
    Hello,
    Points,
    Resume,
    SlowDown,
    StatusReply,
)

from .auth import Principal
from .door import Guard, Place
from .effects import (
    Authenticate,
    Close,
    Effect,
    Follow,
    Grant,
    Greet,
    Report,
    Reported,
    Send,
    Submit,
    Suspicious,
    Ticket,
    Unfollow,
)
from .flag import Flag
from .follower import Follower
from .frame_reader import FrameReader, Opcode, Received
from .gathering import Arrived, Gathering
from .link import Link
from .logs import get_log
from .session import Session, State
from .store.contracts import StoreError, StreamKey
from .stream_model import Applied
from .wire import WebSocketWire

if TYPE_CHECKING:
    from .server import Server

__all__ = ["Connection"]

_HELLO_BYTES = 16 * 1024
_CLOSE_S = 2.0
_MAX_REPORTS = 8
_REASON_BYTES = 120

log = get_log()


class Connection(Follower):
    """See the module. Implements `LinkUser`.

    Args:
        server: what the connection belongs to.
        transport: of the socket, on which the handshake is done.
        guard: of the socket.
        place: that the connection takes.
        wire: how messages go out, with the codec that was negotiated.
        session: new, with the handshake's principal if there was one.
        peer: address of the client, for logs.
        window_bits: of permessage-deflate, or 0 without it.

    Attributes:
        link: the protocol of the transport.
        greeted_at: when it began to speak for its producer, epoch seconds.
    """

    def __init__(
        self,
        server: Server,
        transport: asyncio.Transport,
        guard: Guard,
        place: Place,
        wire: WebSocketWire,
        session: Session,
        peer: str,
        window_bits: int,
    ) -> None:
        kind = wire.codec.subprotocol
        super().__init__(
            server, session, wire, transport, kind, window_bits=window_bits
        )
        self.codec = wire.codec
        self._guard = guard
        self._place = place
        self._peer = peer
        self._has_credit = Flag()
        self._answered = Flag()
        self._ended = Flag()
        self.greeted_at = 0.0
        self._reports = 0  # status requests that do
        self._acks_due = False
        self._gathering = Gathering(server.limits)
        self._gathering_ends = False
        self._reading: asyncio.Task[None] | None = None
        self._flushing: asyncio.Task[None] | None = None
        most = server.limits.max_frame_bytes
        if session.state is State.NEW:
            most = min(most, _HELLO_BYTES)
        reader = FrameReader(most, inflates=bool(window_bits))
        now = server.clock.monotonic()
        self.link = Link(transport, guard, reader, server.pulse, self, now)

    @property
    def _owner(self) -> str:
        """Whose turn its frames take: its tenant's, and before a hello nobody's."""
        principal = self.session.principal
        return principal.tenant if principal is not None else ""

    @property
    def _tenant(self) -> str:
        assert self.session.principal is not None
        return self.session.principal.tenant

    # In

    def readable(self) -> None:
        """See `LinkUser.readable`."""
        if self._reading is not None:
            return
        first = self.link.take()
        if first is not None:
            reading = self._read_on(first)
            self._reading = asyncio.get_running_loop().create_task(reading)
        elif self.link.is_over:
            self._finish()

    async def _read_on(self, frame: Received | None) -> None:
        while frame is not None:
            try:
                await self._read(frame)
            except Exception as error:  # a fault of ours; the peer shall be told
                self.fail(error)
            frame = self.link.take()
        self._reading = None
        if self.link.is_over:
            self._finish()

    async def _read(self, frame: Received | None) -> None:
        try:
            while frame is not None:
                if self.session.state is not State.CLOSED:  # else see `Link.close`
                    await self._take(frame)
                frame = self.link.take()
        finally:
            self._submit_gathered()

    async def _take(self, frame: Received) -> None:
        turns = self._server.backlog.of(self._owner).reading
        await turns.begin()
        began = self._server.clock.monotonic()
        effects = self._received(frame.payload, frame.opcode == Opcode.BINARY)
        turns.end(self._server.clock.monotonic() - began)
        if effects:
            await self._perform(effects)
        if self.session.credit <= self._gathering.size:
            await self._until_credit()

    async def _until_credit(self) -> None:
        """Wait, having said why, until more may be submitted."""
        session = self.session
        self._submit_gathered()
        while not session.credit and session.state is State.OPEN:
            told = session.short(self._server.clock.monotonic())
            self._perform_now(self._counted(told))
            self._has_credit.clear()
            if session.quota is not None and not session.quota.room:
                session.quota.call_when_free(self._has_credit.set)
            await self._has_credit.wait()

    def _received(self, data: bytes, binary: bool) -> list[Effect]:
        session = self.session
        try:
            if binary is not self.codec.binary:
                raise NcsError(Code.WRONG_FRAME_TYPE)
            message = self.codec.decode_client(data, self._server.limits)
        except NcsError as error:
            self._submit_gathered()
            return self._counted(session.receive_error(error))
        if isinstance(message, Points) and session.state is State.OPEN:
            self._gather(Arrived(message, len(data)))
            return []
        self._submit_gathered()
        now = self._server.clock.now()
        return self._counted(session.receive(message, len(data), now))

    def _gather(self, arrived: Arrived) -> None:
        """Take a frame of points together with those that are in the buffer beside it.

        As long as there is a frame in the buffer the loop does not get to what is
        called soon.
        """
        if not self._gathering.add(arrived):
            self._submit_gathered()
            self._gathering.add(arrived)
        if self._gathering.is_full:
            self._submit_gathered()
        elif not self._gathering_ends:
            self._gathering_ends = True
            asyncio.get_running_loop().call_soon(self._end_gathering)

    def _end_gathering(self) -> None:
        self._gathering_ends = False
        turns = self._server.backlog.of(self._owner).reading
        began = self._server.clock.monotonic()
        try:
            self._submit_gathered()
        except Exception as error:
            self.fail(error)
        turns.end(self._server.clock.monotonic() - began)

    def _submit_gathered(self) -> None:
        if self._gathering:
            now = self._server.clock.now()
            effects = self.session.receive_points(self._gathering.take(), now)
            self._perform_now(self._counted(effects))

    # Effects

    async def _perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Authenticate():
                    await self._authenticate(effect)
                case Greet():
                    await self._greet(effect)
                case _:
                    self._perform_now([effect])

    def _perform_now(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send(message):
                    self._outgoing.send(message)
                case Submit():
                    self._submit(effect)
                case Follow():
                    self._follow(effect)
                case Unfollow(id):
                    self._subscriptions.unfollow(id)
                case Grant(size):
                    self._outgoing.grant(size)
                case Report():
                    self._report(effect)
                case Reported(producer, report):
                    self._server.note_report(self._tenant, producer, report)
                case Close():
                    self.reason = effect.code.wire
                    self._begin_to_close(effect)
                    self._has_credit.set()
                case Suspicious(stream, reason):
                    log.warning(
                        "suspicious_activity",
                        event_type="suspicious_points",
                        details=reason,
                        tenant=self._tenant,
                        stream=stream,
                        session=self.session.id,
                        source_ip=self._peer,
                    )
                case Authenticate() | Greet():
                    raise AssertionError("only a frame can ask for that")

    async def _authenticate(self, effect: Authenticate) -> None:
        server, session = self._server, self.session
        try:
            principal = await server.authenticator.authenticate(
                effect.token, server.clock.now()
            )
        except StoreError as error:
            log.error("store_unavailable", error=str(error), session=session.id)
            trouble = NcsError(Code.STORE_UNAVAILABLE)
            effects = session.refused(effect.request, trouble)
        except NcsError as error:
            server.note_auth_failure(error, self._peer, session.id)
            error = server.limit_stranger(self._peer) or error
            effects = session.refused(effect.request, error)
        else:
            effects = self._admitted(effect.request, principal)
        await self._perform(self._counted(effects))

    def _admitted(self, request: Hello | Auth, principal: Principal) -> list[Effect]:
        try:
            self._server.join_place(self._place, principal.tenant)
            self._guard.show_credential()
        except NcsError as error:
            return self.session.refused(request, error)
        return self.session.authenticated(request, principal)

    async def _greet(self, effect: Greet) -> None:
        server, producer = self._server, effect.producer
        self.link.allow(server.limits.max_frame_bytes)
        self.session.quota = server.backlog.of(self._tenant)
        resume = {}
        if producer is not None:
            try:
                for name in effect.streams:
                    key = StreamKey(self._tenant, name)
                    epoch, seq = await server.streams.last_seq(key, producer)
                    resume[name] = Resume(producer_epoch=epoch, last_seq=seq)
            except NcsError as error:
                # No answer is true: one that is too low would be sent again from there.
                await self._perform(self.session.end(error.code, error.detail))
                return
            server.take_over_producer(self._tenant, effect, self)
        self._perform_now(self.session.greet(resume, self._server.clock.now()))

    def _submit(self, effect: Submit) -> None:
        server, ticket = self._server, effect.ticket
        arrived = server.clock.monotonic()

        def done(outcome: Applied | NcsError) -> None:
            if isinstance(outcome, NcsError) and outcome.code.blame is Blame.CLIENT:
                refuse(outcome)
            else:
                self._settled(ticket, arrived, outcome)

        def refuse(error: NcsError) -> None:
            if len(ticket.frames) == 1:
                self._settled(ticket, arrived, error)
                return
            # Something is wrong with one of them, or known already.
            for one in effect.each():
                self._submit(one)

        try:
            if server.draining:
                raise NcsError(Code.DRAINING)
            stream = server.streams.open(self._tenant, effect.stream)
            try:
                stream.submit(effect.entry, ticket.size, done, ticket.results)
            finally:
                server.streams.discard_unused(stream)  # if it refused its first batch
        except NcsError as error:
            refuse(error)

    def _settled(
        self, ticket: Ticket, arrived: float, outcome: Applied | NcsError
    ) -> None:
        """Take note of what became of a batch."""
        frames = len(ticket.frames)
        self._server.note_batch("ws", ticket.points, arrived, outcome, frames)
        if isinstance(outcome, Applied):
            self.session.applied(ticket, outcome)
            if not self._acks_due:
                # The other batches of this turn come in the same pass of the loop.
                self._acks_due = True
                asyncio.get_running_loop().call_soon(self._send_acks)
        else:
            self._perform_now(self._counted(self.session.failed(ticket, outcome)))
        if self.session.credit:
            self._has_credit.set()
        if not self.session.in_flight_bytes:
            self._answered.set()

    def _send_acks(self) -> None:
        self._acks_due = False
        self._perform_now(self.session.acks())

    # Subscriptions and questions

    def _follow(self, effect: Follow) -> None:
        request = effect.request
        try:
            self._subscriptions.follow(self._tenant, request)
        except NcsError as error:
            self._refuse_follow(error, request.id)

    def _refuse_follow(self, error: NcsError, id: str) -> None:
        self.session.subscriptions.pop(id, None)
        self._refuse(error, id)

    def _report(self, effect: Report) -> None:
        try:
            stream = self._server.streams.find(self._tenant, effect.stream)
            if stream is None:
                what = f"there is no stream {effect.stream!r}"
                raise NcsError(Code.NOT_FOUND, what)
            if self._reports >= _MAX_REPORTS:
                what = f"{self._reports} status requests of this connection wait"
                raise NcsError(Code.OVERLOADED, what, retry_after_s=0.5)
        except NcsError as error:
            self._refuse(error, effect.id)
            return
        self._reports += 1

        def deliver(result: AlgorithmStatus | Exception) -> None:
            self._reports -= 1
            if isinstance(result, NcsError):
                self._refuse(result, effect.id)
                return
            if isinstance(result, Exception):
                self.fail(result)
                return
            reply = StatusReply(id=effect.id, stream=effect.stream, data=result)
            self._outgoing.send(reply)

        stream.status(deliver)

    def _refuse(self, error: NcsError, id: str) -> None:
        error.id = id
        self._perform_now(self._counted(self.session.receive_error(error)))

    # The end

    def _begin_to_close(self, close: Close) -> None:
        self._subscriptions.end()  # what waits for them is in the history
        self.link.end_by(self._server.clock.monotonic() + _CLOSE_S)
        if self._outgoing.outbox.has_replies:
            self._flushing = asyncio.create_task(self._close_flushed(close))
        else:
            self._close_link(close)

    async def _close_flushed(self, close: Close) -> None:
        await self._outgoing.flushed()
        self._close_link(close)

    def _close_link(self, close: Close) -> None:
        code = close.code.close_code or Code.INTERNAL_ERROR.close_code
        assert code is not None
        reason = close.detail.encode()[:_REASON_BYTES].decode(errors="ignore")
        self.link.close(code, reason.encode())

    def let_go(self, reason: str) -> None:
        """See `LinkUser.let_go`."""
        if self.session.state is not State.CLOSED:  # else the first reason counts
            self.reason = reason
        self._let_go()
        self._has_credit.set()

    def _finish(self) -> None:
        try:
            self._let_go()
        finally:  # its place is free, whatever else went wrong
            server, session = self._server, self.session
            if session.quota is not None:
                session.quota.forget(self._has_credit.set)
            server.metrics.count("ncs_closes_total", self.reason)
            server.discard(self)
            self._place.leave()
            log.info(
                "session_closed",
                session=session.id,
                tenant=None if session.principal is None else self._tenant,
                producer=session.producer,
                reason=self.reason,
            )
            self._ended.set()

    # What the server calls

    def tick(self, now: float) -> None:
        """Do what is due."""
        if effects := self.session.tick(now):
            self._perform_now(self._counted(effects))
        self.link.tick(self._server.clock.monotonic())

    async def drain(self, reconnect_after_ms: int) -> None:
        """Announce the end, answer what is in flight, close, and be gone."""
        self._perform_now(self.session.drain(reconnect_after_ms))
        while self.session.in_flight_bytes:
            self._answered.clear()
            await self._answered.wait()
        self._send_acks()
        self.end(Code.DRAINING)
        try:
            await asyncio.wait_for(self._ended.wait(), _CLOSE_S)
        except TimeoutError:  # it does not read; nothing it sent is lost by that
            self.abort()
            await self._ended.wait()

    def end(self, code: Code) -> None:
        """Close with the code, after what waits is written."""
        self._perform_now(self._counted(self.session.end(code)))

    def _counted(self, effects: list[Effect]) -> list[Effect]:
        for effect in effects:
            match effect:
                case Send(Error(code=code)):
                    self._server.metrics.count("ncs_errors_total", code)
                case Send(SlowDown(reason=reason)):
                    self._server.metrics.count("ncs_slow_downs_total", reason)
        return effects
