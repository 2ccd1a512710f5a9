"""What a node answers to the others that have dialled it."""

from __future__ import annotations

import asyncio
import contextlib

from aiohttp import web

from ncs_protocol import Code, NcsError
from ncs_protocol.messages import ResultDetail

from ..elsewhere import ElsewhereError
from ..entry import decode_entry
from ..logs import get_log
from ..sealed import DamagedError
from ..store.contracts import StreamKey
from ..stream import Stream
from ..stream_model import Applied as AppliedHere
from .socket import HEARTBEAT_S, PeerSocket, answer_handshake
from .streams import ClusterStreams
from .wire import (
    Answer,
    Applied,
    Ask,
    LinkError,
    Listen,
    Message,
    Moved,
    Submit,
    refusal,
)

__all__ = ["serve_peer"]

_MAX_FRAME = 256 * 1024 * 1024
_MAX_QUESTIONS = 1000  # of one node, that wait

log = get_log()


async def serve_peer(
    request: web.Request, streams: ClusterStreams
) -> web.WebSocketResponse:
    """Serve a node for as long as it is there."""
    ws = web.WebSocketResponse(
        heartbeat=HEARTBEAT_S, max_msg_size=_MAX_FRAME, compress=False
    )
    await ws.prepare(request)
    try:
        name = await answer_handshake(ws, streams.me, streams.secret)
    except (LinkError, ConnectionError, TimeoutError) as error:
        log.warning("peer_refused", peer=request.remote, error=str(error))
        await ws.close(code=1008)
        return ws
    peer = _Peer(name, PeerSocket(ws), streams)
    streams.peers.dialled.add(ws)
    try:
        await peer.run()
    except LinkError as error:
        log.warning("peer_not_understood", node=name, error=str(error))
    finally:
        streams.peers.dialled.discard(ws)
        await ws.close()
    return ws


class _Peer:
    """One node that has dialled."""

    def __init__(self, name: str, socket: PeerSocket, streams: ClusterStreams) -> None:
        self._name = name
        self._socket = socket
        self._streams = streams
        self._refused: dict[StreamKey, int] = {}  # the newest line, see `Submit`
        self._listening: set[StreamKey] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Answer until it is gone."""
        writing = asyncio.create_task(self._socket.write())
        try:
            async for messages in self._socket.messages():
                for message in messages:
                    self._receive(message)
        finally:
            for task in (writing, *self._tasks):
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await writing
            for key in self._listening:
                relay = self._streams.route(key).possession.relay
                if relay is not None:
                    relay.forget(self)

    def _receive(self, message: Message) -> None:
        match message:
            case Submit():
                self._submit(message)
            case Ask() if len(self._tasks) >= _MAX_QUESTIONS:
                error = NcsError(Code.OVERLOADED, retry_after_s=1.0)
                self._socket.send(refusal(message.id, error))
            case Ask():
                task = asyncio.create_task(self._answer(message))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            case Listen(tenant, stream, subscribers, samples):
                relay = self._streams.route(StreamKey(tenant, stream)).possession.relay
                if relay is not None:
                    key = StreamKey(tenant, stream)
                    self._note_listening(key)
                    relay.listen(self, subscribers, samples, lambda: self._moved(key))
            case _:
                raise LinkError(f"an answer to nothing: {type(message).__name__}")

    # Batches

    def _submit(self, message: Submit) -> None:
        key = StreamKey(message.tenant, message.stream)
        if message.line <= self._refused.get(key, 0):
            self._refuse(message, ElsewhereError())
            return

        def done(outcome: AppliedHere | NcsError) -> None:
            if isinstance(outcome, NcsError):
                self._refuse(message, outcome)
            else:
                self._socket.send(_applied(message, outcome))

        try:
            entry = decode_entry(message.entry)
        except DamagedError as error:
            raise LinkError(f"a batch that is none: {error}") from None
        try:
            detail = _DETAILS.get(message.detail, "full")
            self._streams.route(key).submit_relayed(entry, message.size, done, detail)
        except NcsError as error:
            self._refuse(message, error)

    def _refuse(self, message: Submit, error: NcsError) -> None:
        if isinstance(error, ElsewhereError):
            key = StreamKey(message.tenant, message.stream)
            self._refused[key] = max(message.line, self._refused.get(key, 0))
        self._socket.send(refusal(message.id, error))

    # Questions

    async def _answer(self, message: Ask) -> None:
        key = StreamKey(message.tenant, message.stream)
        route = self._streams.route(key)
        try:
            place = await route.place(asked=True)
            if not isinstance(place, Stream):
                raise ElsewhereError(place.node.name)
            self._note_listening(key)
            body = await self._streams.answer(
                route, place, message.what, message.body, self, lambda: self._moved(key)
            )
        except NcsError as error:
            self._socket.send(refusal(message.id, error))
        except LinkError as error:
            refused = NcsError(Code.INVALID_MESSAGE, str(error))
            self._socket.send(refusal(message.id, refused))
        except Exception as error:
            log.exception("question_failed", what=message.what, error=repr(error))
            failed = NcsError(Code.INTERNAL_ERROR, "the owner of the stream failed")
            self._socket.send(refusal(message.id, failed))
        else:
            self._socket.send(Answer(message.id, body))

    def _note_listening(self, key: StreamKey) -> None:
        self._listening.add(key)

    def _moved(self, key: StreamKey) -> None:
        self._socket.send(Moved(*key))


_DETAILS: dict[str, ResultDetail] = {
    "none": "none",
    "summary": "summary",
    "full": "full",
}


def _applied(message: Submit, applied: AppliedHere) -> Applied:
    results, learned = None, applied.result
    if message.detail != "none" and learned is not None:
        results = (
            learned.cluster_ids.tobytes(),
            learned.is_outlier.tobytes(),
            learned.outlier_scores.tobytes(),
        )
    return Applied(
        message.id, applied.offset, applied.accepted, applied.duplicate, results
    )
