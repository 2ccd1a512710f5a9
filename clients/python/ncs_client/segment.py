"""One file of a spool: a header, then records that prove their own place.

A file is named after the index of its first record and only ever grows at its end. Each
record carries a CRC-32 over its index, time, length and payload, so that a record that
was cut off, overwritten or moved is never taken for another one. What follows a bad
record is not read: its place cannot be trusted any more.

    header   "NCSP", version u16, zero u16, first index u64, CRC-32 of these, u32
    record   payload length u32, CRC-32 u32, time f64 (epoch seconds), payload

All numbers are little-endian. Nothing here decides what is kept or sent; see `spool`.
"""

from __future__ import annotations

import dataclasses
import os
import struct
import zlib
from pathlib import Path

from .errors import SpoolError

__all__ = ["OVERHEAD_BYTES", "Record", "Segment", "SegmentReader", "segments_in"]

_MAGIC = b"NCSP"
_VERSION = 1
_HEADER = struct.Struct("<4sHHQ")
_CRC = struct.Struct("<I")
_HEADER_BYTES = _HEADER.size + _CRC.size
_RECORD = struct.Struct("<IId")
_PROVED = struct.Struct("<QId")

OVERHEAD_BYTES = _RECORD.size + _HEADER_BYTES
"""What a record takes beside its payload, at most."""


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """A batch as it lies in the spool."""

    index: int
    """1, 2, 3 ... over the life of the spool; never given twice."""
    at: float
    """When it was appended, epoch seconds."""
    payload: bytes


@dataclasses.dataclass(slots=True)
class Segment:
    """What is known of a file without reading it again.

    Attributes:
        path: the file.
        first: index of its first record.
        count: records in it.
        size: bytes of header and records.
        first_at: time of its first record, epoch seconds.
        last_at: time of its last record.
    """

    path: Path
    first: int
    count: int = 0
    size: int = _HEADER_BYTES
    first_at: float = 0.0
    last_at: float = 0.0

    @property
    def last(self) -> int:
        """Index of its last record; one less than `first` if it is empty."""
        return self.first + self.count - 1

    @classmethod
    def create(cls, folder: Path, first: int) -> tuple[Segment, int]:
        """Return a new segment and a descriptor to append with.

        Raises:
            OSError: if the file cannot be made; no part of it is left then.
        """
        path = folder / f"{first:020d}.seg"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
        descriptor = os.open(path, flags, 0o600)
        head = _HEADER.pack(_MAGIC, _VERSION, 0, first)
        try:
            _write(descriptor, head + _CRC.pack(zlib.crc32(head)))
        except OSError:
            os.close(descriptor)
            path.unlink(missing_ok=True)
            raise
        return cls(path, first), descriptor

    def append(self, descriptor: int, at: float, payload: bytes) -> int:
        """Append a record and return its index.

        Raises:
            OSError: if it cannot be written; nothing of it counts then.
        """
        index = self.first + self.count
        crc = _crc(index, at, payload)
        record = _RECORD.pack(len(payload), crc, at) + payload
        try:
            _write(descriptor, record)
        except OSError:
            os.ftruncate(descriptor, self.size)
            raise
        if self.count == 0:
            self.first_at = at
        self.last_at = at
        self.count += 1
        self.size += len(record)
        return index

    @classmethod
    def repaired(cls, path: Path, first: int) -> Segment:
        """Read a file to the end, cut off what is torn or damaged, and make it durable.

        Raises:
            SpoolError: if a newer version wrote it.
        """
        segment = cls(path, first, size=0)
        with SegmentReader(path, first) as reader:
            while (record := reader.next()) is not None:
                if segment.count == 0:
                    segment.first_at = record.at
                segment.count += 1
                segment.last_at = record.at
            segment.size = reader.offset
            is_torn = reader.file_size > segment.size
        descriptor = os.open(path, os.O_WRONLY)
        try:
            if is_torn:
                os.ftruncate(descriptor, segment.size)
            os.fsync(descriptor)  # the process that wrote it may not have come to that
        finally:
            os.close(descriptor)
        return segment


class SegmentReader:
    """Reads the records of a file in order, also while more are appended.

    Attributes:
        path: the file.
        index: of the record that comes next.
        offset: where that begins.
    """

    def __init__(self, path: Path, first: int) -> None:
        self.path = path
        self.index = first
        self._descriptor = os.open(path, os.O_RDONLY)
        self.offset = _HEADER_BYTES if self._has_header(first) else 0

    def __enter__(self) -> SegmentReader:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    @property
    def file_size(self) -> int:
        """Bytes in the file."""
        return os.fstat(self._descriptor).st_size

    def next(self) -> Record | None:
        """Return the next record, or None if there is none or it is damaged."""
        head = self._head()
        if head is None:
            return None
        length, crc, at = head
        payload = os.pread(self._descriptor, length, self.offset + _RECORD.size)
        if len(payload) != length or _crc(self.index, at, payload) != crc:
            return None
        record = Record(self.index, at, payload)
        self._step(length)
        return record

    def seek(self, index: int) -> None:
        """Go on to `index`, as far as there are records, without their payloads."""
        while self.index < index:
            head = self._head()
            if head is None:
                return
            self._step(head[0])

    def _step(self, length: int) -> None:
        self.index += 1
        self.offset += _RECORD.size + length

    def _head(self) -> tuple[int, int, float] | None:
        if self.offset == 0:
            return None
        head = os.pread(self._descriptor, _RECORD.size, self.offset)
        if len(head) < _RECORD.size:
            return None
        length, crc, at = _RECORD.unpack(head)
        if self.offset + _RECORD.size + length > self.file_size:
            return None
        return length, crc, at

    def _has_header(self, first: int) -> bool:
        head = os.pread(self._descriptor, _HEADER_BYTES, 0)
        if len(head) < _HEADER_BYTES:
            return False
        magic, version, _, named = _HEADER.unpack_from(head)
        (crc,) = _CRC.unpack_from(head, _HEADER.size)
        if magic != _MAGIC or crc != zlib.crc32(head[: _HEADER.size]):
            return False
        if version != _VERSION:
            raise SpoolError(f"{self.path} has version {version}, not {_VERSION}")
        return bool(named == first)


def segments_in(folder: Path) -> list[Segment]:
    """Return the segments of a folder by index, repaired; files without a record go.

    Raises:
        SpoolError: if a newer version wrote one.
    """
    segments = []
    for path in sorted(folder.glob("*.seg")):
        segment = Segment.repaired(path, int(path.stem))
        if segment.count:
            segments.append(segment)
        else:
            path.unlink()
    return segments


def _crc(index: int, at: float, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(_PROVED.pack(index, len(payload), at)))


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
