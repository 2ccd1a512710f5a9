"""A server without sockets, threads or store: the real session, model, hub and
admission, joined in memory. Deterministic: time stands still unless it is moved."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from ncs_engine import EngineParams
from ncs_protocol import CODECS, JSON, Code, Codec, Limits, NcsError
from ncs_protocol.messages import (
    ClientMessage,
    Event,
    EventTimes,
    Points,
    Resume,
    ServerMessage,
    StatusReply,
)
from ncs_streamer.admission import Admission
from ncs_streamer.audience import Subscription
from ncs_streamer.auth import Principal
from ncs_streamer.effects import (
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
    Unfollow,
)
from ncs_streamer.entry import Entry
from ncs_streamer.gathering import Arrived, Gathering
from ncs_streamer.history import HistoryBounds
from ncs_streamer.hub import Hub, Sight
from ncs_streamer.lanes import Lanes
from ncs_streamer.outbox import Patience
from ncs_streamer.outgoing import Outgoing
from ncs_streamer.sampling.samples import Samples
from ncs_streamer.session import Session, SessionConfig, State
from ncs_streamer.store import StreamKey
from ncs_streamer.stream_model import Applied, StreamModel
from ncs_streamer.telling import status_message
from ncs_streamer.wire import WebSocketWire

__all__ = ["MemoryLink", "MemoryServer", "principal"]

START = 1_767_225_600.0  # 2026-01-01T00:00:00Z
PATIENCE = Patience(8 * 2**20, lagging_s=1.0, skipping_s=5.0, hopeless_s=60.0)
WIRES = {name: WebSocketWire(codec) for name, codec in CODECS.items()}


def principal(
    tenant: str = "acme",
    scopes: Iterable[str] = ("read", "write"),
    expires_at: float | None = None,
) -> Principal:
    """Return a principal."""
    return Principal(tenant, "test", frozenset(scopes), "token", "", expires_at)


class MemoryTransport(asyncio.WriteTransport):
    """Takes WebSocket frames apart again.

    Attributes:
        sent: messages that nobody has taken yet.
        buffered: bytes that it pretends not to have sent.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []
        self.buffered = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take whole frames."""
        self.sent += messages_in(bytes(data))

    def get_write_buffer_size(self) -> int:
        """Return what it pretends."""
        return self.buffered

    def is_closing(self) -> bool:
        """Return that it is not."""
        return False


def messages_in(data: bytes) -> list[bytes]:
    """Return the messages of WebSocket frames that a server has sent."""
    messages = []
    while data:
        size, start = data[1], 2
        if size >= 126:
            start = 4 if size == 126 else 10
            size = int.from_bytes(data[2:start], "big")
        messages.append(data[start : start + size])
        assert len(messages[-1]) == size
        data = data[start + size :]
    return messages


class MemoryStream:
    """Model, hub and admission of one stream."""

    def __init__(self, server: MemoryServer, key: StreamKey, epoch: str) -> None:
        self.server = server
        self.model = StreamModel(key.stream, epoch, EngineParams())
        bounds = HistoryBounds(events=100, bytes=10**6, age_s=3600.0)
        self.hub = Hub(key, epoch, bounds, lambda codec, count: None, lambda hub: None)
        self.admission = Admission.after(self.model, 100)
        self.samples = Samples(0)

    def _publish(self, events: list[Event]) -> None:
        """Publish together, and tell at once."""
        self.hub.publish(events, applied=START, now=START)
        self.hub.flush(self.server.now)

    def submit(self, entry: Entry) -> Applied:
        """Apply an entry at once, and tell its events."""
        if self.admission.offset == 0:
            params = self.model.engine.params.as_dict()
            begin = Entry(
                kind="begin", ingest_ns=0, epoch=self.hub.epoch, params=params
            )
            offset = self.admission.admit(begin)
            assert offset is not None
            self.model.apply(offset, begin)
        offset = self.admission.admit(entry)
        if offset is None:
            return Applied(self.model.offset, duplicate=True)
        applied = self.model.apply(offset, entry)
        if self.samples.kinds:
            self.samples.applied(entry, applied)
        self._publish(applied.events)
        return applied

    def tell_updates(self) -> None:
        """Publish what clusters changed, and samples."""
        if self.hub.subscribers:
            self._publish(self.model.keyed_events())
        for kind in self.samples.kinds:
            sample = self.samples.take(kind)
            if sample is not None:
                times = EventTimes(ingest=START, applied=START, emitted=START)
                self.hub.publish_sample(kind.options, sample, times)
                self.hub.flush(self.server.now)


class MemoryServer:
    """Streams of all tenants, and credentials.

    Args:
        credentials: token -> principal.

    Attributes:
        now: set it to move the time.
        tells_at_once: whether updates of clusters are told after every frame, and not
            when somebody calls `tell_updates`.
    """

    def __init__(self, credentials: dict[str, Principal] | None = None) -> None:
        self.credentials = credentials or {"TOKEN": principal()}
        self.streams: dict[tuple[str, str], MemoryStream] = {}
        self.now = START
        self.links = 0
        self.tells_at_once = True
        self.reports: list[Reported] = []
        self.config = SessionConfig(
            limits=Limits(),
            durability="local",
            versions={"server": "0.1.0", "protocol": "0.1.0", "engine": "0.1.0"},
            credit_bytes=4 * 1024 * 1024,
            heartbeat_s=20.0,
            hello_timeout_s=5.0,
            max_subscriptions=64,
            report_interval_s=5.0,
            strict_input=False,
        )

    def stream(self, tenant: str, name: str) -> MemoryStream:
        """Return the stream, made if need be."""
        epoch = f"epoch-{len(self.streams) + 1}"
        key = StreamKey(tenant, name)
        return self.streams.setdefault(key, MemoryStream(self, key, epoch))

    def wait(self, seconds: float) -> None:
        """Let time pass, and tell what was held back."""
        self.now += seconds
        for stream in self.streams.values():
            stream.tell_updates()
            stream.hub.flush(self.now)

    def connect(
        self, codec: Codec = JSON, credential: Principal | None = None
    ) -> MemoryLink:
        """Return a new connection."""
        self.links += 1
        return MemoryLink(self, codec, credential, f"session-{self.links}")


class MemoryLink:
    """One connection: frames in, frames out.

    Attributes:
        transport: what the server writes to.
        closed: the code that it was closed with.
    """

    def __init__(
        self, server: MemoryServer, codec: Codec, known: Principal | None, id: str
    ) -> None:
        self.server = server
        self.codec = codec
        self.session = Session(id, server.config, known, server.now)
        self.closed: Code | None = None
        self._gathering = Gathering(server.config.limits)
        self.transport = MemoryTransport()
        self.outgoing = Outgoing(
            self.transport,
            WIRES[codec.subprotocol],
            PATIENCE,
            monotonic=lambda: server.now,
            on_waiting=lambda outgoing: None,
            on_owed=self._renew,
            on_hopeless=lambda: self._perform(self.session.end(Code.SLOW_CONSUMER)),
        )
        self._subscriptions: dict[str, tuple[MemoryStream, Subscription]] = {}

    @property
    def sent(self) -> list[bytes]:
        """Messages that the server sent and nobody has taken yet."""
        return self.transport.sent

    def send(self, message: ClientMessage) -> list[ServerMessage]:
        """Send a message and return what comes back."""
        self.send_frame(self.codec.encode(message))
        return self.take()

    def send_frame(self, frame: bytes) -> None:
        """Send a frame."""
        self.send_frames([frame])

    def send_frames(self, frames: Iterable[bytes]) -> None:
        """Send frames that come together."""
        for frame in frames:
            if self.closed is None:
                self._receive(frame)
        self._submit_gathered()
        if self.server.tells_at_once:
            for stream in self.server.streams.values():
                stream.tell_updates()

    def _receive(self, frame: bytes) -> None:
        session = self.session
        try:
            message = self.codec.decode_client(frame, self.server.config.limits)
        except NcsError as error:
            self._submit_gathered()
            self._perform(session.receive_error(error))
            return
        if isinstance(message, Points) and session.state is State.OPEN:
            arrived = Arrived(message, len(frame))
            if not self._gathering.add(arrived):
                self._submit_gathered()
                self._gathering.add(arrived)
            return
        self._submit_gathered()
        self._perform(session.receive(message, len(frame), self.server.now))

    def _submit_gathered(self) -> None:
        frames = self._gathering.take()
        self._perform(self.session.receive_points(frames, self.server.now))

    def take(self) -> list[ServerMessage]:
        """Return and remove what the server sent."""
        messages = [self.codec.decode_server(frame) for frame in self.sent]
        self.sent.clear()
        return messages

    def drop(self) -> None:
        """Cut the connection; what was not taken is lost."""
        self.sent.clear()
        self.closed = Code.SLOW_CONSUMER
        self.session.state = State.CLOSED
        for id in list(self._subscriptions):
            self._unfollow(id)

    def tick(self) -> None:
        """Let the session do what is due."""
        self._perform(self.session.tick(self.server.now))
        self.outgoing.attend(self.server.now)

    def _perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send(message):
                    self.outgoing.send(message)
                case Close(code):
                    self.closed = code
                case Authenticate(token, request):
                    found = self.server.credentials.get(token)
                    if found is None:
                        error = NcsError(Code.TOKEN_INVALID)
                        self._perform(self.session.refused(request, error))
                    else:
                        self._perform(self.session.authenticated(request, found))
                case Greet():
                    self._greet(effect)
                case Submit():
                    self._submit(effect)
                case Follow():
                    self._follow(effect)
                case Unfollow(id):
                    self._unfollow(id)
                case Grant(size):
                    self.outgoing.grant(size)
                case Reported():
                    self.server.reports.append(effect)
                case Report(id, name):
                    stream = self._stream(name)
                    status = status_message(stream.model.engine.statistics(), 0.0, 0.0)
                    reply = StatusReply(id=id, stream=name, data=status)
                    self.outgoing.send(reply)

    def _stream(self, name: str) -> MemoryStream:
        assert self.session.principal is not None
        return self.server.stream(self.session.principal.tenant, name)

    def _greet(self, effect: Greet) -> None:
        resume = {}
        if effect.producer is not None:
            for name in effect.streams:
                mark = self._stream(name).admission.marks.get(effect.producer)
                resume[name] = Resume(
                    producer_epoch=mark.epoch if mark else 0,
                    last_seq=mark.seq if mark else 0,
                )
        self._perform(self.session.greet(resume, self.server.now))

    def _submit(self, effect: Submit) -> None:
        try:
            applied = self._stream(effect.stream).submit(effect.entry)
        except NcsError as error:
            if len(effect.ticket.frames) == 1:
                self._perform(self.session.failed(effect.ticket, error))
            else:
                self._perform([*effect.each()])
        else:
            self.session.applied(effect.ticket, applied)
            self._perform(self.session.acks())

    def _follow(self, effect: Follow) -> None:
        request = effect.request
        stream, since = self._stream(request.stream), request.since
        keyed = None if since is None else since.offsets.get("keyed", 0)
        subscription = stream.hub.join(
            request,
            self._look(stream, keyed),
            self.outgoing,
            WIRES[self.codec.subprotocol],
            now=self.server.now,
            mono=self.server.now,
            room=10**6,
        )
        self._subscriptions[request.id] = (stream, subscription)
        if options := subscription.audience.variant.sample:
            stream.samples.join(options)

    def _unfollow(self, id: str) -> None:
        stream, subscription = self._subscriptions.pop(id)
        stream.hub.leave(subscription)
        options = subscription.audience.variant.sample
        for kind in stream.samples.kinds:
            if kind.options == options:
                stream.samples.leave(kind)

    def _renew(self, lanes: Lanes) -> None:
        for stream, subscription in self._subscriptions.values():
            if subscription.lanes is lanes:
                sight = self._look(stream, None)
                stream.hub.renew(subscription, sight, self.server.now)
                return

    @staticmethod
    def _look(stream: MemoryStream, since: int | None) -> Sight:
        model = stream.model
        missed = [] if since is None else model.keyed_events_since(since)
        status = status_message(model.engine.statistics(), 0.0, 0.0)
        return Sight(model.view(), status, missed)
