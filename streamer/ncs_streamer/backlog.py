"""What waits to be applied, over all streams and by tenant, and who may send more.

A connection is granted credit from what is left of its tenant's quota, so what waits is
bounded however many connections send however fast. A socket whose tenant has no room is
not read; its connection is called when there is room again.
"""

from __future__ import annotations

from collections.abc import Callable

from .precedence import Precedence, Standing
from .read_turns import ReadTurns

__all__ = ["Backlog", "Quota"]

_PER_BATCH = 1024  # bytes that the objects of a batch take beside its points
_FREE_AGAIN = 0.25  # of the limit, before sockets are read again
_LEAST_RETRY_MS, _MOST_RETRY_MS = 20, 5000
_RATE_S = 1.0  # over which the rate is taken


class Backlog:
    """What waits over all streams. All methods belong to the event loop's thread.

    Args:
        max_bytes: of batches, and of what was made of them.
        max_tenant_bytes: the same for one tenant.

    Attributes:
        bytes: that wait.
        points: that wait.
        precedence: among its tenants.
    """

    def __init__(self, max_bytes: float, max_tenant_bytes: float) -> None:
        self.max_bytes = max_bytes
        self.max_tenant_bytes = min(max_tenant_bytes, max_bytes)
        self.bytes = 0
        self.points = 0
        self.precedence = Precedence()
        self._quotas: dict[str, Quota] = {}
        self._short = False  # somebody waits for room of the whole

    def of(self, tenant: str) -> Quota:
        """Return the tenant's part."""
        quota = self._quotas.get(tenant)
        if quota is None:
            quota = self._quotas[tenant] = Quota(self)
        return quota

    @property
    def room(self) -> int:
        """Bytes that may still be taken."""
        return max(0, int(self.max_bytes) - self.bytes)

    def note_short(self) -> None:
        """Take note that somebody waits for room of the whole."""
        self._short = self._short or self.room == 0

    def wake_if_free(self) -> None:
        """Wake everybody once there is room after there was none.

        As soon as any one tenant would be: or the busy ones would take it all again.
        """
        if self._short and self.room >= _FREE_AGAIN * self.max_tenant_bytes:
            self._short = False
            for quota in self._quotas.values():
                quota.wake()


class Quota:
    """What waits of one tenant.

    Attributes:
        bytes: that wait.
        standing: among the tenants.
        reading: turns of its connections.
    """

    def __init__(self, whole: Backlog) -> None:
        self.bytes = 0
        self.standing = Standing(whole.precedence)
        self.reading = ReadTurns(self.standing)
        self._whole = whole
        self._waiting: set[Callable[[], None]] = set()
        self._per_s = 0.0  # bytes answered
        self._answered = 0  # of them, since
        self._since = 0.0

    @property
    def room(self) -> int:
        """Bytes that may still be taken."""
        own = int(self._whole.max_tenant_bytes) - self.bytes
        return max(0, min(own, self._whole.room))

    @property
    def shortage(self) -> str:
        """What is short where there is no room."""
        own = self.bytes >= self._whole.max_tenant_bytes
        return "tenant_backlog" if own else "server_backlog"

    @property
    def retry_after_ms(self) -> int:
        """How long it takes until there is room again, at the rate of late."""
        needed = _FREE_AGAIN * self._whole.max_tenant_bytes
        wait = 1000.0 * needed / self._per_s if self._per_s > 0.0 else 0.0
        return round(min(max(wait, _LEAST_RETRY_MS), _MOST_RETRY_MS))

    def take(self, size: int, points: int) -> int:
        """Count a batch; return the bytes to give back for it."""
        size += _PER_BATCH
        self.bytes += size
        self.standing.resize(self.bytes)
        self._whole.bytes += size
        self._whole.points += points
        return size

    def give_back(self, size: int, points: int, now: float) -> None:
        """Count a batch as answered; `now` is monotonic seconds."""
        whole = self._whole
        self.bytes -= size
        self.standing.resize(self.bytes)
        whole.bytes -= size
        whole.points -= points
        self._answered += size
        if now - self._since >= _RATE_S:
            self._per_s = self._answered / (now - self._since)
            self._since, self._answered = now, 0
        if self._waiting and self.room >= _FREE_AGAIN * whole.max_tenant_bytes:
            self.wake()
        whole.wake_if_free()

    def call_when_free(self, ready: Callable[[], None]) -> None:
        """Call `ready` once when there is room again."""
        self._waiting.add(ready)
        self._whole.note_short()

    def forget(self, ready: Callable[[], None]) -> None:
        """Do not call it any more."""
        self._waiting.discard(ready)

    def wake(self) -> None:
        """Call everybody."""
        waiting, self._waiting = self._waiting, set()
        for ready in waiting:
            ready()
