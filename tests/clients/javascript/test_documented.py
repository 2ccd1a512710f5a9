"""The use that the guides show, as it stands there: only address and key are put in."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from node_program import NODE, run_node
from real_server import client_of, server_on

from ncs_streamer.processes import ServerProcess

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

GUIDES = Path(__file__).parent / "documented"


@pytest_asyncio.fixture(loop_scope="module")
async def server(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    async with server_on(tmp_path) as server:
        yield server


async def said(project: Path, server: ServerProcess, guide: str) -> dict[str, Any]:
    """Run a guide in a project that has the package; return its last line."""
    async with client_of(server) as client:
        key = await client.create_key("guide", ("read", "write", "admin"))
    text = (GUIDES / f"{guide}.js").read_text()
    text = text.replace("http://localhost:8000", server.url)
    program = project / f"{guide}.js"
    program.write_text(text.replace("your-api-key", key.api_key))
    output = await run_node(program, project)
    return dict(json.loads(output.splitlines()[-1]))


async def test_the_class_for_high_volumes(project: Path, server: ServerProcess) -> None:
    told = await said(project, server, "stream_processor")
    async with client_of(server) as client:
        status = await client.get_algorithm_status()
    assert 10_001 == status.total_points_processed
    assert len(told["clusters"]) >= 3
    assert {"algorithm_status", "cluster_update"} <= {*told["seen"]}
    assert ([], True) == (told["errors"], told["closed"])
    assert 0 < told["quality"] <= 1


async def test_requests(project: Path, server: ServerProcess) -> None:
    assert {
        "status": "healthy",
        "ready": True,
        "uptime": True,
        "outliers": 0,
        "quality": True,
        "threshold": True,
        "processed": [3, 0],
        "refused": "ragged_points",
    } == await said(project, server, "requests")


async def test_a_severe_drift_is_told_and_the_algorithm_reset(
    project: Path, server: ServerProcess
) -> None:
    told = await said(project, server, "drift")
    assert ("high", True) == (told["severity"], told["affected"])
    assert told["recommendation"]


async def test_every_guide_is_run() -> None:
    assert {"drift", "requests", "stream_processor"} == {
        path.stem for path in GUIDES.iterdir()
    }
    assert NODE.exists()
