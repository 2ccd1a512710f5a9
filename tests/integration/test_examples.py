"""Every example, and every Python block of the READMEs, runs against a real server."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from real_server import server_on

from ncs_streamer.processes import ServerProcess

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "clients" / "python" / "examples").glob("*.py"))
READMES = ("README.md", "clients/python/README.md", "engine/README.md")
BLOCKS = [
    (name, number, block)
    for name in READMES
    for number, block in enumerate(
        re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(), re.DOTALL)
    )
]
ADDRESS = "http://127.0.0.1:8000"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[ServerProcess]:
    async with server_on(tmp_path_factory.mktemp("data")) as server:
        yield server


async def run(program: list[str], url: str, folder: Path) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *program,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=folder,
        env={**os.environ, "NCS_URL": url},
    )
    async with asyncio.timeout(60):
        output, _ = await process.communicate()
    assert 0 == process.returncode, output.decode()
    return output.decode()


async def test_there_are_examples_and_blocks_to_run() -> None:
    assert 7 == len(EXAMPLES)
    assert {name for name, *_ in BLOCKS} == set(READMES)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
async def test_an_example_runs(
    server: ServerProcess, example: Path, tmp_path: Path
) -> None:
    output = await run([str(example)], server.url, tmp_path)
    expected = {
        "basic_usage": "[10.0, 20.0, 30.0] -> cluster 1",
        "gateway_example": "all 50 batches are in the model",
        "streaming_example": "3 clusters:",
        "batch_processing": "20000 points, 8 clusters",
        "callbacks_example": "60 points are in the model",
        "service_example": "order-4, again: True",
        "tuning_example": "best of the grid: {'base_threshold'",
    }
    assert expected[example.stem] in output


@pytest.mark.parametrize(
    ("name", "number", "block"), BLOCKS, ids=[f"{name} {n}" for name, n, _ in BLOCKS]
)
async def test_a_block_of_a_readme_runs(
    server: ServerProcess, name: str, number: int, block: str, tmp_path: Path
) -> None:
    program = tmp_path / "block.py"
    program.write_text(block.replace(ADDRESS, server.url))
    assert await run([str(program)], server.url, tmp_path)
