"""Sends a large data set from several processes at the same time."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import multiprocessing
import os
import time
from collections.abc import Mapping
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from .batches import Batch, Combined, Run, options_of, settings
from .blocking import NCSClient
from .errors import RateLimitError
from .processor import ProgressCallback
from .results import ProcessResult

__all__ = ["ParallelBatchProcessor"]

_POOLS = 4  # a pool that loses a process is made anew, so often in a row

log = logging.getLogger("ncs_client")


class ParallelBatchProcessor:
    """Sends data sets from worker processes; each point of them counts once.

    For a program that is itself the bottleneck: one process encodes and decodes some
    hundred thousand points a second. A worker that dies costs nothing: its batches are
    sent again under their keys.

    The processes are started anew ("spawn"), so a script that uses this needs
    ``if __name__ == "__main__":``.

    Args:
        api_url: as `base_url` of a client.
        api_key: an API key or a token.
        num_workers: processes; as many as the machine has cores if left out.
        config: see `BatchProcessor`; `max_concurrent` does not count.
    """

    def __init__(
        self,
        api_url: str,
        api_key: str,
        num_workers: int | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        self.api_url = api_url
        self.api_key = api_key
        self.num_workers = num_workers or os.cpu_count() or 1
        self.config = settings(config)

    async def process_with_workers(
        self, dataset: Any, progress_callback: ProgressCallback | None = None
    ) -> Combined:
        """Send a data set and return what came of it.

        Args:
            dataset: a list of points, an array of shape (n, d), or a table.
            progress_callback: see `ProgressCallback`.
        """
        run = Run(dataset, self.config)
        left = {batch.id: batch for batch in iter(run.next, None)}
        for attempt in range(_POOLS):
            try:
                await self._work_off(run, left, progress_callback)
                break
            except BrokenProcessPool as error:
                log.warning("a worker process died; %d batches are left", len(left))
                if attempt == _POOLS - 1:
                    for batch in left.values():
                        run.fail(batch, error)
        return run.combined()

    async def _work_off(
        self, run: Run, left: dict[int, Batch], tell: ProgressCallback | None
    ) -> None:
        """Send batches and take out of `left` what is done.

        Raises:
            BrokenProcessPool: if a process died; `left` has what is to be done again.
        """
        loop = asyncio.get_running_loop()
        with concurrent.futures.ProcessPoolExecutor(
            min(self.num_workers, len(left)) or 1,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_begin,
            initargs=(self.api_url, self.api_key, self.config),
        ) as pool:
            waiting = {
                loop.run_in_executor(pool, _send, batch.points, batch.key): batch
                for batch in left.values()
            }
            try:
                while waiting:
                    done, _ = await asyncio.wait(
                        waiting, return_when=asyncio.FIRST_COMPLETED
                    )
                    for future in done:
                        self._settle(run, left, waiting.pop(future), future, tell)
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    @staticmethod
    def _settle(
        run: Run,
        left: dict[int, Batch],
        batch: Batch,
        future: asyncio.Future[tuple[ProcessResult, float]],
        tell: ProgressCallback | None,
    ) -> None:
        try:
            told = run.done(batch, *future.result())
        except BrokenProcessPool:
            raise
        except Exception as error:
            log.warning("batch %d failed: %s", batch.id, error)
            run.fail(batch, error)
        else:
            if tell is not None:
                tell(run.progress, told)
        del left[batch.id]


# In the worker process

_client: NCSClient
_config: Mapping[str, Any]


def _begin(api_url: str, api_key: str, config: Mapping[str, Any]) -> None:
    global _client, _config
    _client, _config = NCSClient(api_url, api_key), config


def _send(points: Any, key: str) -> tuple[ProcessResult, float]:
    options = options_of(_config)
    began = time.perf_counter()
    while True:
        try:
            result = _client.process_points(
                points, options, stream=_config["stream"], idempotency_key=key
            )
            return result, time.perf_counter() - began
        except RateLimitError as error:
            time.sleep(error.retry_after_s or 1.0)
