"""What waits for one connection that does not take its events as fast as they come.

Answers to requests wait in a queue of their own. Events of its subscriptions wait in
three lanes: A, first in, first out, for what must not be lost; B, the latest update of
each cluster; C, the latest of each kind of report. They leave in that order. What B and
C leave out is covered by what they keep: a frame tells from which offset on it stands
for everything.

Overflow policy: by how long the oldest has been waiting, the reader is told that it is
`lagging`; then lane B is dropped and a fresh snapshot owed in its place; then the
connection is `hopeless` and has to be ended with a code that says reconnect, which
brings it back to where it was. Lane A never drops. Bytes are bounded too: beyond the
bound B is dropped at once, and what still does not fit is hopeless. Without a clock:
`now` is an argument, in seconds that never go back.
"""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

from ncs_protocol.messages import CaughtUp, DeliveryClass, Lagging

from .encoded import Encoded
from .lanes import Lanes, Teller, Waiting
from .wire import Frame

__all__ = ["Level", "Outbox", "Patience"]


class Level(enum.IntEnum):
    """How far a reader is behind."""

    NORMAL = 0
    LAGGING = 1
    SKIPPING = 2


@dataclasses.dataclass(frozen=True, slots=True)
class Patience:
    """How much may wait, and for how long."""

    max_bytes: int
    lagging_s: float
    skipping_s: float
    hopeless_s: float


class _InLine(NamedTuple):
    """A frame in lane A, or an answer, which is of no lanes."""

    lanes: Lanes | None
    frame: Frame
    since: float


class Outbox:
    """See the module.

    Args:
        patience: how much may wait.
        notice: makes the frame of a message for this connection.

    Attributes:
        patience: as given.
        credit: bytes of events that may be sent; None while the client gives none out.
        waiting_bytes: what waits.
        hopeless: whether the connection has to be ended.
        skipped: events left out since something began to wait.
    """

    def __init__(
        self, patience: Patience, notice: Callable[[Lagging | CaughtUp], Frame]
    ) -> None:
        self.credit: int | None = None
        self.waiting_bytes = 0
        self.hopeless = False
        self.skipped = 0
        self.patience = patience
        self._notice = notice
        # Lists: an empty deque is 700 bytes, and most connections never need one.
        self._replies: list[_InLine] = []
        self._line: list[_InLine] = []
        self._lanes: dict[Lanes, None] = {}
        self._conflating = 0  # frames in lanes B and C
        self._owing = 0  # subscriptions
        self._told_level = Level.NORMAL

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits, and nothing is owed."""
        return not (self._replies or self._line or self._conflating or self._owing)

    @property
    def has_replies(self) -> bool:
        """Whether answers to requests wait."""
        return bool(self._replies)

    @property
    def has_credit(self) -> bool:
        """Whether events may be sent."""
        return self.credit is None or self.credit > 0

    def grant(self, size: int, most: int) -> None:
        """Let so many bytes more of events be sent, `most` in all."""
        self.credit = min(most, (self.credit or 0) + size)

    def spend(self, size: int) -> None:
        """Take note that events of so many bytes were sent."""
        if self.credit is not None:
            self.credit -= size

    # In

    def reply(self, frame: Frame, now: float) -> None:
        """Queue an answer to a request; these need no credit."""
        if self._makes_room(len(frame.data)):
            self._replies.append(_InLine(None, frame, now))
            self.waiting_bytes += len(frame.data)

    def open(self, teller: Teller, told: Mapping[DeliveryClass, int]) -> Lanes:
        """Return new lanes, for a subscription that cannot be written to directly."""
        lanes = Lanes(teller, told)
        self._lanes[lanes] = None
        return lanes

    def close(self, lanes: Lanes) -> None:
        """Forget lanes, and all that waits in them."""
        if lanes not in self._lanes:
            return
        del self._lanes[lanes]
        self._drop_conflating(lanes)
        if lanes.owes_snapshot:
            self._owing -= 1
        for entry in self._line:
            if entry.lanes is lanes:
                self.waiting_bytes -= len(entry.frame.data)
        self._line = [e for e in self._line if e.lanes is not lanes]

    def begin(
        self,
        lanes: Lanes,
        frame: Frame,
        told: Mapping[DeliveryClass, int],
        now: float,
    ) -> None:
        """Queue the message with which a subscription begins, or begins anew.

        Args:
            lanes: of the subscription.
            frame: `subscribed`, with a snapshot if any is owed.
            told: where its reader stands with it.
            now: see the module.
        """
        self._drop_conflating(lanes)
        if lanes.owes_snapshot:
            self._owing -= 1
        lanes.owes_snapshot = lanes.is_asked = False
        lanes.told, lanes.given = dict(told), dict(told)
        self._append(lanes, frame, now)

    def owe(self, lanes: Lanes, now: float) -> None:
        """Owe a subscription a snapshot: what it has is of another life."""
        self._drop_conflating(lanes)
        if not lanes.owes_snapshot:
            self._owing += 1
            lanes.owes_snapshot = True
            lanes.owed_since = now
        lanes.is_asked = False

    def add(self, lanes: Lanes, encoded: Encoded, size: int, now: float) -> None:
        """Queue an event for a subscription, unless its reader has it already.

        Args:
            lanes: of the subscription.
            encoded: the event.
            size: bytes that it takes, about.
            now: see the module.
        """
        event = encoded.event
        delivery = event.delivery
        if event.last <= lanes.given[delivery]:
            return
        if delivery == "lossless":
            self.close_gap(lanes, delivery, event.first - 1, now)
            lanes.told[delivery] = lanes.given[delivery] = event.last
            frame = lanes.teller.event(encoded, event.first, lanes.told)
            self._append(lanes, frame, now)
            return
        lanes.given[delivery] = event.last
        if delivery == "keyed" and lanes.owes_snapshot:
            self.skipped += 1
            return
        self._conflate(lanes, encoded, size, now)

    def _conflate(self, lanes: Lanes, encoded: Encoded, size: int, now: float) -> None:
        event = encoded.event
        is_keyed = event.delivery == "keyed"
        lane = lanes.keyed if is_keyed else lanes.slots
        key = event.key if is_keyed else encoded.type
        waited = lane.pop(key, None)
        if waited is not None:  # the new one goes to the end, in its order
            self.skipped += 1
            self._forget(waited)
        since = now if waited is None else waited.since
        if self._makes_room(size) and not (is_keyed and lanes.owes_snapshot):
            lane[key] = Waiting(encoded, size, since)
            self._conflating += 1
            self.waiting_bytes += size

    def close_gap(
        self, lanes: Lanes, delivery: DeliveryClass, last: int, now: float
    ) -> None:
        """Queue word that up to `last` there is nothing in a class that is wanted."""
        first = lanes.told[delivery] + 1
        if last >= first:
            lanes.told[delivery] = lanes.given[delivery] = last
            frame = lanes.teller.skip(delivery, first, last, lanes.told)
            self._append(lanes, frame, now)

    def _append(self, lanes: Lanes, frame: Frame, now: float) -> None:
        if self._makes_room(len(frame.data)):
            self._line.append(_InLine(lanes, frame, now))
            self.waiting_bytes += len(frame.data)

    # Out

    def take(self, room: int, now: float) -> list[bytes]:
        """Return and remove what is to be written next.

        Args:
            room: bytes that may be written; the frame that exceeds them is the last.
            now: see the module.
        """
        frames: list[bytes] = []
        self._tell_level(frames, now)
        room = self._take_line(self._replies, room, frames)
        room = self._take_line(self._line, room, frames)
        if not self._line:
            for name in ("keyed", "slots"):
                room = self._take_lane(name, room, frames)
        if self.is_empty:
            self._tell_caught_up(frames)
        return frames

    def _take_line(self, line: list[_InLine], room: int, frames: list[bytes]) -> int:
        """Take from the front of a line; return the room that is left."""
        count = 0
        for lanes, frame, _ in line:
            if room <= 0 or not (lanes is None or self.has_credit):
                break
            if lanes is not None:
                self.spend(frame.size)
            self.waiting_bytes -= len(frame.data)
            room -= len(frame.data)
            frames.append(frame.data)
            count += 1
        del line[:count]
        return room

    def _take_lane(self, name: str, room: int, frames: list[bytes]) -> int:
        """Take from lane B or C of all subscriptions; return the room that is left."""
        for lanes in list(self._lanes) if self._conflating else ():
            lane = getattr(lanes, name)
            if room <= 0:
                break
            while lane and room > 0 and self.has_credit:
                waited = lane.pop(next(iter(lane)))
                self._forget(waited)
                delivery = waited.encoded.event.delivery
                first = lanes.told[delivery] + 1
                lanes.told[delivery] = waited.encoded.event.last
                frame = lanes.teller.event(waited.encoded, first, lanes.told)
                self.spend(frame.size)
                room -= len(frame.data)
                frames.append(frame.data)
            if lane:  # the others have their turn before this one comes again
                self._lanes[lanes] = self._lanes.pop(lanes)
        return room

    def owing(self) -> list[Lanes]:
        """Return the subscriptions to which a snapshot can be sent and is owed."""
        if not self._owing or self._line or self._conflating or not self.has_credit:
            return []
        return [lanes for lanes in self._lanes if lanes.owes_snapshot]

    def _tell_level(self, frames: list[bytes], now: float) -> None:
        level, age = self._level(now)
        if level > self._told_level:
            self._told_level = level
            behind_ms = round(1000 * age)
            notice = Lagging(
                level="skipping" if level is Level.SKIPPING else "lagging",
                skipped=self.skipped,
                behind_ms=behind_ms,
            )
            frames.append(self._notice(notice).data)

    def _tell_caught_up(self, frames: list[bytes]) -> None:
        if self._told_level > Level.NORMAL:
            frames.append(self._notice(CaughtUp(skipped=self.skipped)).data)
        self._told_level = Level.NORMAL
        self.skipped = 0

    # Patience

    def check(self, now: float) -> None:
        """Do what is due by `now`."""
        _, age = self._level(now)
        if age >= self.patience.hopeless_s:
            self.hopeless = True
        elif age >= self.patience.skipping_s:
            self._skip()

    def clear(self) -> None:
        """Forget all that waits, except answers to requests."""
        for lanes in list(self._lanes):
            self.close(lanes)

    def _level(self, now: float) -> tuple[Level, float]:
        """Return the level, and for how long the oldest has been waiting."""
        since = min((lanes.since() for lanes in self._lanes), default=math.inf)
        if self._line:
            since = min(since, self._line[0].since)
        if self._replies:
            since = min(since, self._replies[0].since)
        age = max(0.0, now - since)
        if self._owing:
            return Level.SKIPPING, age
        is_late = age >= self.patience.lagging_s
        return Level.LAGGING if is_late else Level.NORMAL, age

    def _makes_room(self, size: int) -> bool:
        if self.waiting_bytes + size > self.patience.max_bytes:
            self._skip()
            if self.waiting_bytes + size > self.patience.max_bytes:
                self.hopeless = True
        return not self.hopeless

    def _skip(self) -> None:
        """Drop lane B of all subscriptions, and owe them snapshots instead."""
        for lanes in self._lanes:
            if lanes.keyed:
                self._owing += 1
                lanes.owes_snapshot = True
                lanes.owed_since = min(w.since for w in lanes.keyed.values())
                self.skipped += len(lanes.keyed)
                for waited in lanes.keyed.values():
                    self._forget(waited)
                lanes.keyed.clear()

    def _drop_conflating(self, lanes: Lanes) -> None:
        for lane in (lanes.keyed, lanes.slots):
            for waited in lane.values():
                self._forget(waited)
            lane.clear()

    def _forget(self, waited: Waiting) -> None:
        self.waiting_bytes -= waited.size
        self._conflating -= 1
