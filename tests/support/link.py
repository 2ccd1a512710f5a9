"""A server without sockets, threads or store: the real session, model, hub and
admission, joined in memory. Deterministic: time stands still unless it is moved."""

from __future__ import annotations

from collections.abc import Iterable

from ncs_engine import EngineParams
from ncs_protocol import JSON, Code, Codec, Limits, NcsError
from ncs_protocol.messages import (
    ClientMessage,
    Points,
    Resume,
    ServerMessage,
    StatusReply,
)
from ncs_streamer.admission import Admission
from ncs_streamer.auth import Principal
from ncs_streamer.effects import (
    Authenticate,
    Close,
    Effect,
    Follow,
    Greet,
    Report,
    Send,
    Submit,
    Unfollow,
)
from ncs_streamer.entry import Entry
from ncs_streamer.gathering import Arrived, Gathering
from ncs_streamer.hub import Hub, Subscription
from ncs_streamer.session import Session, SessionConfig, State
from ncs_streamer.stream import status_message
from ncs_streamer.stream_model import Applied, StreamModel

__all__ = ["MemoryLink", "MemoryServer", "principal"]

START = 1_767_225_600.0  # 2026-01-01T00:00:00Z


def principal(
    tenant: str = "acme",
    scopes: Iterable[str] = ("read", "write"),
    expires_at: float | None = None,
) -> Principal:
    """Return a principal."""
    return Principal(tenant, "test", frozenset(scopes), "token", "", expires_at)


class MemoryStream:
    """Model, hub and admission of one stream."""

    def __init__(self, name: str, epoch: str) -> None:
        self.model = StreamModel(name, epoch, EngineParams())
        self.hub = Hub(name, epoch, 100, lambda codec, count: None)
        self.admission = Admission.after(self.model, 100)

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
        self.hub.publish(applied.events, applied=START, now=START)
        return applied

    def tell_updates(self) -> None:
        """Publish what clusters changed."""
        if self.hub.subscriptions:
            self.hub.publish(self.model.keyed_events(), applied=START, now=START)


class MemoryServer:
    """Streams of all tenants, and credentials.

    Args:
        credentials: token -> principal.
    """

    def __init__(self, credentials: dict[str, Principal] | None = None) -> None:
        self.credentials = credentials or {"TOKEN": principal()}
        self.streams: dict[tuple[str, str], MemoryStream] = {}
        self.now = START
        self.links = 0
        self.config = SessionConfig(
            limits=Limits(),
            durability="local",
            versions={"server": "0.1.0", "protocol": "0.1.0", "engine": "0.1.0"},
            credit_bytes=4 * 1024 * 1024,
            heartbeat_s=20.0,
            hello_timeout_s=5.0,
            max_subscriptions=64,
            strict_input=False,
        )

    def stream(self, tenant: str, name: str) -> MemoryStream:
        """Return the stream, made if need be."""
        epoch = f"epoch-{len(self.streams) + 1}"
        return self.streams.setdefault((tenant, name), MemoryStream(name, epoch))

    def connect(
        self, codec: Codec = JSON, credential: Principal | None = None
    ) -> MemoryLink:
        """Return a new connection."""
        self.links += 1
        return MemoryLink(self, codec, credential, f"session-{self.links}")


class MemoryLink:
    """One connection: frames in, frames out.

    Attributes:
        sent: frames that the server sent and nobody has taken yet.
        closed: the code that it was closed with.
    """

    def __init__(
        self, server: MemoryServer, codec: Codec, known: Principal | None, id: str
    ) -> None:
        self.server = server
        self.codec = codec
        self.session = Session(id, server.config, known, server.now)
        self.sent: list[bytes] = []
        self.closed: Code | None = None
        self._gathering = Gathering(server.config.limits)
        self._subscriptions: dict[str, tuple[Hub, Subscription]] = {}

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
        for hub, subscription in self._subscriptions.values():
            hub.subscriptions.remove(subscription)
        self._subscriptions.clear()

    def tick(self) -> None:
        """Let the session do what is due."""
        self._perform(self.session.tick(self.server.now))

    def _perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send(message):
                    self.sent.append(self.codec.encode(message))
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
                    hub, subscription = self._subscriptions.pop(id)
                    hub.subscriptions.remove(subscription)
                case Report(id, name):
                    stream = self._stream(name)
                    status = status_message(stream.model.engine.statistics(), 0.0, 0.0)
                    reply = StatusReply(id=id, stream=name, data=status)
                    self.sent.append(self.codec.encode(reply))

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
        stream = self._stream(request.stream)
        model, since = stream.model, request.since
        stream.hub.publish(model.keyed_events(), applied=START, now=START)
        catch_up = []
        if since is not None:
            catch_up = model.keyed_events_since(since.offsets.get("keyed", 0))
        subscription = Subscription(
            stream.hub, request.events, self.codec, self.sent.append
        )
        status = status_message(model.engine.statistics(), 0.0, 0.0)
        now = self.server.now
        stream.hub.join(
            request, model.view(), catch_up, status, subscription, now, 10**6
        )
        self._subscriptions[request.id] = (stream.hub, subscription)
