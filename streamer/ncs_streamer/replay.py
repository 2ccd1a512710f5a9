"""Replaying a stream's journal, and checking that it gives what it gave before.

It does no I/O: recovery, `ncs replay` and the restoring of snapshots feed it entries.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterable

from .entry import Entry, decode_entry
from .sealed import DamagedError
from .state_hash import Checkpoint
from .store.contracts import DamageError, StreamKey
from .stream_model import Applied, StreamModel

__all__ = ["Divergence", "Replay"]

_RECENT = 65_536
"""Hashes remembered: an entry is checked if no more than that were in flight with it.
Some 6 MB, for as long as the replay lasts."""

_ADVICE = (
    "Put the data folder's backup back, or set the stream back to before it: stop the"
    " server and run `ncs snapshot restore --tenant {tenant} --stream {stream}"
    " --offset {before}`, which keeps what it removes in a folder of its own"
)

_COVERED = (
    "Nothing is lost and nothing has to be set back: the snapshot at offset {saved} is"
    " newer and good, a server begins there, and deletes this part of the journal when"
    " two newer ones are kept. What comes after it: `ncs replay --tenant {tenant}"
    " --stream {stream} --from {next}`"
)


@dataclasses.dataclass(frozen=True, slots=True)
class Divergence:
    """The first offset at which a replay came to something else than the first run."""

    journal: Checkpoint
    """What the journal says."""
    replay: Checkpoint
    """What the replay has come to, at the same offset."""

    @property
    def is_expected(self) -> bool:
        """Whether another engine had written the journal, as after an upgrade."""
        return self.journal.engine != self.replay.engine


class Replay:
    """A model on its way through a journal.

    Args:
        model: where it begins; belongs to the replay.
        key: of the stream, for errors.
        place: where the store is, for errors.
        saved: offset of the newest good snapshot: damage up to it harms nobody.

    Attributes:
        model: where it is.
        entries: replayed.
        points: learned.
        journal_bytes: of the entries replayed.
        checked: entries that told a hash which was known here.
        divergences: at most one per epoch, in order.
        diverged: whether the present epoch is among them.
    """

    def __init__(
        self, model: StreamModel, key: StreamKey, place: str, *, saved: int = 0
    ) -> None:
        self.model = model
        self.entries = self.points = self.journal_bytes = self.checked = 0
        self.divergences: list[Divergence] = []
        self.diverged = False
        self._key = key
        self._place = place
        self._saved = saved
        self._recent = deque([model.checkpoint], _RECENT)

    def run(self, payloads: Iterable[tuple[int, bytes]]) -> list[Applied]:
        """Replay entries, in order; return what each did.

        Raises:
            DamageError: if one is missing or damaged; those before it are in the model.
        """
        return [self.step(offset, payload)[1] for offset, payload in payloads]

    def step(self, offset: int, payload: bytes) -> tuple[Entry, Applied]:
        """Replay one entry; return it and what it did.

        Raises:
            DamageError: if it is not the next one, is damaged, or the engine fails on
                it; the model is of no use then.
        """
        if offset != self.model.offset + 1:
            raise self.missing("it is not there")
        try:
            entry = decode_entry(payload)
        except DamagedError as error:
            raise self._damage("journal_entry_damaged", offset, str(error)) from None
        if entry.kind == "begin":
            self.diverged = False  # an epoch vouches for itself alone
        if entry.applied is not None:
            self.check(entry.applied)
        try:
            applied = self.model.apply(offset, entry)
        except Exception as error:  # whatever it is, it is this stream's alone
            what = f"the engine fails on it: {error!r}"
            raise self._damage("replay_failed", offset, what) from error
        self._recent.append(self.model.checkpoint)
        self.entries += 1
        self.points += applied.accepted
        self.journal_bytes += len(payload)
        return entry, applied

    def missing(self, what: str) -> DamageError:
        """Return the error that the next entry is not there."""
        return self._damage("journal_entry_missing", self.model.offset + 1, what)

    def check(self, told: Checkpoint) -> None:
        """Compare a hash with that of the replay at its offset, if it still knows."""
        index = told.offset - self._recent[0].offset
        if not 0 <= index < len(self._recent):
            return
        found = self._recent[index]
        if found.since != told.since:
            return  # hashes that began elsewhere do not compare
        self.checked += 1
        if found.hash != told.hash and not self.diverged:
            self.diverged = True
            self.divergences.append(Divergence(told, found))

    def _damage(self, code: str, offset: int, what: str) -> DamageError:
        advice = (_ADVICE if offset > self._saved else _COVERED).format(
            **self._key._asdict(),
            before=self.model.offset,
            saved=self._saved,
            next=self._saved + 1,
        )
        return DamageError(code, self._key, offset, self._place, what, advice)
