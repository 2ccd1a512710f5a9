from __future__ import annotations

from typing import Any, cast

import pytest

from ncs_protocol import Code
from ncs_streamer.clock import Clock
from ncs_streamer.door import Door, DoorLimits, Guard
from ncs_streamer.metrics import Metrics

pytestmark = pytest.mark.unit

LIMITS = DoorLimits(
    max_sockets=10, max_unauthenticated=10, header_timeout_s=1.0, frame_timeout_s=1.0,
    response_timeout_s=1.0, idle_timeout_s=1.0,
)  # fmt: skip


class Faulty:
    """A guard that counts how often it is refused, and fails."""

    is_peers_turn = is_written = True

    def __init__(self) -> None:
        self.refused = 0

    def refuse(self, code: Code) -> None:
        self.refused += 1
        raise RuntimeError("a fault")

    def close(self) -> None:
        self.refuse(Code.HEADER_TIMEOUT)


@pytest.mark.parametrize("wait", ["headers", "frames", "idle"])
def test_a_fault_at_one_socket_lets_no_other_stay(wait: str) -> None:
    door = Door(LIMITS, Metrics(), Clock())
    guards = [Faulty(), Faulty(), Faulty()]
    waits: Any = getattr(door, wait)
    for guard in guards:
        waits.begin(cast(Guard, guard), 0.0)
    for _ in guards:
        with pytest.raises(RuntimeError):
            door.sweep(2.0)
    door.sweep(2.0)
    assert [guard.refused for guard in guards] == [1, 1, 1]
