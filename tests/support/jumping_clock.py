"""`ncs` whose clock of the day jumps by hours, both ways, several times a second."""

from __future__ import annotations

import random
import sys

from ncs_streamer import clock
from ncs_streamer.cli.main import main

_A_DAY_S = 86400.0
_EVERY_S = 0.25


def jumping(now: float, monotonic: float) -> float:
    """Return the time of the day, as far off as this quarter of a second has it."""
    draw = random.Random(int(monotonic / _EVERY_S))
    return now + draw.uniform(-_A_DAY_S, _A_DAY_S)


if __name__ == "__main__":
    steady = clock.Clock()
    clock.Clock.__init__.__defaults__ = (
        lambda: jumping(steady.now(), steady.monotonic()),
        steady.monotonic,
    )
    sys.exit(main(sys.argv[1:]))
