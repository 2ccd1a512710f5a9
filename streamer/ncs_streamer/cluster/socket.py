"""One way between two nodes: the handshake, and frames of many messages.

What is sent within one pass of the event loop, and while a frame is on its way, goes
into the next frame. What may wait is bounded by who sends: batches by the backlog of
their tenants, questions by their number.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import AsyncIterator

from aiohttp import ClientWebSocketResponse, WSMsgType, web

from .wire import (
    Accepted,
    Challenge,
    Claim,
    LinkError,
    Message,
    agreed,
    decode,
    decode_as,
    encode,
    prove,
)

__all__ = ["HEARTBEAT_S", "PeerSocket", "answer_handshake", "begin_handshake"]

WebSocket = ClientWebSocketResponse | web.WebSocketResponse

HEARTBEAT_S = 2.0
"""Time after which silence is asked about; half of it later it is taken for the end."""
_HANDSHAKE_S = 5.0
_FRAME_MESSAGES = 512
_FRAME_BYTES = 1024 * 1024


async def answer_handshake(ws: WebSocket, node: str, secret: bytes) -> str:
    """Let a node in that dialled; return its name.

    Raises:
        LinkError: it may not, or speaks another version.
    """
    challenge = Challenge(node, secrets.token_bytes(16))
    await ws.send_bytes(encode(challenge))
    claim: Claim = decode_as(await _receive(ws), Claim)
    if not hmac.compare_digest(claim.proof, prove(secret, "claim", challenge, claim)):
        raise LinkError("it does not know the secret of this cluster")
    version = agreed(claim.version, claim.oldest)
    proof = prove(secret, "accepted", challenge, claim)
    await ws.send_bytes(encode(Accepted(proof, version)))
    return claim.node


async def begin_handshake(ws: WebSocket, node: str, other: str, secret: bytes) -> None:
    """Have a node let us in that we dialled.

    Raises:
        LinkError: it does not, or is not the one that was meant.
    """
    challenge: Challenge = decode_as(await _receive(ws), Challenge)
    if challenge.node != other:
        raise LinkError(f"node {challenge.node!r} answers where {other!r} should")
    claim = Claim(node, secrets.token_bytes(16), b"")
    claim.proof = prove(secret, "claim", challenge, claim)
    await ws.send_bytes(encode(claim))
    accepted: Accepted = decode_as(await _receive(ws), Accepted)
    proof = prove(secret, "accepted", challenge, claim)
    if not hmac.compare_digest(accepted.proof, proof):
        raise LinkError("it does not know the secret of this cluster")
    agreed(accepted.version)


async def _receive(ws: WebSocket) -> bytes:
    message = await ws.receive(timeout=_HANDSHAKE_S)
    if message.type is not WSMsgType.BINARY:
        raise LinkError("it has hung up: the secrets of the nodes may differ")
    data: bytes = message.data
    return data


class PeerSocket:
    """See the module. Belongs to the event loop's thread.

    Args:
        ws: after the handshake.
    """

    def __init__(self, ws: WebSocket) -> None:
        self._ws = ws
        self._waiting: list[Message] = []
        self._wakeup = asyncio.Event()

    def send(self, message: Message) -> None:
        """Send a message, in order; it is lost if the way is."""
        self._waiting.append(message)
        self._wakeup.set()

    async def write(self) -> None:
        """Write until cancelled, or until the way is gone.

        Raises:
            ConnectionError: it is.
        """
        while True:
            await self._wakeup.wait()
            self._wakeup.clear()
            while self._waiting:
                await self._ws.send_bytes(encode(self._take()))

    def _take(self) -> list[Message]:
        size = count = 0
        for message in self._waiting:
            count += 1
            size += len(getattr(message, "entry", b"")) + 64
            if count >= _FRAME_MESSAGES or size >= _FRAME_BYTES:
                break
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        return taken

    async def messages(self) -> AsyncIterator[list[Message]]:
        """Yield what comes until the other one is gone.

        Raises:
            LinkError: it does not speak as it should.
        """
        async for message in self._ws:
            if message.type is not WSMsgType.BINARY:
                raise LinkError("a frame that is not binary")
            yield decode(message.data)
