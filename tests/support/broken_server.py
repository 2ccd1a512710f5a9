"""`ncs` with one defect: broken_server.py DEFECT serve ...

What `ncs verify` has to find. Each defect is one that a careless change could make.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable, Sequence
from typing import Any

from ncs_streamer.admission import Admission
from ncs_streamer.audience import Audience
from ncs_streamer.cli.main import main
from ncs_streamer.committer import Committer
from ncs_streamer.encoded import Encoded
from ncs_streamer.entry import Entry
from ncs_streamer.hub import Hub, Sight
from ncs_streamer.rest import points
from ncs_streamer.store.contracts import Append
from ncs_streamer.store.sqlite.connections import Connections
from ncs_streamer.stream_model import Applied, Mark, StreamModel


def acks_before_commit() -> None:
    """The ack goes out, and the points are learned, before the journal has them."""
    append = Committer._append

    async def early(self: Committer, group: dict[Any, list[Append]]) -> None:
        for stream in group:
            stream.committed()
        late = {Silent(stream.key): entries for stream, entries in group.items()}
        await append(self, late)

    Committer._append = early  # type: ignore[method-assign]


class Silent:
    """A stream that was told already."""

    def __init__(self, key: Any) -> None:
        self.key = key

    def committed(self) -> None:
        pass

    async def rejected(self, error: Exception) -> None:
        pass


def applies_resends() -> None:
    """A batch that is in the model already is taken for a new one."""

    def every(self: Admission, entry: Entry) -> bool:
        return True

    Admission._is_next = every  # type: ignore[method-assign]
    StreamModel._advance = _always  # type: ignore[method-assign]


def _always(model: StreamModel, entry: Entry) -> bool:
    assert entry.producer is not None
    mark = Mark(entry.producer_epoch, entry.seq)
    known = model.marks.get(entry.producer, mark)
    model.marks[entry.producer] = max(mark, known, key=lambda m: (m.epoch, m.seq))
    return True


def joins_resends() -> None:
    """Frames that come together are new if the last one is; the first may be known."""

    def lax(self: Admission, entry: Entry) -> bool:
        mark = self.marks.get(entry.producer or "")
        if mark is not None and entry.from_seq <= mark.seq < entry.seq:
            return True
        return is_next(self, entry)

    is_next = Admission._is_next
    Admission._is_next = lax  # type: ignore[method-assign]
    StreamModel._advance = _always  # type: ignore[method-assign]


def learns_resends() -> None:
    """A resend is acked as a duplicate, kept out of the journal, and learned anyway."""
    submit = Admission.admit
    again: list[Entry] = []

    def noting(self: Admission, entry: Entry) -> int | None:
        offset = submit(self, entry)
        if offset is None:
            again.append(entry)
        return offset

    def learning(self: StreamModel, offset: int, entry: Entry) -> Applied:
        while again:
            self.engine.learn(again.pop().block)
        return apply(self, offset, entry)

    apply = StreamModel.apply
    Admission.admit = noting  # type: ignore[method-assign]
    StreamModel.apply = learning  # type: ignore[method-assign]


def forgets_the_last_write() -> None:
    """What was written last before a kill is gone, as without an fsync."""
    prepare = Connections._prepare

    def shortened(self: Connections) -> sqlite3.Connection:
        connection = prepare(self)
        connection.execute(
            "DELETE FROM journal WHERE (stream, offset) IN"
            " (SELECT id, tail FROM streams WHERE tail > 1)"
        )
        connection.execute("UPDATE streams SET tail = tail - 1 WHERE tail > 1")
        return connection

    Connections._prepare = shortened  # type: ignore[method-assign]


def cannot_tell_its_model() -> None:
    """Asked for the model, it fails."""

    def lost(cluster: Any) -> Any:
        raise KeyError(cluster)

    points.cluster_out = lost


def drops_events() -> None:
    """Of the events one in 100 does not reach its readers, who are told nothing."""
    offer, count = Audience.offer, 0

    def forgetful(self: Audience, encoded: Encoded) -> None:
        nonlocal count
        count += 1
        if count % 100:
            offer(self, encoded)
        else:
            self.flush(self.told, 0.0)
            self.told[encoded.event.delivery] = encoded.event.last

    Audience.offer = forgetful  # type: ignore[method-assign]


def hides_gaps() -> None:
    """A reader that comes back is told that nothing is missing, whatever is."""
    join = Hub.join

    def pretending(
        self: Hub, request: Any, sight: Sight, *rest: Any, **more: Any
    ) -> Any:
        if request.since is not None:
            view = sight.view
            request.since.offsets = {"lossless": view.lossless, "keyed": view.keyed}
            request.since.epoch = self.epoch
        return join(self, request, sight, *rest, **more)

    Hub.join = pretending  # type: ignore[method-assign]


DEFECTS: dict[str, Callable[[], None]] = {
    defect.__name__: defect
    for defect in (
        acks_before_commit,
        applies_resends,
        joins_resends,
        learns_resends,
        forgets_the_last_write,
        cannot_tell_its_model,
        drops_events,
        hides_gaps,
    )
}


def run(words: Sequence[str]) -> int:
    """Break it and run it."""
    defect, *rest = words
    DEFECTS[defect]()
    return main(rest)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
