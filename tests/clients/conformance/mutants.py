"""The driver of the Python SDK with one defect: mutants.py DEFECT.

What the suite has to find. Each is one that an SDK could well have.
"""

from __future__ import annotations

import functools
import runpy
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ncs_client import StreamSession, connection, core
from ncs_client.backoff import Backoff
from ncs_client.connection import Connection, Outgoing
from ncs_client.core import Batch, ClientCore
from ncs_client.readers import Reader
from ncs_protocol.messages import Ack, Error, Subscribed, Welcome

DRIVER = Path(__file__).parents[3] / "clients" / "conformance" / "drivers" / "python.py"


def sends_twice() -> None:
    """Every batch goes out again under a number of its own."""
    add = ClientCore.add

    def twice(self: ClientCore, batch: Batch) -> Sequence[Outgoing]:
        first = add(self, batch)
        again = msgspec.structs.replace(batch.message)
        return [*first, *add(self, Batch(again, lambda outcome: None))]

    ClientCore.add = twice  # type: ignore[method-assign]


def begins_an_epoch_with_each_connection() -> None:
    """What was on its way when the line broke is sent as if it were new."""
    connected = ClientCore.connected

    def anew(self: ClientCore) -> Sequence[Outgoing]:
        self._epoch += 1
        return connected(self)

    ClientCore.connected = anew  # type: ignore[method-assign]


def acks_what_was_only_sent() -> None:
    """A batch counts as acknowledged as soon as it is on its way."""
    encode = ClientCore.encode

    def early(self: ClientCore, batch: Batch) -> bytes:
        frame = encode(self, batch)
        batch.applied(Ack(stream="", seq=0, offset=0, model_version=0, accepted=0,
                          credit=0))  # fmt: skip
        batch.settle = lambda outcome: None
        return frame

    ClientCore.encode = early  # type: ignore[method-assign]


def hides_refusals() -> None:
    """A batch that is refused counts as acknowledged."""
    refused = ClientCore._refused

    def hidden(self: ClientCore, error: Error) -> Sequence[Outgoing]:
        for batch in self._lanes[error.stream or ""].flying:
            if batch.message.id == error.id:
                settle = batch.settle
                ack = Ack(stream="", seq=0, offset=0, model_version=0, credit=0,
                          accepted=batch.count)  # fmt: skip
                batch.settle = functools.partial(_instead, settle, ack)
        return refused(self, error)

    ClientCore._refused = hidden  # type: ignore[method-assign]


def _instead(settle: Any, ack: Ack, outcome: object) -> None:
    settle(ack)


def forgets_what_waits() -> None:
    """A batch that was not acknowledged when the line broke is given up in silence."""
    welcomed = ClientCore._welcomed

    def empty(self: ClientCore, welcome: Welcome) -> Sequence[Outgoing]:
        for lane in self._lanes.values():
            lane.unsent.clear()
        return welcomed(self, welcome)

    ClientCore._welcomed = empty  # type: ignore[method-assign]


def ignores_credit() -> None:
    """It sends whatever there is."""

    def boundless(self: ClientCore, credit: int) -> None:
        self._credit = 2**40

    ClientCore._take_credit = boundless  # type: ignore[method-assign]


def ignores_slow_down() -> None:
    """It goes on as if nothing had been said."""
    core.SlowDown = type(None)  # type: ignore[misc, assignment]


def comes_back_whatever_the_code() -> None:
    """Codes that are final are taken for others."""
    connection.close_is_final = lambda code: False


def gives_up_at_any_code() -> None:
    """Codes that mean to come back are taken for final."""
    connection.close_is_final = lambda code: code is not None


def waits_without_jitter() -> None:
    """The whole of a wait is waited."""
    Backoff.next_s = lambda self: self._longest_s  # type: ignore[method-assign]


def does_not_back_off() -> None:
    """Every wait is as short as the first."""

    def constant(self: Backoff) -> float:
        self.attempt += 1
        return self._first_s * self._draw()

    Backoff.next_s = constant  # type: ignore[method-assign]


def ignores_reconnect_after() -> None:
    """It comes back when it likes to."""
    connection._LONGEST_S = 0.0


def never_probes() -> None:
    """A peer that is gone is waited for."""

    async def idle(self: Connection, socket: Any) -> None:
        pass

    Connection._watch = idle  # type: ignore[method-assign]


def never_renews() -> None:
    """A token that expires is not replaced."""

    async def idle(self: Connection) -> None:
        pass

    Connection._renew_token = idle  # type: ignore[method-assign]


def drops_an_event() -> None:
    """Every second event is not passed on."""
    take, count = Reader.take, 0

    def forgetful(self: Reader, event: Any) -> bool:
        nonlocal count
        count += 1
        if count % 2:
            return take(self, event)
        self.told[event.delivery] = event.last
        return True

    Reader.take = forgetful  # type: ignore[method-assign]


def passes_gaps_on() -> None:
    """An event that does not follow the last is given all the same."""
    take = Reader.take

    def careless(self: Reader, event: Any) -> bool:
        self.told[event.delivery] = event.first - 1
        return take(self, event)

    Reader.take = careless  # type: ignore[method-assign]


def begins_anew_at_each_connection() -> None:
    """It does not say where it was, so that it gets a snapshot and misses events."""
    request = Reader.request

    def without_since(self: Reader) -> Any:
        return msgspec.structs.replace(request(self), since=None)

    Reader.request = without_since  # type: ignore[method-assign]


def keeps_the_old_copy() -> None:
    """A fresh snapshot is not taken over."""
    begin = Reader.begin

    def once(self: Reader, message: Subscribed) -> None:
        if self.epoch is None or message.recovered:
            begin(self, message)
        else:
            self.epoch, self.told = message.epoch, dict(message.offsets)

    Reader.begin = once  # type: ignore[method-assign]


def never_rests() -> None:
    """What is not read piles up in memory."""
    ClientCore.pause = lambda self, reader: []  # type: ignore[method-assign]


def does_not_tell_the_end() -> None:
    """What waits when the session ends waits for ever."""
    StreamSession._end = lambda self, error: None  # type: ignore[method-assign]


DEFECTS: dict[str, Callable[[], None]] = {
    defect.__name__: defect
    for defect in (
        sends_twice, begins_an_epoch_with_each_connection, acks_what_was_only_sent,
        hides_refusals, forgets_what_waits, ignores_credit, ignores_slow_down,
        comes_back_whatever_the_code, gives_up_at_any_code, waits_without_jitter,
        does_not_back_off, ignores_reconnect_after, never_probes, never_renews,
        drops_an_event, passes_gaps_on, begins_anew_at_each_connection,
        keeps_the_old_copy, never_rests, does_not_tell_the_end,
    )
}  # fmt: skip

if __name__ == "__main__":
    DEFECTS[sys.argv[1]]()
    runpy.run_path(str(DRIVER), run_name="__main__")
