"""Which number a batch has: the identity that makes a batch count once.

A record's index is its place in the spool and never changes. Its `seq` is its rank
among the records that are left after the last acknowledged one: what was dropped or
refused leaves no gap, because the server refuses gaps. The rule that keeps this safe is
the spool's: only records that were never sent are dropped, so the number of a record
that may have been sent changes in one case only, when the server refused one before it
(and with it, for the gap, all after it); and that is on disk before anything is sent
under the new numbers.

Pure arithmetic and two small files; nothing here knows records or messages.
"""

from __future__ import annotations

import errno
import os
import zlib
from pathlib import Path

import msgspec

__all__ = ["Numbering", "load", "save", "sync_folder"]

_COPIES = ("state.1", "state.2")
_VERSION = 1


class Numbering(msgspec.Struct, kw_only=True):
    """Where a producer stands, in its own spool.

    Attributes:
        owner: producer and stream that the numbers belong to.
        epoch: the producer's epoch.
        acked_index: everything up to this index is done with.
        acked_seq: the last number, in this epoch, that the server acknowledged.
        sent_segment: first index of the newest segment of which a record may have been
            sent under this epoch; 0 for none.
        gone: ranges (first, last) of indexes above `acked_index` that were dropped or
            refused, ascending, apart by at least one index.
        edition: rises with every save.
    """

    owner: str
    epoch: int
    acked_index: int = 0
    acked_seq: int = 0
    sent_segment: int = 0
    gone: list[tuple[int, int]] = msgspec.field(default_factory=list)
    edition: int = 0

    def seq_of(self, index: int) -> int:
        """Return the number of a record that is neither acknowledged nor gone."""
        return self.acked_seq + index - self.acked_index - self.gone_before(index)

    def index_of(self, seq: int) -> int:
        """Return the index of the record with this number, at least `acked_seq`."""
        index = self.acked_index + seq - self.acked_seq
        for first, last in self.gone:
            if first > index:
                break
            index += last - first + 1
        return index

    def gone_before(self, index: int) -> int:
        """Return how many between `acked_index` and `index` are gone."""
        return sum(
            min(last, index) - first + 1 for first, last in self.gone if first <= index
        )

    def skip_gone(self, index: int) -> int:
        """Return the first index from `index` on that is left."""
        index = max(index, self.acked_index + 1)
        for first, last in self.gone:
            if first <= index <= last:
                return last + 1
        return index

    def left_in(self, first: int, last: int) -> list[tuple[int, int]]:
        """Return the ranges of indexes in [first, last] that are left."""
        ranges = []
        while (first := self.skip_gone(first)) <= last:
            end = min([last, *(a - 1 for a, _ in self.gone if a > first)])
            ranges.append((first, end))
            first = end + 1
        return ranges

    def acknowledge(self, seq: int) -> None:
        """Let everything up to `seq` be done with."""
        index = self.index_of(seq)
        self.acked_index, self.acked_seq = index, seq
        self.gone = [
            (max(first, index + 1), last) for first, last in self.gone if last > index
        ]
        self._settle()

    def drop(self, first: int, last: int) -> None:
        """Let a range of indexes be gone."""
        apart = [r for r in self.gone if r[1] + 1 < first or r[0] > last + 1]
        joined = [r for r in self.gone if r not in apart]
        first = min([first, *(r[0] for r in joined)])
        last = max([last, *(r[1] for r in joined)])
        self.gone = sorted([*apart, (first, last)])
        self._settle()

    def _settle(self) -> None:
        """What is gone right after the acknowledged needs no mention any more."""
        if self.gone and self.gone[0][0] == self.acked_index + 1:
            self.acked_index = self.gone.pop(0)[1]


def save(numbering: Numbering, folder: Path) -> None:
    """Write both copies, each whole or not at all, and make them durable.

    Two, so that a damaged one costs nothing: without its numbers a spool could not
    tell what may have been sent.

    Raises:
        OSError: if the disk does not take them.
    """
    numbering.edition += 1
    body = msgspec.json.encode(numbering)
    text = b"%d %08x %s\n" % (_VERSION, zlib.crc32(body), body)
    for name in _COPIES:
        fresh = folder / f"{name}.new"
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            if os.write(descriptor, text) != len(text):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(fresh))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        fresh.replace(folder / name)
    sync_folder(folder)


def load(folder: Path) -> Numbering | None:
    """Return the newest good copy, or None if there is none."""
    found = [copy for name in _COPIES if (copy := _read(folder / name)) is not None]
    return max(found, key=lambda copy: copy.edition, default=None)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: Path) -> Numbering | None:
    try:
        version, crc, body = path.read_bytes().rstrip(b"\n").split(b" ", 2)
        if int(version) == _VERSION and int(crc, 16) == zlib.crc32(body):
            return msgspec.json.decode(body, type=Numbering)
    except (OSError, ValueError, msgspec.MsgspecError):
        pass
    return None
