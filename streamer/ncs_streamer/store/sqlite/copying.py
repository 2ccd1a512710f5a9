"""Copying one stream into a store of its own, with all that there is of it."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from ..contracts import StoreError, StreamKey
from .schema import SCHEMA, SCHEMA_VERSION

__all__ = ["copy_file"]


def copy_file(source: Path, key: StreamKey, target: Path) -> None:
    """Write `target`, a new store with the journal, snapshots and events of a stream.

    Blocks until it is on disk. Nobody may write to `source` meanwhile.

    Raises:
        StoreError: if it cannot be read or written; names the file.
    """
    try:
        target.parent.mkdir(parents=True)
        target.touch(mode=0o600)
        with contextlib.closing(sqlite3.connect(target, isolation_level=None)) as copy:
            copy.execute("PRAGMA synchronous=FULL")
            copy.execute("ATTACH ? AS source", (str(source),))
            copy.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version={SCHEMA_VERSION};")
            copy.execute(
                "INSERT INTO main.streams SELECT * FROM source.streams"
                " WHERE tenant=? AND stream=?",
                key,
            )
            for table in ("journal", "snapshots", "events"):
                copy.execute(
                    f"INSERT INTO main.{table} SELECT * FROM source.{table}"  # noqa: S608 - constants
                    " WHERE stream IN (SELECT id FROM main.streams)"
                )
            copy.execute("COMMIT")
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"{target}: the stream cannot be copied: {error}") from None
