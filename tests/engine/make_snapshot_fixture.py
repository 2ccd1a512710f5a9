"""Make tests/engine/data/snapshot_vN.bin, a snapshot that must stay readable.

    PYTHONPATH=engine python -m tests.engine.make_snapshot_fixture

Run it before the format changes: the files stand for the snapshots that are out there.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ncs_engine import Engine
from ncs_engine.snapshot import FORMAT_VERSION

DATA = Path(__file__).parent / "data"

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
    (DATA / f"snapshot_v{FORMAT_VERSION}.bin").write_bytes(taught().snapshot())
