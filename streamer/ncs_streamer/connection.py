"""One WebSocket connection: the thin adapter between a socket and its `Session`.

It reads frames, decodes them and carries out the session's effects. Everything that is
decided is decided in the session; what goes out is in `outgoing`, what is followed in
`subscriptions`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from aiohttp import WSMsgType, web

from ncs_protocol import Code, Limits, NcsError
from ncs_protocol.messages import (
    AlgorithmStatus,
    Auth,
    Error,
    Hello,
    Points,
    Resume,
    StatusReply,
)

from .auth import Principal
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
from .gathering import Arrived, Gathering
from .logs import get_log
from .session import Session, State
from .store.contracts import StoreError
from .stream_model import Applied
from .wire import WebSocketWire

if TYPE_CHECKING:
    from .server import Server

__all__ = ["Connection"]

_HELLO_LIMITS = Limits(max_frame_bytes=16 * 1024)
_CLOSE_S = 2.0
_MAX_REPORTS = 8
_REASON_BYTES = 120

log = get_log()


class Connection(Follower):
    """See the module.

    Args:
        server: what the connection belongs to.
        ws: the prepared WebSocket.
        wire: how messages go out, with the codec that was negotiated.
        session: new, with the handshake's principal if there was one.
        peer: address of the client, for logs.
        transport: of the socket, to cut it off.
        admit: called with who it turns out to be; raises `NcsError` to refuse them.
    """

    def __init__(
        self,
        server: Server,
        ws: web.WebSocketResponse,
        wire: WebSocketWire,
        session: Session,
        peer: str,
        transport: asyncio.Transport,
        admit: Callable[[Principal], None],
    ) -> None:
        bits = int(ws.compress)
        kind = wire.codec.subprotocol
        super().__init__(server, session, wire, transport, kind, window_bits=bits)
        self.codec = wire.codec
        self._ws = ws
        self._peer = peer
        self._admit = admit
        self._has_credit = Flag()
        self._answered = Flag()
        self._ended = Flag()
        self._read_ended = Flag()
        self._reports = 0  # status requests that do
        self._closing: asyncio.Task[None] | None = None
        self._acks_due = False
        self._gathering = Gathering(server.limits)
        self._gathering_ends = False

    @property
    def _owner(self) -> str:
        """Whose turn its frames take: its tenant's, and before a hello nobody's."""
        principal = self.session.principal
        return principal.tenant if principal is not None else ""

    @property
    def _tenant(self) -> str:
        assert self.session.principal is not None
        return self.session.principal.tenant

    async def run(self) -> None:
        """Serve the connection until it ends."""
        try:
            await self._read()
        except Exception as error:  # a fault of ours; the peer shall not wait for ever
            self._fail(error)
        finally:
            self._let_go()
            if self.session.quota is not None:
                self.session.quota.forget(self._has_credit.set)
            self._read_ended.set()
            if self._closing is not None:
                await self._closing
            self._server.metrics.count("ncs_closes_total", self.reason)
            self._ended.set()

    # In

    async def _read(self) -> None:
        try:
            async for frame in self._ws:
                if self.session.state is State.CLOSED:
                    continue  # see `_close_socket`
                if frame.type is WSMsgType.ERROR:
                    too_big = self._ws.close_code == Code.FRAME_TOO_LARGE.close_code
                    self.reason = Code.FRAME_TOO_LARGE.wire if too_big else "broken"
                    return
                binary = frame.type is WSMsgType.BINARY
                turns = self._server.backlog.of(self._owner).reading
                await turns.begin()
                began = self._server.clock.monotonic()
                effects = self._received(frame.data, binary)
                turns.end(self._server.clock.monotonic() - began)
                if effects:
                    await self._perform(effects)
                if self.session.credit <= self._gathering.size:
                    await self._until_credit()
        finally:
            self._submit_gathered()

    async def _until_credit(self) -> None:
        """Wait, having said why, until more may be submitted."""
        session = self.session
        self._submit_gathered()
        while not session.credit and session.state is State.OPEN:
            self._perform_now(session.short(self._server.clock.monotonic()))
            self._has_credit.clear()
            if session.quota is not None and not session.quota.room:
                session.quota.call_when_free(self._has_credit.set)
            await self._has_credit.wait()

    def _received(self, data: bytes, binary: bool) -> list[Effect]:
        session = self.session
        limits = self._server.limits
        if session.state is State.NEW:
            limits = _HELLO_LIMITS
        try:
            if binary is not self.codec.binary:
                raise NcsError(Code.WRONG_FRAME_TYPE)
            message = self.codec.decode_client(data, limits)
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
            self._fail(error)
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
                case Greet():
                    self._greet(effect)
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
                        stream=stream,
                        session=self.session.id,
                        source_ip=self._peer,
                    )
                case Authenticate():
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
            self._admit(principal)
        except NcsError as error:
            return self.session.refused(request, error)
        return self.session.authenticated(request, principal)

    def _greet(self, effect: Greet) -> None:
        self.session.quota = self._server.backlog.of(self._tenant)
        resume = {}
        if effect.producer is not None:
            try:
                for name in effect.streams:
                    stream = self._server.streams.find(self._tenant, name)
                    epoch, seq = stream.last_seq(effect.producer) if stream else (0, 0)
                    resume[name] = Resume(producer_epoch=epoch, last_seq=seq)
            except NcsError as error:
                # No answer is true: one that is too low would be sent again from there.
                self._perform_now(self.session.end(error.code, error.detail))
                return
            self._server.take_over_producer(self._tenant, effect, self)
        self._perform_now(self.session.greet(resume, self._server.clock.now()))

    def _submit(self, effect: Submit) -> None:
        server, ticket = self._server, effect.ticket
        arrived = server.clock.monotonic()

        def done(outcome: Applied | NcsError) -> None:
            self._settled(ticket, arrived, outcome)

        try:
            if server.draining:
                raise NcsError(Code.DRAINING)
            stream = server.streams.open(self._tenant, effect.stream)
            try:
                stream.submit(effect.entry, ticket.size, done)
            finally:
                server.streams.discard_unused(stream)  # if it refused its first batch
        except NcsError as error:
            if len(ticket.frames) == 1:
                self._settled(ticket, arrived, error)
                return
            # Something is wrong with one of them, or known already.
            for one in effect.each():
                self._submit(one)

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
            self.session.subscriptions.pop(request.id, None)
            self._refuse(error, request.id)

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
            if isinstance(result, Exception):
                self._fail(result)
                return
            reply = StatusReply(id=effect.id, stream=effect.stream, data=result)
            self._outgoing.send(reply)

        stream.call(stream.telling.status_of_model, deliver)

    def _refuse(self, error: NcsError, id: str) -> None:
        error.id = id
        self._perform_now(self._counted(self.session.receive_error(error)))

    # The end

    def _begin_to_close(self, close: Close) -> None:
        self._subscriptions.end()  # what waits for them is in the history
        if self._closing is None:
            self._closing = asyncio.create_task(self._close_socket(close))

    async def _close_socket(self, close: Close) -> None:
        """Send what waits and the code, and read on until the peer has closed too.

        A socket that is closed while there is something to read is reset, and then the
        peer may lose the last it was told: why.
        """
        code = close.code.close_code or Code.INTERNAL_ERROR.close_code
        assert code is not None
        reason = close.detail.encode()[:_REASON_BYTES].decode(errors="ignore").encode()
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._outgoing.flushed()
                payload = code.to_bytes(2, "big") + reason
                await self._ws.send_frame(payload, WSMsgType.CLOSE)
                await self._read_ended.wait()
        except (TimeoutError, ConnectionError):
            self.abort()
        else:
            self._transport.close()

    # What the server calls

    def tick(self, now: float) -> None:
        """Do what is due."""
        self._perform_now(self._counted(self.session.tick(now)))

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
            if isinstance(effect, Send) and isinstance(effect.message, Error):
                self._server.metrics.count("ncs_errors_total", effect.message.code)
        return effects
