"""The session of one WebSocket connection, without a socket: messages in, effects out.

The caller decodes frames and feeds messages (or the error that a frame gave), carries
out the effects in order, and reports back what came of them. Time is an argument. What
is legal in which state stands in one table, `TRANSITIONS`; the diagram in the
protocol's specification is made from it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
from collections.abc import Sequence

from ncs_protocol import Blame, Code, Limits, NcsError, check_name, to_ns
from ncs_protocol.messages import (
    Ack,
    Auth,
    Authenticated,
    ClientMessage,
    Credit,
    Draining,
    Error,
    GatewayReport,
    Hello,
    Ping,
    Points,
    Pong,
    ResultDetail,
    Results,
    Resume,
    SlowDown,
    Status,
    Subscribe,
    TokenExpiring,
    Unsubscribe,
    Unsubscribed,
    Welcome,
)

from .auth.principal import Principal
from .backlog import Quota
from .effects import (
    Authenticate,
    Close,
    Effect,
    Follow,
    Frame,
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
from .entry import Entry
from .gathering import Arrived, count_of, join
from .intake import take_in
from .stream_model import Applied

__all__ = ["TRANSITIONS", "Session", "SessionConfig", "State"]

_TOKEN_WARNING_S = 60.0
_MAX_ERRORS_IN_A_ROW = 32
_SHORTAGES_APART_S = 1.0  # that are told


class State(enum.Enum):
    """Where a session stands.

    From `NEW` and `CREDITED` it opens once the credential is found good; from anywhere
    it closes on what the code table says ends a session.
    """

    NEW = "new"
    """Nothing is known of the client yet; a hello has to come, in time."""
    CREDITED = "credited"
    """The handshake carried a credential; a hello may come, and else is implied."""
    OPEN = "open"
    CLOSED = "closed"


TRANSITIONS: dict[State, dict[type, State]] = {
    State.NEW: {Hello: State.OPEN},
    State.CREDITED: dict.fromkeys(
        (
            Hello,
            Points,
            Subscribe,
            Unsubscribe,
            Auth,
            Ping,
            Status,
            Credit,
            GatewayReport,
        ),
        State.OPEN,
    ),
    State.OPEN: dict.fromkeys(
        (
            Points,
            Subscribe,
            Unsubscribe,
            Auth,
            Ping,
            Status,
            Credit,
            GatewayReport,
        ),
        State.OPEN,
    ),
    State.CLOSED: {},
}
"""State -> message -> next state. What is not listed is refused."""


@dataclasses.dataclass(frozen=True, slots=True)
class SessionConfig:
    """What all sessions of a server share."""

    limits: Limits
    durability: str
    versions: dict[str, str]
    credit_bytes: int
    heartbeat_s: float
    hello_timeout_s: float
    max_subscriptions: int
    report_interval_s: float
    strict_input: bool


class Session:
    """See the module.

    Args:
        id: names the session in logs and in `welcome`.
        config: what all sessions share.
        principal: from the handshake, if that carried a credential.
        now: epoch seconds.

    Attributes:
        in_flight_bytes: of frames that were submitted and not yet answered.
        quota: of its tenant, once that is known.
    """

    def __init__(
        self, id: str, config: SessionConfig, principal: Principal | None, now: float
    ) -> None:
        self.id = id
        self.state = State.NEW if principal is None else State.CREDITED
        self.principal = principal
        self.producer: str | None = None
        self.producer_epoch = 0
        self.in_flight_bytes = 0
        self.quota: Quota | None = None
        self.subscriptions: dict[str, str] = {}
        self._config = config
        self._hello_due = now + config.hello_timeout_s
        self._errors_in_a_row = 0
        self._warned_of_expiry = False
        self._short_told_at = -_SHORTAGES_APART_S
        self._acks: dict[str, Ack] = {}
        self._finished_acks: list[Ack] = []

    def __repr__(self) -> str:
        who = self.principal.subject if self.principal else "?"
        return f"<Session {self.id} {self.state.value} {who}>"

    @property
    def credit(self) -> int:
        """Bytes of frames that may still be submitted; at 0 the socket is not read."""
        own = max(0, self._config.credit_bytes - self.in_flight_bytes)
        return own if self.quota is None else min(own, self.quota.room)

    # What the client sends

    def receive(self, message: ClientMessage, size: int, now: float) -> list[Effect]:
        """Take a decoded message of `size` bytes."""
        if type(message) not in TRANSITIONS[self.state]:
            return self._refuse_out_of_place(message)
        greeting: list[Effect] = []
        if self.state is State.CREDITED and not isinstance(message, Hello):
            greeting = self._begin(Hello())
        try:
            effects = greeting + self._handle(message, size, now)
        except NcsError as error:
            error.id = getattr(message, "id", None)
            error.seq = getattr(message, "seq", None)
            error.stream = getattr(message, "stream", None)
            return greeting + self.receive_error(error)
        self._errors_in_a_row = 0
        return effects

    def receive_points(self, frames: Sequence[Arrived], now: float) -> list[Effect]:
        """Take frames of a `Gathering`: as one batch, or one by one.

        One by one if anything at all is to be said of one of them.
        """
        if len(frames) > 1 and self.state is State.OPEN:
            with contextlib.suppress(NcsError):
                effects = self._points(join(frames), frames, now, strict=True)
                self._errors_in_a_row = 0
                return effects
        each = (self.receive(message, size, now) for message, size in frames)
        return [effect for effects in each for effect in effects]

    def receive_error(self, error: NcsError) -> list[Effect]:
        """Take a frame that gave no message, or a message that is refused."""
        if self.state is State.CLOSED:
            return []
        if self.state is State.NEW:
            return self._end(Code.HELLO_REQUIRED, error.detail)
        if error.code.blame is Blame.CLIENT:
            # For the server's troubles all that is in flight may be refused at once.
            self._errors_in_a_row += 1
        effects: list[Effect] = [Send(_error(error))]
        if self._errors_in_a_row > _MAX_ERRORS_IN_A_ROW:
            effects += self._end(Code.TOO_MANY_ERRORS)
        return effects

    def _refuse_out_of_place(self, message: ClientMessage) -> list[Effect]:
        if self.state is State.NEW:
            return self._end(Code.HELLO_REQUIRED)
        if self.state is State.CLOSED:
            return []
        error = NcsError(Code.UNEXPECTED_MESSAGE, "hello comes once, at the beginning")
        return self.receive_error(error)

    def _handle(self, message: ClientMessage, size: int, now: float) -> list[Effect]:
        match message:
            case Points():
                strict = self._config.strict_input
                frame = Arrived(message, size)
                return self._points(message, [frame], now, strict=strict)
            case Ping():
                return [Send(Pong(id=message.id, server_time=now))]
            case Subscribe():
                return self._subscribe(message)
            case Unsubscribe():
                return self._unsubscribe(message)
            case Status():
                self._require("read")
                check_name("stream", message.stream)
                return [Report(message.id, message.stream)]
            case Credit():
                return [Grant(message.bytes)]
            case Auth():
                return [Authenticate(message.token, message)]
            case GatewayReport():
                return self._reported(message)
            case Hello():
                return self._hello(message)

    def _hello(self, hello: Hello) -> list[Effect]:
        for what, name in (
            ("producer", hello.producer),
            ("connection_id", hello.connection_id),
        ):
            if name is not None:
                check_name(what, name)
        for stream in hello.streams:
            check_name("stream", stream)
        if hello.token is not None:
            return [Authenticate(hello.token, hello)]
        if self.principal is None:
            return self._end(Code.CREDENTIALS_MISSING)
        return self._begin(hello)

    def _begin(self, hello: Hello) -> list[Effect]:
        self.state = State.OPEN
        self.producer = hello.producer
        self.producer_epoch = hello.producer_epoch
        return [Greet(hello.producer, tuple(hello.streams), hello.connection_id)]

    def _points(
        self, message: Points, frames: Sequence[Arrived], now: float, *, strict: bool
    ) -> list[Effect]:
        """Take the batch in `message`, which is what `frames` joined are."""
        self._require("write")
        intake = take_in(
            stream=message.stream,
            points=message.points,
            array=message.array,
            timestamps=message.timestamps,
            metadata=message.metadata,
            limits=self._config.limits,
            strict=strict,
        )
        at = message.event_time
        entry = Entry(
            kind="points",
            ingest_ns=round(now * 1e9),
            producer=self.producer,
            producer_epoch=self.producer_epoch,
            seq=message.seq,
            first_seq=frames[0].message.seq if len(frames) > 1 else None,
            points=intake.block,
            timestamps=intake.timestamps,
            event_time=None if at is None else to_ns(at),
            metadata=message.metadata,
        )
        ticket = Ticket(
            stream=message.stream,
            frames=tuple(
                Frame(one.id, one.seq, size, count_of(one)) for one, size in frames
            ),
            results=message.results,
            size=sum(frame.size for frame in frames),
            points=entry.count,
        )
        self.in_flight_bytes += ticket.size
        submit = Submit(message.stream, entry, ticket)
        if intake.suspicion:
            return [Suspicious(message.stream, intake.suspicion), submit]
        return [submit]

    def _subscribe(self, message: Subscribe) -> list[Effect]:
        self._require("read")
        check_name("stream", message.stream)
        if message.id in self.subscriptions:
            raise NcsError(
                Code.DUPLICATE_SUBSCRIPTION, f"subscription {message.id!r} exists"
            )
        if message.stream in self.subscriptions.values():
            raise NcsError(
                Code.DUPLICATE_SUBSCRIPTION,
                f"this session is subscribed to stream {message.stream!r} already",
            )
        if len(self.subscriptions) >= self._config.max_subscriptions:
            raise NcsError(Code.TOO_MANY_SUBSCRIPTIONS)
        self.subscriptions[message.id] = message.stream
        return [Follow(message)]

    def _unsubscribe(self, message: Unsubscribe) -> list[Effect]:
        stream = self.subscriptions.pop(message.id, None)
        if stream is None:
            raise NcsError(
                Code.UNKNOWN_SUBSCRIPTION, f"there is no subscription {message.id!r}"
            )
        return [
            Unfollow(message.id, stream),
            Send(Unsubscribed(id=message.id)),
        ]

    def _reported(self, report: GatewayReport) -> list[Effect]:
        self._require("write")
        if self.producer is None:
            raise NcsError(
                Code.UNEXPECTED_MESSAGE, "a report is of a producer; hello named none"
            )
        return [Reported(self.producer, report)]

    def _require(self, scope: str) -> None:
        assert self.principal is not None
        self.principal.require(scope)

    # What came of the effects

    def authenticated(
        self, request: Hello | Auth, principal: Principal
    ) -> list[Effect]:
        """Take the principal that the credential of `request` stands for."""
        if self.state is State.CLOSED:  # it took longer than the session held
            return []
        known = self.principal
        if known is not None and known.tenant != principal.tenant:
            error = NcsError(
                Code.PERMISSION_DENIED, "the new credential belongs to another tenant"
            )
            error.id = getattr(request, "id", None)
            return self.receive_error(error)
        self.principal = principal
        self._warned_of_expiry = False
        if isinstance(request, Hello):
            return self._begin(request)
        reply = Authenticated(id=request.id, expires_at=principal.expires_at)
        return [Send(reply)]

    def refused(self, request: Hello | Auth, error: NcsError) -> list[Effect]:
        """Take the refusal of the credential of `request`."""
        if self.state is State.CLOSED:
            return []
        if isinstance(request, Hello):
            return self._end(error.code, error.detail)
        error.id = request.id
        return self.receive_error(error)

    def greet(self, resume: dict[str, Resume], now: float) -> list[Effect]:
        """Take where the producer stands on the streams that it named."""
        config = self._config
        return [
            Send(
                Welcome(
                    session=self.id,
                    server_time=now,
                    versions=config.versions,
                    limits={
                        name: getattr(config.limits, name)
                        for name in config.limits.__struct_fields__
                    },
                    durability=config.durability,
                    heartbeat_s=config.heartbeat_s,
                    credit=self.credit,
                    report_s=config.report_interval_s,
                    resume=resume,
                )
            )
        ]

    def applied(self, ticket: Ticket, applied: Applied) -> None:
        """Take note that a batch is durable and in the model; see `acks`."""
        self.in_flight_bytes -= ticket.size
        results = _results(applied, ticket.results)
        waiting = self._acks.get(ticket.stream)
        accepted = applied.accepted + (waiting.accepted if waiting else 0)
        plain = results is None and not applied.duplicate
        if waiting and not (
            plain and waiting.results is None and not waiting.duplicate
        ):
            # Only plain acks are rolled into one; these have more to say.
            self._finished_acks.append(waiting)
            accepted = applied.accepted
        self._acks[ticket.stream] = Ack(
            stream=ticket.stream,
            seq=ticket.seq,
            offset=applied.offset,
            model_version=applied.offset,
            accepted=accepted,
            credit=0,  # told when it is sent
            durability=self._config.durability,
            duplicate=applied.duplicate,
            results=results,
        )

    def acks(self) -> list[Effect]:
        """Return the acks that have gathered; one covers many plain batches."""
        acks = [*self._finished_acks, *self._acks.values()]
        self._finished_acks.clear()
        self._acks.clear()
        for ack in acks:
            ack.credit = self.credit
        return [Send(ack) for ack in acks]

    def failed(self, ticket: Ticket, error: NcsError) -> list[Effect]:
        """Take the refusal of a batch by its stream."""
        self.in_flight_bytes -= ticket.size
        effects = self.acks()
        for frame in ticket.frames:
            error.id, error.seq, error.stream = frame.id, frame.seq, ticket.stream
            self._errors_in_a_row = 0  # each was understood
            effects += self.receive_error(error)
        return effects

    def short(self, now: float) -> list[Effect]:
        """Tell why the socket is not read any more; at most once a second."""
        quota = self.quota
        if quota is None or now - self._short_told_at < _SHORTAGES_APART_S:
            return []
        self._short_told_at = now
        own = self.in_flight_bytes >= self._config.credit_bytes
        reason = "session_credit" if own else quota.shortage
        return [Send(SlowDown(reason=reason, retry_after_ms=quota.retry_after_ms))]

    # Time, and the end

    def tick(self, now: float) -> list[Effect]:
        """Do what is due by `now`; call about once a second."""
        if self.state is State.NEW and now >= self._hello_due:
            return self._end(Code.HELLO_TIMEOUT)
        expires = self.principal.expires_at if self.principal else None
        if expires is None or self.state is State.CLOSED:
            return []
        if now >= expires:
            return self._end(Code.TOKEN_EXPIRED)
        if now >= expires - _TOKEN_WARNING_S and not self._warned_of_expiry:
            self._warned_of_expiry = True
            return [Send(TokenExpiring(expires_at=expires))]
        return []

    def drain(self, reconnect_after_ms: int) -> list[Effect]:
        """Tell the client that the server is about to stop."""
        if self.state is State.CLOSED:
            return []
        return [Send(Draining(reconnect_after_ms=reconnect_after_ms))]

    def end(self, code: Code, detail: str = "") -> list[Effect]:
        """Close from outside."""
        return [] if self.state is State.CLOSED else self._end(code, detail)

    def _end(self, code: Code, detail: str = "") -> list[Effect]:
        self.state = State.CLOSED
        error = NcsError(code, detail or None)
        return [Send(_error(error)), Close(code, error.detail)]


def _results(applied: Applied, detail: ResultDetail) -> Results | None:
    learned = applied.result
    if detail == "none" or learned is None:
        return None
    clusters = sorted({i for i in learned.cluster_ids.tolist() if i >= 0})
    results = Results(outliers=int(learned.is_outlier.sum()), clusters=clusters)
    if detail == "full":
        results.cluster_ids = learned.cluster_ids.tolist()
        results.is_outlier = learned.is_outlier.tolist()
        results.outlier_scores = learned.outlier_scores.tolist()
    return results


def _error(error: NcsError) -> Error:
    code = error.code
    return Error(
        code=code.wire,
        blame=code.blame.value,
        retry=code.retry.value,
        detail=error.detail,
        retry_after=error.retry_after_s,
        id=error.id,
        seq=error.seq,
        stream=error.stream,
        index=error.index,
        expected_seq=error.expected_seq,
    )
