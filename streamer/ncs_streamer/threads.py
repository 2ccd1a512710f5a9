"""The engine threads, shared fairly between tenants.

Start-time fair queueing (Goyal, Vin and Cheng 1996) with the time that work has taken:
the tenant that has been served least is next. However much one queues, another that
comes waits for what runs already, and for nothing else. Within a tenant it is first
come, first served.

What is done in the background runs only while nothing else waits, and on half of the
threads at most; among itself it is shared by the same rule.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, ParamSpec, TypeVar

__all__ = ["FairThreads"]

P = ParamSpec("P")
T = TypeVar("T")
_Work = tuple[Future[Any], Callable[[], Any]]


class _Share(Executor):
    """What one tenant queues."""

    def __init__(self, threads: FairThreads, *, urgent: bool) -> None:
        self.urgent = urgent
        self.waiting: deque[_Work] = deque()
        self.running = 0
        self.served_s = 0.0
        self._threads = threads

    def submit(
        self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """See `Executor.submit`."""
        future: Future[T] = Future()
        self._threads.queue(self, (future, lambda: fn(*args, **kwargs)))
        return future


class FairThreads:
    """So many threads.

    Args:
        count: of threads.
        name: what they are called.
        clock: by which the time of a tenant is told.
    """

    def __init__(
        self, count: int, name: str, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._clock = clock
        self._shares: dict[tuple[str, bool], _Share] = {}
        self._ready = threading.Condition()
        # By the share that was served last, of the urgent ones and of the others.
        self._served_s = {True: 0.0, False: 0.0}
        self._most_behind = max(1, count // 2)
        self._behind = 0  # threads at work in the background
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{i}", daemon=True)
            for i in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def of(self, tenant: str) -> Executor:
        """Return the tenant's part of the threads."""
        return self._share(tenant, urgent=True)

    def behind(self, tenant: str) -> Executor:
        """Return the tenant's part of what they do in the background."""
        return self._share(tenant, urgent=False)

    def _share(self, tenant: str, *, urgent: bool) -> Executor:
        with self._ready:
            made = _Share(self, urgent=urgent)
            return self._shares.setdefault((tenant, urgent), made)

    def queue(self, share: _Share, work: _Work) -> None:
        """Let `work` be done in its turn."""
        with self._ready:
            if self._closed:
                raise RuntimeError("cannot schedule new futures after shutdown")
            if not share.waiting and not share.running:
                # Who was idle has saved nothing up.
                share.served_s = max(share.served_s, self._served_s[share.urgent])
            share.waiting.append(work)
            self._ready.notify()

    def shutdown(self) -> None:
        """Let what runs end; what waits is cancelled."""
        with self._ready:
            self._closed = True
            for share in self._shares.values():
                while share.waiting:
                    share.waiting.popleft()[0].cancel()
            self._ready.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (taken := self._take()) is not None:
            share, (future, run) = taken
            began = self._clock()
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(run())
                except BaseException as error:
                    future.set_exception(error)
            del future, run
            with self._ready:
                share.running -= 1
                self._behind -= not share.urgent
                share.served_s += self._clock() - began

    def _take(self) -> tuple[_Share, _Work] | None:
        """Return what is next, waiting for it; None at the end."""
        with self._ready:
            while True:
                if ready := self._may_run():
                    share = min(ready, key=lambda share: share.served_s)
                    share.running += 1
                    self._behind += not share.urgent
                    self._served_s[share.urgent] = share.served_s
                    return share, share.waiting.popleft()
                if self._closed:
                    return None
                self._ready.wait()

    def _may_run(self) -> list[_Share]:
        """Return the shares of which one is next."""
        ready = [share for share in self._shares.values() if share.waiting]
        urgent = [share for share in ready if share.urgent]
        return urgent if urgent or self._behind >= self._most_behind else ready
