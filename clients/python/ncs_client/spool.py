"""A bounded queue of batches on disk that survives kill -9 and power cuts.

Batches are appended to segment files, read in order, and forgotten when the server has
acknowledged them. It knows neither network nor event loop, and time is an argument.

Guarantees
  - A batch is there as a whole or not at all. What a crash has torn is cut off when the
    spool is opened; a damaged record costs the rest of its segment and nothing else.
  - An index is given once. After a restart appending begins a new segment, so what may
    have been sent and what cannot have been lie in different files.
  - Before the first record of a segment is read for sending, that is on disk
    (`Numbering.sent_segment`). Limits drop whole segments that were never read for
    sending, oldest first; what may have been sent is kept until it is acknowledged.
  - With `fsync` `always` or `interval`, only what is synced is read for sending, so
    a power cut cannot make two batches share a number. With `never` it can.
  - One process has it: the folder is locked.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from .errors import SpoolError, SpoolFullError
from .numbering import Numbering, load, save, sync_folder
from .segment import OVERHEAD_BYTES, Record, Segment, SegmentReader, segments_in
from .spool_options import SpoolOptions

__all__ = ["Spool"]

_FULL = (errno.ENOSPC, errno.EDQUOT)

Dropped = Callable[[str, int], None]
"""Called with a reason and a number of batches."""


class Spool:
    """See the module. All methods but `sync` belong to one thread.

    Args:
        folder: made if need be; its parent must be there.
        owner: names producer and stream; a spool of another owner is not opened.
        options: bounds and durability.
        epoch: of the producer, for a spool that has none yet.
        on_drop: told of every loss, in the thread that comes upon it.

    Attributes:
        on_drop: as given.
        numbers: epoch and numbers; changed by the methods here only.
        size: bytes of its files.

    Raises:
        SpoolError: if it is in use, another owner's, or cannot be read.
    """

    def __init__(
        self,
        folder: Path,
        owner: str,
        options: SpoolOptions,
        *,
        epoch: int,
        on_drop: Dropped = lambda reason, batches: None,
    ) -> None:
        self._folder = folder
        self._options = options
        self.on_drop = on_drop
        folder.mkdir(mode=0o700, exist_ok=True)
        self._lock = _lock(folder / "lock")
        try:
            known = load(folder)
            if known is not None and known.owner != owner:
                raise SpoolError(f"{folder} is the spool of {known.owner}, not {owner}")
            self._segments = segments_in(folder)
            self.numbers = known or Numbering(owner=owner, epoch=epoch)
            if known is None and self._segments:
                self.numbers.acked_index = self._segments[0].first - 1
            self.size = sum(segment.size for segment in self._segments)
            self.sent_index = self._last = self.numbers.acked_index
            self._lost: list[tuple[int, int]] = []
            self._active: int | None = None
            self._unsynced: list[int] = []
            self._has_new_name = False
            self._reader: SegmentReader | None = None
            self._take_stock()
            save(self.numbers, folder)
        except BaseException:
            os.close(self._lock)
            raise
        self._synced = self._last

    def _take_stock(self) -> None:
        """Find out what is missing, and what of the rest may have been sent."""
        numbers = self.numbers
        for segment in list(self._segments):
            if numbers.skip_gone(segment.first) > segment.last:
                self._remove(segment)
        if numbers.sent_segment and self._segments:
            starts = [s.first for s in self._segments if s.first > numbers.sent_segment]
            end = starts[0] - 1 if starts else self._segments[-1].last
            self.sent_index = max(end, numbers.acked_index)
        for segment in self._segments:
            self._miss(self._last + 1, segment.first - 1)
            self._last = max(self._last, segment.last)
        # No index is given again that a segment had which was sent and is missing now.
        known = max([numbers.sent_segment, *(last for _, last in numbers.gone)])
        self._miss(self._last + 1, known)
        self._last = max(self._last, known)

    @property
    def depth(self) -> int:
        """Batches that are neither acknowledged nor dropped."""
        numbers = self.numbers
        lost = sum(last - first + 1 for first, last in self._lost)
        left = self._last - numbers.acked_index
        return left - numbers.gone_before(self._last) - lost

    @property
    def last(self) -> int:
        """Index of the last batch."""
        return self._last

    @property
    def needs_sync(self) -> bool:
        """Whether there is something that `sync` has to make durable."""
        return self._options.fsync != "never" and self._synced < self._last

    @property
    def synced(self) -> int:
        """Index up to which everything is durable."""
        return self._synced

    @property
    def has_lost_sent(self) -> bool:
        """Whether a record is damaged that may have been sent and is not acked."""
        return bool(self._lost)

    @property
    def oldest_at(self) -> float | None:
        """When the oldest batch was appended, epoch seconds; None if there is none."""
        index = self.numbers.skip_gone(self.numbers.acked_index + 1)
        for segment in self._segments:
            if segment.first <= index <= segment.last:
                with SegmentReader(segment.path, segment.first) as reader:
                    reader.seek(index)
                    record = reader.next()
                return None if record is None else record.at
        return None

    # In

    def has_room(self, size: int) -> bool:
        """Return whether a batch of so many bytes fits without dropping anything."""
        size += OVERHEAD_BYTES
        limit = self._options.max_bytes
        return size <= limit // 2 and self.size + size <= limit

    def append(self, payload: bytes, now: float) -> int:
        """Append a batch and return its index; see `sync`.

        Raises:
            SpoolFullError: if there is no room, by `max_bytes` or on the disk.
            SpoolError: if it cannot be written for another reason.
        """
        self.expire(now)
        while True:
            try:
                return self._append(payload, now)
            except SpoolFullError:
                if self._options.overflow != "drop_oldest" or not self._drop_oldest():
                    raise

    def _append(self, payload: bytes, now: float) -> int:
        options = self._options
        size = OVERHEAD_BYTES + len(payload)
        if size > options.max_bytes // 2:
            raise SpoolError(f"a batch of {len(payload)} bytes is too large for it")
        if self.size + size > options.max_bytes:
            raise SpoolFullError(
                f"the spool has {self.size} of {options.max_bytes} bytes", disk=False
            )
        try:
            segment, descriptor = self._writable(size, now)
            before = segment.size
            self._last = segment.append(descriptor, now, payload)
        except OSError as error:
            self._roll()  # what may be torn is not appended to
            if error.errno in _FULL:
                raise SpoolFullError(f"{self._folder}: {error}", disk=True) from None
            raise SpoolError(f"{self._folder}: {error}") from error
        self.size += segment.size - before
        return self._last

    def _writable(self, size: int, now: float) -> tuple[Segment, int]:
        """Return the segment to append to, a new one if need be."""
        if self._active is not None:
            segment, age = self._segments[-1], self._options.max_age_s
            is_old = age is not None and now - segment.first_at > age / 8
            is_full = segment.size + size > self._options.segment_bytes
            if not segment.count or not (is_old or is_full):
                return segment, self._active
            self._roll()
        segment, self._active = Segment.create(self._folder, self._last + 1)
        self._segments.append(segment)
        self._has_new_name = True
        self.size += segment.size
        return segment, self._active

    def _roll(self) -> None:
        """Let the next batch begin a new segment."""
        if self._active is not None:
            self._unsynced.append(self._active)
            self._active = None
            if not self._segments[-1].count:
                self._remove(self._segments[-1])

    def sync(self) -> None:
        """Make everything appended so far durable. May run in a thread of its own.

        It alone closes files that were written, so that none is closed under it.

        Raises:
            OSError: if the disk fails; what is not synced is not sent.
        """
        # In this order: a segment that is rolled in between is seen twice, not missed.
        last, active, closing = self._last, self._active, self._unsynced[:]
        for descriptor in {*closing, *([] if active is None else [active])}:
            os.fsync(descriptor)
        if self._has_new_name:
            self._has_new_name = False
            sync_folder(self._folder)
        for descriptor in closing:
            self._unsynced.remove(descriptor)
            os.close(descriptor)
        self._synced = max(self._synced, last)

    # Out

    def read(self, after: int) -> Record | None:
        """Return the first batch after an index, or None if none may be sent yet.

        What was lost after it may have been sent stands in the way until there is a new
        epoch: it had a number, and the server refuses gaps.

        Raises:
            OSError: if it cannot be noted on disk that a segment is being sent.
        """
        while True:
            index = self.numbers.skip_gone(after + 1)
            ready = self._options.fsync == "never" or index <= self._synced
            is_lost = any(first <= index <= last for first, last in self._lost)
            if index > self._last or not ready or is_lost:
                return None
            segment = next(s for s in self._segments if s.first <= index <= s.last)
            if segment.first > self.numbers.sent_segment:
                self.numbers.sent_segment = segment.first
                save(self.numbers, self._folder)
            record = self._read(segment, index)
            if record is not None:
                self.sent_index = max(self.sent_index, index)
                return record
            self._miss(index, segment.last)

    def has_more(self, after: int) -> bool:
        """Return whether there is a batch after an index, durable or not."""
        return self.numbers.skip_gone(after + 1) <= self._last

    def sent_seq(self) -> int:
        """Return the last number that may have been sent."""
        numbers = self.numbers
        if self.sent_index <= numbers.acked_index:
            return numbers.acked_seq
        return numbers.seq_of(self.sent_index)

    def _read(self, segment: Segment, index: int) -> Record | None:
        reader = self._reader
        if reader is None or reader.path != segment.path or reader.index > index:
            self._close_reader()
            try:
                reader = self._reader = SegmentReader(segment.path, segment.first)
            except FileNotFoundError:
                return None
        reader.seek(index)
        return reader.next() if reader.index == index else None

    def _close_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    # Done

    def acknowledge(self, seq: int) -> int:
        """Forget everything up to a number; return how many batches that were."""
        before = self.depth
        if seq > self.numbers.acked_seq:
            self.numbers.acknowledge(min(seq, self.sent_seq()))
            self._forget()
        return before - self.depth

    def refuse(self, index: int) -> None:
        """Forget a batch that the server will never take; it leaves no gap.

        Raises:
            OSError: if that cannot be noted on disk; then nothing is changed.
        """
        changed = msgspec.structs.replace(self.numbers)
        changed.drop(index, index)
        save(changed, self._folder)
        self.numbers = changed
        self._forget()

    def begin_epoch(self, epoch: int, *, keep_sent: bool) -> None:
        """Number what is left from 1 under a new epoch.

        Args:
            epoch: higher than any that the server knows of this producer.
            keep_sent: whether what may have been sent under the old one is kept;
                otherwise it is dropped, because it might count twice.

        Raises:
            OSError: if that cannot be noted on disk; then nothing is changed.
        """
        fresh = msgspec.structs.replace(self.numbers)
        lost, uncertain = sum(b - a + 1 for a, b in self._lost), 0
        for first, last in self._lost:
            fresh.drop(first, last)
        if not keep_sent and self.sent_index > fresh.acked_index:
            uncertain = fresh.seq_of(self.sent_index) - fresh.acked_seq
            fresh.drop(fresh.acked_index + 1, self.sent_index)
        fresh.epoch, fresh.acked_seq, fresh.sent_segment = epoch, 0, 0
        save(fresh, self._folder)
        self.numbers = fresh
        self.sent_index, self._lost = fresh.acked_index, []
        self._roll()
        self._forget()
        for reason, batches in (("damaged", lost), ("uncertain", uncertain)):
            if batches:
                self.on_drop(reason, batches)

    def expire(self, now: float) -> None:
        """Drop what is older than `max_age_s` and was never sent."""
        age = self._options.max_age_s
        while age is not None and (oldest := self._droppable()) is not None:
            if oldest.last_at >= now - age:
                break
            self._drop(oldest, "age")

    def close(self) -> None:
        """Make all durable and let go of the folder."""
        self._roll()
        with contextlib.suppress(OSError):
            self.sync()
            save(self.numbers, self._folder)
        for descriptor in self._unsynced:
            os.close(descriptor)
        self._close_reader()
        os.close(self._lock)

    def _drop_oldest(self) -> bool:
        oldest = self._droppable()
        if oldest is not None:
            self._drop(oldest, "overflow")
        return oldest is not None

    def _droppable(self) -> Segment | None:
        sent = self.numbers.sent_segment
        return next((s for s in self._segments if s.first > sent and s.count), None)

    def _drop(self, segment: Segment, reason: str) -> None:
        """Drop a segment that was never sent."""
        before = self.depth
        self.numbers.drop(segment.first, segment.last)
        self._remove_noted([segment])
        self.on_drop(reason, before - self.depth)

    def _remove_noted(self, segments: list[Segment]) -> None:
        """Note on disk that nothing of some segments is left, and delete them.

        A full disk may not take the note; then deleting them makes room, and should the
        process end before the next note, what is missing is taken for damage: that
        costs a new epoch, no batch.
        """
        with contextlib.suppress(OSError):
            save(self.numbers, self._folder)
        for segment in segments:
            self._remove(segment)

    def _remove(self, segment: Segment) -> None:
        if segment is self._segments[-1]:
            self._roll()
        self._segments.remove(segment)
        self.size -= segment.size
        segment.path.unlink(missing_ok=True)

    def _forget(self) -> None:
        """Delete the segments of which nothing is left, but for the active one."""
        numbers = self.numbers
        active = self._segments[-1] if self._active is not None else None
        self._lost = [r for r in self._lost if r[1] > numbers.acked_index]
        self.sent_index = max(self.sent_index, numbers.acked_index)
        done = [
            s
            for s in self._segments
            if s is not active and numbers.skip_gone(s.first) > s.last
        ]
        if done:
            self._remove_noted(done)

    def _miss(self, first: int, last: int) -> None:
        """Take note that records are damaged or their file is missing."""
        sent = self.sent_index
        self._lost += self.numbers.left_in(first, min(last, sent))
        for start, end in self.numbers.left_in(max(first, sent + 1), last):
            self.numbers.drop(start, end)
            self.on_drop("damaged", end - start + 1)


def _lock(path: Path) -> int:
    """Lock a file for this process; the lock goes with the descriptor."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise SpoolError(f"{path.parent} is in use by another process") from error
    return descriptor
