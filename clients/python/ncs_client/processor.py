"""Sends a large data set over REST, several batches at a time."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .batches import Batch, BatchResult, Combined, Run, options_of, settings
from .client import AsyncNCSClient
from .errors import RateLimitError

__all__ = ["BatchProcessor", "ProgressCallback", "progress_bar"]

ProgressCallback = Callable[[float, BatchResult], object]
"""Called after each batch that succeeded, with the share [0, 1] that is done."""

log = logging.getLogger("ncs_client")


class BatchProcessor:
    """Sends data sets in batches; each point of them counts once.

    A batch that fails does not stop the others. Being told to slow down is no failure:
    a batch waits as long as the server asks for.

    Args:
        client: what sends.
        config: `batch_size` [1000] is the most points of a batch, less if a formula of
            memory and dimensions says so, or ``"auto"`` to find the fastest size by
            measuring; `max_concurrent` [5] batches at a time, in any order if above 1;
            `retry_attempts` [3] in all; `timeout_per_batch` [30 s] for each of those;
            `memory_limit_mb` [512]; `stream`; `columns` of a table; `run_id` names the
            run, so that the same one begun anew counts only what was missing.

    Attributes:
        config: with everything that was not given.
        stats: `batches_processed`, `total_points`, `total_time` (seconds, of all
            batches added up), `failed_batches`; of all runs.

    Raises:
        TypeError: for a client that is not an `AsyncNCSClient`, or an unknown option.
        ValueError: see `settings`.
    """

    def __init__(
        self, client: AsyncNCSClient, config: Mapping[str, Any] | None = None
    ) -> None:
        if not isinstance(client, AsyncNCSClient):
            raise TypeError(
                f"client must be an AsyncNCSClient, not {type(client).__name__}"
            )
        self.client = client
        self.config = settings(config)
        self.stats: dict[str, float] = {
            "batches_processed": 0,
            "total_points": 0,
            "total_time": 0.0,
            "failed_batches": 0,
        }

    async def process_large_dataset(
        self,
        dataset: Any,
        progress_callback: ProgressCallback | None = None,
        *,
        show_progress: bool = False,
    ) -> Combined:
        """Send a data set and return what came of it.

        Args:
            dataset: a list of points, an array of shape (n, d), or a table.
            progress_callback: see `ProgressCallback`; may be asynchronous.
            show_progress: show a bar on standard error; needs the package `rich`.

        Raises:
            TypeError: if it is no data set. A list is checked batch by batch.
            ImportError: if `rich` is not there.
        """
        run = Run(dataset, self.config)
        with (
            progress_bar(run.total)
            if show_progress
            else contextlib.nullcontext() as bar
        ):
            tell = [bar, progress_callback]
            workers = [
                asyncio.create_task(self._work(run, [t for t in tell if t is not None]))
                for _ in range(self.config["max_concurrent"])
            ]
            try:
                await asyncio.gather(*workers)
            finally:
                for worker in workers:
                    worker.cancel()
                await asyncio.gather(*workers, return_exceptions=True)
        return run.combined()

    async def _work(self, run: Run, tell: list[ProgressCallback]) -> None:
        while (batch := run.next()) is not None:
            began = time.perf_counter()
            try:
                result = await self._send(batch)
            except Exception as error:
                log.warning("batch %d failed: %s", batch.id, error)
                run.fail(batch, error)
                self.stats["failed_batches"] += 1
                continue
            told = run.done(batch, result, time.perf_counter() - began)
            self.stats["batches_processed"] += 1
            self.stats["total_points"] += batch.count
            self.stats["total_time"] += told["processing_time"]
            for callback in tell:
                outcome = callback(run.progress, told)
                if inspect.isawaitable(outcome):
                    await outcome

    async def _send(self, batch: Batch) -> Any:
        options = options_of(self.config)
        while True:
            try:
                return await self.client.process_points(
                    batch.points,
                    options,
                    stream=self.config["stream"],
                    idempotency_key=batch.key,
                )
            except RateLimitError as error:
                await asyncio.sleep(error.retry_after_s or 1.0)


@contextlib.contextmanager
def progress_bar(total: int) -> Iterator[ProgressCallback]:
    """Show a bar while points are worked off; yields what tells it.

    Raises:
        ImportError: if `rich` is not there.
    """
    try:
        from rich.console import Console
        from rich.progress import Progress
    except ImportError as error:
        raise ImportError("the bar needs rich: pip install rich") from error

    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("points", total=total)
        yield lambda share, told: progress.update(task, completed=share * total)
