"""Make tests/engine/data/snapshot_v1.bin, the snapshot that must stay readable.

    PYTHONPATH=engine python -m tests.engine.make_snapshot_fixture

Run it anew for a new format version only, and under a new name: the file stands for the
snapshots that are out there.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ncs_engine import Engine

FIXTURE = Path(__file__).parent / "data" / "snapshot_v1.bin"

CENTRES = np.array(
    [[0, 0, 0], [20, 0, 0], [0, 20, 0], [0, 0, 20], [20, 20, 20]], dtype=np.float64
)


def taught() -> Engine:
    """Return an engine that has seen five blobs and a few outliers."""
    rng = np.random.default_rng(20_250_101)
    points = CENTRES[rng.integers(5, size=1000)] + rng.normal(size=(1000, 3))
    points[500::50] += 300.0
    engine = Engine()
    engine.learn(points)
    return engine


if __name__ == "__main__":
    FIXTURE.write_bytes(taught().snapshot())
