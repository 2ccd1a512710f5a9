"""The notebook and the pipeline run as they are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from integration_program import INTEGRATIONS
from real_server import server_on

pytestmark = pytest.mark.integration


def run(name: str, folder: Path, **env: str) -> str:
    found = subprocess.run(
        [sys.executable, INTEGRATIONS / name],
        cwd=folder,
        env={**os.environ, "MPLBACKEND": "agg", **env},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert found.returncode == 0, found.stderr
    return found.stdout


async def test_the_notebook_draws_the_clusters(tmp_path: Path) -> None:
    async with server_on(tmp_path / "data") as server:
        said = run("plot_clusters.py", tmp_path, NCS_URL=server.url)
    assert "3 clusters, " in said
    assert "cluster 0 created\n" in said
    assert "drift, " in said
    picture = pixels(tmp_path / "clusters.png")
    height, width, _ = picture.shape
    assert min(height, width) > 500
    for colour in ((0x1F, 0x77, 0xB4), (0xFF, 0x7F, 0x0E)):  # of clusters 0 and 1
        assert (np.abs(picture[:, :, :3] - colour).sum(axis=2) < 30).sum() > 500


def pixels(path: Path) -> np.ndarray:
    """Return int (height, width, 4) of a PNG file with filters of all kinds."""
    import matplotlib.image

    return (255 * matplotlib.image.imread(path)).astype(int)


def test_its_cells_are_marked_for_notebooks() -> None:
    lines = (INTEGRATIONS / "plot_clusters.py").read_text().splitlines()
    cells = [line for line in lines if line.startswith("# %%")]
    assert cells.count("# %%") >= 4
    assert cells.count("# %% [markdown]") >= 3


def test_the_pipeline_finds_the_regimes(tmp_path: Path) -> None:
    said = run("river_pipeline.py", tmp_path).splitlines()
    assert [line.partition(":")[0] for line in said] == ["idle", "at work", "hot"]
    assert len({line.partition(":")[2] for line in said}) == 3
    assert all(": cluster " in line and "-1" not in line for line in said)
