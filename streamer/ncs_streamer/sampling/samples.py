"""The kinds of sample that readers of one stream ask for, and when each is due.

Readers with the same options share one kind: one reservoir, one projection, one event.
Where nobody asks there is none, and the engine is not slowed down.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ncs_engine import LearnResult
from ncs_protocol import Code, NcsError
from ncs_protocol.messages import PointsSample, Sample
from ncs_protocol.points import Block

from ..entry import Entry
from ..stream_model import Applied
from .sampler import Sampler

__all__ = ["Kind", "Samples"]

_SHORTEST_S = 0.05
"""Between two samples, however many a second are asked for."""
_GATHERED = 4096
"""Points that are passed on together: one by one each would cost 10 us."""
_GATHERED_BLOCKS = 64
"""Of them: more would still lie there when their memory could be used again."""
_GATHERED_COORDINATES = 100_000
"""Of these points, all together."""
_MAX_KINDS = 8
"""Of one stream: each holds up to 2 MB, and takes its time of the engine thread."""


class Kind:
    """What readers with the same options share.

    Attributes:
        options: of all of them.
        sampler: belongs to the thread that has the model's turn.
        readers: how many there are.
        told: samples that were told; numbers them.
    """

    def __init__(self, options: Sample, seed: int) -> None:
        self.options = options
        self.sampler = Sampler(options, seed)
        self.readers = 0
        self.told = 0
        self.has_news = False
        self.due_at = -math.inf


class _Gathered:
    """Points that wait to be passed on together; of the thread with the turn."""

    def __init__(self) -> None:
        self.points = 0
        self.blocks: list[tuple[Block, LearnResult]] = []


class Samples:
    """See the module. All methods belong to the event loop, but for `applied` and
    `take`: those belong to the thread that has the model's turn.

    Args:
        seed: of the choice of points.
    """

    def __init__(self, seed: int) -> None:
        self.kinds: tuple[Kind, ...] = ()
        self._seed = seed
        self._gathered = _Gathered()

    def join(self, options: Sample) -> Kind:
        """Add a reader.

        Raises:
            NcsError: ``too_many_samples`` if there would be too many kinds.
        """
        kind = next((kind for kind in self.kinds if kind.options == options), None)
        if kind is None:
            if len(self.kinds) >= _MAX_KINDS:
                raise NcsError(
                    Code.TOO_MANY_SAMPLES,
                    f"{_MAX_KINDS} kinds of samples of this stream are being read;"
                    " ask for one of them, or later",
                )
            if not self.kinds:
                self._gathered = _Gathered()  # what came by before is not for it
            kind = Kind(options, self._seed)
            # Never changed in place: the engine's thread goes through it.
            self.kinds = (*self.kinds, kind)
        kind.readers += 1
        return kind

    def leave(self, kind: Kind) -> None:
        """Remove a reader; with the last one the kind goes too."""
        kind.readers -= 1
        if not kind.readers:
            self.kinds = tuple(other for other in self.kinds if other is not kind)

    def applied(self, entry: Entry, applied: Applied) -> None:
        """Take note of what an entry did: its points come by, or all are dropped."""
        gathered = self._gathered
        if entry.kind == "reset":
            gathered.points, gathered.blocks = 0, []
            for kind in self.kinds:
                kind.sampler.forget()
        if applied.result is None:
            return
        points, blocks = entry.block, gathered.blocks
        dimension = points.shape[1]
        if blocks and blocks[0][0].shape[1] != dimension:
            self._pass_on(gathered)
        gathered.blocks.append((points, applied.result))
        gathered.points += len(points)
        if (
            len(gathered.blocks) >= _GATHERED_BLOCKS
            or gathered.points >= _GATHERED
            or gathered.points * dimension >= _GATHERED_COORDINATES
        ):
            self._pass_on(gathered)

    def take(self, kind: Kind) -> PointsSample | None:
        """Return a sample of what came by since the last one of this kind, if any."""
        self._pass_on(self._gathered)
        return kind.sampler.take()

    def _pass_on(self, gathered: _Gathered) -> None:
        blocks, gathered.blocks, gathered.points = gathered.blocks, [], 0
        if not blocks:
            return
        points = _joined([block for block, _ in blocks])
        ids = _joined([result.cluster_ids for _, result in blocks])
        flags = _joined([result.is_outlier for _, result in blocks])
        for kind in self.kinds:
            kind.sampler.learned(points, ids, flags)

    def note_news(self) -> None:
        """Take note that the model has learned something."""
        for kind in self.kinds:
            kind.has_news = True

    def due(self, now: float) -> tuple[list[Kind], float | None]:
        """Return the kinds to take a sample of, and seconds until there are others.

        Args:
            now: monotonic.
        """
        due, wait = [], None
        for kind in self.kinds:
            if not kind.has_news:
                continue
            if now >= kind.due_at:
                kind.has_news = False
                kind.due_at = now + max(_SHORTEST_S, 1.0 / kind.options.max_hz)
                due.append(kind)
            else:
                left = kind.due_at - now
                wait = left if wait is None else min(wait, left)
        return due, wait


def _joined(blocks: list[NDArray[Any]]) -> NDArray[Any]:
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
