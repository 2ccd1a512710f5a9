"""Make tests/streamer/data/*_vN.bin: entries and a snapshot that must stay readable.

    PYTHONPATH=streamer:engine:protocol python -m tests.streamer.make_format_fixtures

Run it before a format changes: the files stand for the journals that are out there. Of
the journal, each entry follows its length (4 bytes, big-endian).
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from ncs_engine import EngineParams
from ncs_streamer.entry import Entry, encode_entry
from ncs_streamer.stream_model import StreamModel

DATA = Path(__file__).parent / "data"
_LENGTH = struct.Struct(">I")


def history() -> list[Entry]:
    """Return a stream's entries: one of every kind and with every field."""
    rng = np.random.default_rng(20_261_101)
    blobs = rng.integers(3, size=(6, 50, 1)) * 10.0 + rng.normal(size=(6, 50, 2))
    params = EngineParams(max_clusters=7).as_dict()
    entries = [Entry(kind="begin", ingest_ns=1, epoch="e1", params=params)]
    for number, points in enumerate(blobs, 1):
        entry = Entry(
            kind="points",
            ingest_ns=number * 10**9,
            producer="gateway",
            producer_epoch=2,
            seq=number,
            points=points.astype("f4" if number % 2 else "f8"),
            metadata={"site": "north"},
        )
        entries.append(entry)
    entries.append(Entry(kind="reset", ingest_ns=7 * 10**9))
    changes = {"base_threshold": 0.8}
    entries.append(Entry(kind="configure", ingest_ns=8 * 10**9, params=changes))
    plain = Entry(
        kind="points",
        ingest_ns=9 * 10**9,
        points=blobs[0],
        timestamps=[*range(50)],
        event_time=5,
    )
    return [*entries, plain]


def framed(payloads: list[bytes]) -> bytes:
    """Return the payloads, each behind its length."""
    return b"".join(_LENGTH.pack(len(payload)) + payload for payload in payloads)


def unframed(data: bytes) -> list[bytes]:
    """Return the payloads that `framed` was given."""
    payloads = []
    while data:
        (length,) = _LENGTH.unpack_from(data)
        payloads.append(data[4 : 4 + length])
        data = data[4 + length :]
    return payloads


def main() -> None:
    """Write the files of the formats in force."""
    model = StreamModel("s", "", EngineParams())
    entries = history()
    payloads = [encode_entry(entry) for entry in entries]
    for offset, entry in enumerate(entries, 1):
        model.apply(offset, entry)
    snapshot = model.snapshot()
    (DATA / f"journal_v{payloads[0][0]}.bin").write_bytes(framed(payloads))
    (DATA / f"snapshot_v{snapshot[0]}.bin").write_bytes(snapshot)


if __name__ == "__main__":
    main()
