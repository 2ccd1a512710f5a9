"""The schedule of faults: what is done to the server and its surroundings, and when.

A schedule follows from its seed alone. What the faults meet does not: that depends on
the machine's timing, so a seed gives the same faults and not the same run.
"""

from __future__ import annotations

import dataclasses
import itertools
import random
from collections.abc import Iterator, Sequence
from typing import Literal

__all__ = ["KINDS", "REDIS_KINDS", "Fault", "Kind", "Mode", "schedule"]

Kind = Literal["kill", "drain", "stop", "proxy", "gateway", "disk", "lock", "redis"]
_ANYWHERE: tuple[Kind, ...] = ("kill", "drain", "stop", "proxy", "gateway")
REDIS_KINDS: tuple[Kind, ...] = (*_ANYWHERE, "redis")
"""Those for a store in Redis: `redis` kills it with kill -9, has it hang, or makes it
forget its scripts."""
KINDS: tuple[Kind, ...] = (*_ANYWHERE, "disk", "lock")
"""Those for the embedded store:
`kill`: kill -9 of the server, of some again while it starts; `drain`: SIGTERM, and
a new start; `stop`: SIGSTOP and SIGCONT; `proxy`: the line delays, cuts, half-opens,
truncates, swallows; `gateway`: kill -9 of a gateway, which goes on from its spool;
`disk`: no write to the store's files succeeds, and in some the server is killed
meanwhile; `lock`: another process holds the store's lock."""

Mode = Literal[
    "", "starting", "deadly", "delay", "cut", "half-open", "truncate", "blackhole",
    "hang", "scripts",
]  # fmt: skip
_MODES: dict[Kind, tuple[Mode, ...]] = {
    "kill": ("", "", "", "starting"),
    "disk": ("", "deadly"),
    "redis": ("deadly", "hang", "scripts"),
    "proxy": ("cut", "delay", "truncate", "half-open", "blackhole"),
}
_LONGEST_S: dict[Kind, float] = {"lock": 6.0, "kill": 0.1}  # SQLite waits 5 s itself
_OTHERS_A_SECOND = 0.5


@dataclasses.dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Attributes:
        kind: what is done.
        mode: how, for a kind that has several ways.
        wait_s: after the one before it has healed.
        lasts_s: until it is healed.
    """

    kind: Kind
    mode: Mode
    wait_s: float
    lasts_s: float


def schedule(
    seed: int, kinds: Sequence[Kind], seconds: float, kills: int
) -> list[Fault]:
    """Return the faults of a run.

    Args:
        seed: that they follow from.
        kinds: which there may be.
        seconds: over which the waits between them are spread.
        kills: how many kills of the server, if `kill` is among the kinds. Of the other
            kinds there is one every two seconds, in turn and each way at least once.
    """
    draw = random.Random(seed)  # noqa: S311 - no secret
    others = [kind for kind in kinds if kind != "kill"]
    ways = _ways(others)
    count = max(len(ways), round(seconds * _OTHERS_A_SECOND)) if ways else 0
    chosen = list(itertools.islice(itertools.cycle(ways), count))
    if "kill" in kinds:
        chosen += itertools.islice(itertools.cycle(_ways(["kill"])), kills)
    draw.shuffle(chosen)
    longest_wait = 2 * seconds / max(1, len(chosen))
    return [
        Fault(
            kind,
            mode,
            round(draw.uniform(0.0, longest_wait), 3),
            round(draw.uniform(0.0, _LONGEST_S.get(kind, 1.5)), 3),
        )
        for kind, mode in chosen
    ]


def _ways(kinds: Sequence[Kind]) -> list[tuple[Kind, Mode]]:
    """Return every way of every kind, the kinds taking turns."""

    def each() -> Iterator[tuple[Kind, Mode]]:
        rounds = itertools.zip_longest(*(_MODES.get(kind, ("",)) for kind in kinds))
        for modes in rounds:
            for kind, mode in zip(kinds, modes, strict=True):
                if mode is not None:
                    yield kind, mode

    return list(each())
