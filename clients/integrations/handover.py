"""Handing batches of a source that can be read again to NCS, each exactly once.

A broker or a file gives the same data again to who has crashed, but cuts the batches
elsewhere. So a batch is written down with its key before it is first sent, and after a
crash that same batch is sent again before anything new: the server knows the key and
counts it once. What is written down also holds how far the source has been read.
"""

import asyncio
import logging
import os
import uuid
from pathlib import Path
from typing import Any

import orjson

from ncs_client import AsyncNCSClient, RefusedError, UnreachableError

__all__ = ["Handover", "UnfitError"]

_RETRY_S = 2.0
_UNFIT = (413, 422)  # what is wrong is in the batch
_FOR_GOOD = (400, 401, 403, 404, 405, 415)  # and here with who sends it

log = logging.getLogger(__name__)


class UnfitError(Exception):
    """The server will never take these points; the message says why."""


class Handover:
    """One batch after the other.

    Args:
        client: may hand batches to the stream; has a key of scope `write`.
        stream: name of the stream.
        file: where the batch at hand is written down; for this source and stream alone.

    Attributes:
        position: how far the source is in the model, whatever the source takes it for;
            None at the very beginning.
    """

    def __init__(self, client: AsyncNCSClient, stream: str, file: Path) -> None:
        self.position: Any = None
        self._client = client
        self._stream = stream
        self._file = file

    async def begin(self) -> None:
        """Go on where the last life has ended; send again what it had at hand."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        if not self._file.exists():
            return
        batch = orjson.loads(self._file.read_bytes())
        self.position = batch["before"]
        try:
            await self._send(batch)
        except UnfitError:
            return  # the source gives it again, and whoever reads it says so
        self.position = batch["position"]

    async def deliver(
        self,
        points: list[list[float]],
        position: Any,
        timestamps: list[float] | None = None,
    ) -> None:
        """Return once the points are in the model, however long that takes.

        Args:
            points: n lists of d numbers; none just moves the position.
            position: how far the source is read with them.
            timestamps: event time per point, epoch seconds.

        Raises:
            UnfitError: the position stays.
            RefusedError: if the server lets nobody in with this key, or the like.
        """
        batch = {
            "key": uuid.uuid4().hex,
            "points": points,
            "timestamps": timestamps,
            "before": self.position,
            "position": position,
        }
        self._write_down(batch)
        await self._send(batch)
        self.position = position

    async def _send(self, batch: dict[str, Any]) -> None:
        while batch["points"]:
            try:
                await self._client.process_points(
                    batch["points"],
                    stream=self._stream,
                    timestamps=batch["timestamps"],
                    idempotency_key=batch["key"],
                )
                return
            except UnreachableError as error:
                log.warning("%s; trying again", error)
                await asyncio.sleep(_RETRY_S)
            except RefusedError as error:
                if error.status in _UNFIT:
                    raise UnfitError(str(error)) from error
                if error.status in _FOR_GOOD:
                    raise
                log.warning("%s; trying again", error)
                await asyncio.sleep(error.retry_after_s or _RETRY_S)

    def _write_down(self, batch: dict[str, Any]) -> None:
        """Replace the file, whole or not at all, also where the power fails."""
        new = self._file.with_suffix(".new")
        with new.open("wb") as file:
            file.write(orjson.dumps(batch))
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._file)
        folder = os.open(self._file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
