"""What a reader of samples costs the engine thread: with one and without, in one run.

Two engines learn the same blocks in turn; one of them has a reader at the default
options, whose samples are taken at its rate. Time is that of the thread.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ncs_engine import Engine
from ncs_protocol.messages import Sample

from ..entry import Entry
from ..sampling.samples import Samples
from ..stream_model import Applied

__all__ = ["bench_sampling"]

_CASES = ((10, 1), (10, 50), (10, 1_000), (1_000, 100))  # dimension, points a block
_POINTS = 100_000
_WARM_UP_POINTS = 5_000
_LAP_POINTS = 1_000  # learned by one engine before it is the other's turn


class _Contender:
    """An engine, and what it has taken."""

    def __init__(self, samples: Samples | None) -> None:
        self.samples = samples
        self.seconds = 0.0
        self.takes: list[float] = []
        self._engine = Engine()
        self._due = 0.0

    def learn(self, blocks: Sequence[NDArray[np.float32]]) -> None:
        """Learn some blocks, as a stream would."""
        began = time.thread_time()
        for block in blocks:
            entry = Entry(kind="points", ingest_ns=1, points=block)
            applied = Applied(1, result=self._engine.learn(block))
            if self.samples is not None:
                self.samples.applied(entry, applied)
        now = time.thread_time()
        self.seconds += now - began
        if self.samples is not None and self.seconds >= self._due:
            kind = self.samples.kinds[0]
            self.samples.take(kind)
            self.takes.append(time.thread_time() - now)
            self.seconds += self.takes[-1]
            self._due = self.seconds + 1 / kind.options.max_hz


def bench_sampling(seconds: float) -> list[dict[str, Any]]:
    """Return a row a case, each of about so many seconds."""
    return [_row(dimension, block, seconds) for dimension, block in _CASES]


def _row(dimension: int, block: int, seconds: float) -> dict[str, Any]:
    chance = np.random.default_rng(0)
    centres = chance.uniform(-10, 10, (20, dimension))
    count = min(_POINTS, 10_000_000 // dimension)
    wide = centres[chance.integers(20, size=count)]
    points = (wide + chance.normal(size=wide.shape)).astype(np.float32)
    blocks = [points[at : at + block] for at in range(0, count - block + 1, block)]
    samples = Samples(0)
    samples.join(Sample())
    bare, sampled = _Contender(None), _Contender(samples)
    for contender in (bare, sampled):
        contender.learn(blocks[: max(1, _WARM_UP_POINTS // block)])
        contender.seconds = 0.0
    lap = max(1, _LAP_POINTS // block)
    learned = 0
    while bare.seconds + sampled.seconds < seconds:
        at = learned // block % (len(blocks) - lap + 1)
        for contender in (bare, sampled) if learned % 2 else (sampled, bare):
            contender.learn(blocks[at : at + lap])
        learned += lap * block
    return {
        "dimension": dimension,
        "points_per_frame": block,
        "points_per_second_without": round(learned / bare.seconds),
        "points_per_second_with": round(learned / sampled.seconds),
        "ratio": round(bare.seconds / sampled.seconds, 3),
        "sample_ms": round(1000 * float(np.median(sampled.takes)), 2),
    }
