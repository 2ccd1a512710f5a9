"""What waits for one subscription whose connection is behind; see `outbox`.

Lane A is not here: it is one line for all subscriptions of the connection.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from ncs_protocol.messages import DeliveryClass

from .encoded import Encoded
from .wire import Frame

__all__ = ["Lanes", "Teller", "Waiting"]


class Teller(Protocol):
    """Makes the frames of a subscription, for a reader at a place of its own."""

    def event(
        self, encoded: Encoded, first: int, told: Mapping[DeliveryClass, int]
    ) -> Frame:
        """Return an event that covers the offsets from `first` on."""

    def skip(
        self,
        delivery: DeliveryClass,
        first: int,
        last: int,
        told: Mapping[DeliveryClass, int],
    ) -> Frame:
        """Return word that these offsets hold nothing that is wanted."""


class Waiting(NamedTuple):
    """An event in lane B or C."""

    encoded: Encoded
    size: int
    since: float


class Lanes:
    """What waits for one subscription.

    Attributes:
        told: last offset of each class that its reader has, or has waiting in lane A.
        given: the same with what waits in lanes B and C.
        owes_snapshot: whether updates were dropped, so that only a snapshot can go on.
        owed_since: when the oldest of them began to wait.
        is_asked: whether somebody is working on that snapshot; set by who does.
        keyed: lane B, by cluster, in the order of the last offsets.
        slots: lane C, by event type.
    """

    __slots__ = (
        "given", "is_asked", "keyed", "owed_since", "owes_snapshot", "slots",
        "teller", "told",
    )  # fmt: skip

    def __init__(self, teller: Teller, told: Mapping[DeliveryClass, int]) -> None:
        self.teller = teller
        self.told = dict(told)
        self.given = dict(told)
        self.owes_snapshot = False
        self.is_asked = False
        self.owed_since = 0.0
        self.keyed: dict[Any, Waiting] = {}
        self.slots: dict[Any, Waiting] = {}

    def has_pending(self, delivery: DeliveryClass) -> bool:
        """Return whether an event of a class that conflates waits, or a snapshot."""
        if delivery == "keyed":
            return bool(self.keyed) or self.owes_snapshot
        return any(w.encoded.event.delivery == delivery for w in self.slots.values())

    def since(self) -> float:
        """Return when the oldest began to wait; `inf` if nothing does."""
        times = [w.since for lane in (self.keyed, self.slots) for w in lane.values()]
        if self.owes_snapshot:
            times.append(self.owed_since)
        return min(times, default=math.inf)
