"""What all streams of a server share."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from .backlog import Backlog
from .clock import Clock
from .committer import Committer
from .history import HistoryBounds
from .hub import Hub
from .metrics import Metrics
from .presence import Roll
from .saving import SnapshotPolicy
from .store.contracts import Store
from .threads import FairThreads

__all__ = ["Services"]


@dataclasses.dataclass(slots=True)
class Services:
    """See the module."""

    store: Store
    committer: Committer
    threads: FairThreads
    metrics: Metrics
    clock: Clock
    backlog: Backlog
    event_tick_s: float
    snapshots: SnapshotPolicy
    history: HistoryBounds
    wake: Callable[[Hub], None]
    max_producers: int
    roll: Roll
