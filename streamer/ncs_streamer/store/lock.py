"""One server per data folder: two would each believe that the streams are theirs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

from .contracts import StoreError

try:
    import fcntl
except ImportError:  # Windows: the second server fails on the port instead
    fcntl = None  # type: ignore[assignment]

__all__ = ["lock_folder"]


def lock_folder(folder: Path) -> IO[str]:
    """Take the folder for this process until the returned file is closed.

    Raises:
        StoreError: if another process has it, or it cannot be written.
    """
    path = folder / "server.lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
        try:
            _take(file)
        except OSError:
            file.close()
            raise
    except BlockingIOError:
        owner = path.read_text().strip() or "?"
        raise StoreError(
            f"{folder} is in use by another server (process {owner}); stop it, or"
            " choose another folder with --data-dir"
        ) from None
    except OSError as error:
        raise StoreError(f"data_dir cannot be used: {error}") from None
    return file


def _take(file: IO[str]) -> None:
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    file.seek(0)
    file.truncate()
    file.write(f"{os.getpid()}\n")
    file.flush()
