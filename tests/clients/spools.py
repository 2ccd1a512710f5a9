"""Spools for tests: made, left behind as by kill -9, damaged, read to the end."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ncs_client import SpoolOptions
from ncs_client.spool import Spool

__all__ = ["OWNER", "abandon", "opened", "options", "rest_of"]

OWNER = "p/s"


def options(**changes: Any) -> SpoolOptions:
    """Return options with small segments; nothing is lost by not syncing in a test."""
    return SpoolOptions(
        **{"segment_bytes": 200, "max_bytes": 100_000, "fsync": "never", **changes}
    )


def opened(
    folder: Path, drops: list[Any] | None = None, epoch: int = 7, **changes: Any
) -> Spool:
    """Return a spool on a folder."""
    told = [] if drops is None else drops
    return Spool(
        folder,
        OWNER,
        options(**changes),
        epoch=epoch,
        on_drop=lambda reason, batches: told.append((reason, batches)),
    )


def abandon(spool: Spool) -> None:
    """Let go of the files as a process does that is killed."""
    for descriptor in (spool._active, *spool._unsynced, spool._lock):
        if descriptor is not None:
            os.close(descriptor)
    spool._close_reader()


def rest_of(spool: Spool) -> list[bytes]:
    """Return all batches that may be sent, beginning new epochs where it takes one."""
    found, after = [], 0
    while True:
        record = spool.read(after)
        if record is not None:
            found.append(record.payload)
            after = record.index
        elif spool.has_lost_sent:
            spool.begin_epoch(spool.numbers.epoch + 1, keep_sent=True)
        else:
            return found
