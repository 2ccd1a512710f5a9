"""What other nodes may ask about a stream that is here: by name, with its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable

from ncs_protocol import MSGPACK, Code, NcsError
from ncs_protocol.messages import Event, Position

from ..elsewhere import ElsewhereError
from ..stream import Stream
from ..stream_model import StreamModel, StreamView
from .look import Look, Missed, Seen
from .relay import Relay
from .wire import decode_as, encode

__all__ = ["answer"]


async def answer(
    stream: Stream,
    relay: Relay,
    what: str,
    body: bytes,
    who: Hashable,
    on_moved: Callable[[], None],
) -> bytes:
    """Return the answer to a question.

    Args:
        stream: that it is about.
        relay: of its events.
        what: its name.
        body: its arguments.
        who: asks; the way to another node.
        on_moved: called when the stream is not here any more, if it listens.

    Raises:
        NcsError: it is refused.
        LinkError: the arguments are not such.
    """
    match what:
        case "own":  # it is here, else nobody would have come this far
            return b""
        case "epoch":
            return encode(stream.hub.epoch)
        case "last_seq":
            return encode(stream.last_seq(decode_as(body, str)))
        case "status":
            return encode(await stream.telling.status())
        case "look":
            look: Look = decode_as(body, Look)
            relay.listen(who, look.subscribers, look.samples, on_moved)
            return encode(await _look(stream, relay, look.since))
    raise NcsError(Code.UNKNOWN_TYPE, f"there is no question {what!r:.40}")


async def _look(stream: Stream, relay: Relay, positions: list[Position | None]) -> Seen:
    """Look at the model, and at what was missed after each of the positions."""
    future: asyncio.Future[Seen] = asyncio.get_running_loop().create_future()
    taken = list[tuple[StreamView, list[list[Event] | None]]]()

    def run(model: StreamModel) -> None:
        keyed = [_keyed_since(model, position) for position in positions]
        taken.append((model.view(), keyed))

    def deliver(result: Exception | None) -> None:
        # Between the events before this look and those after it.
        if future.done():
            return
        if isinstance(result, Exception):
            future.set_exception(result)
            return
        [(view, keyed)] = taken
        pairs = zip(positions, keyed, strict=True)
        missed = [_missed(stream, view, *pair) for pair in pairs]
        status = stream.telling.status_of(view.statistics)
        future.set_result(
            Seen(
                relay.source,
                relay.count,
                stream.hub.epoch,
                view.offset,
                view.lossless,
                view.keyed,
                view.statistics["dimension"],
                view.clusters,
                status,
                missed,
            )
        )

    stream.call(run, deliver)
    seen = await future
    if stream.is_leaving:  # what is published from now on comes from elsewhere
        raise ElsewhereError
    return seen


def _keyed_since(model: StreamModel, position: Position | None) -> list[Event] | None:
    keyed = 0 if position is None else position.offsets.get("keyed", 0)
    if position is None or position.epoch != model.epoch or keyed > model.keyed:
        return None
    return model.keyed_events_since(keyed)


def _missed(
    stream: Stream,
    view: StreamView,
    position: Position | None,
    keyed: list[Event] | None,
) -> Missed | None:
    if position is None or keyed is None:
        return None
    hub, now = stream.hub, stream.telling.now()
    hub.history.trim(now)
    lossless = hub.lossless_since(position, view.lossless)
    if lossless is None:
        return None
    for event in keyed:
        assert event.times is not None
        event.times.emitted = now
    return Missed(
        [MSGPACK.encode(encoded.event) for encoded in lossless],
        [MSGPACK.encode(event) for event in keyed],
    )
