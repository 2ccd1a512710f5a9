"""Every JavaScript example and block of a README runs with the SDK as published."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from node_program import SDK, SDK_NAME, run_node
from real_server import server_on

from ncs_streamer.processes import ServerProcess

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

ADDRESS = "http://127.0.0.1:8000"
EXAMPLES = sorted((SDK / "examples").glob("*.js"))
READMES = (SDK / "README.md", SDK.parents[1] / "README.md")
BLOCKS = [
    block
    for readme in READMES
    for block in re.findall(r"```js\n(.*?)```", readme.read_text(), re.DOTALL)
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[ServerProcess]:
    async with server_on(tmp_path_factory.mktemp("data")) as server:
        yield server


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
async def test_an_example_runs(
    server: ServerProcess, project: Path, example: Path
) -> None:
    program = project / "node_modules" / SDK_NAME / "examples" / example.name
    output = await run_node(program, project, NCS_URL=server.url)
    expected = {
        "high_volume": "10000 points are in the model",
        "push_and_follow": r"40 points in \d+ clusters\ncluster \d+: \d+ points around",
    }
    assert re.search(expected[example.stem], output), output


@pytest.mark.parametrize("number", range(len(BLOCKS)))
async def test_a_block_of_a_readme_runs(
    server: ServerProcess, project: Path, number: int
) -> None:
    program = project / f"block{number}.js"
    program.write_text(BLOCKS[number].replace(ADDRESS, server.url))
    assert await run_node(program, project)


async def test_there_are_blocks_and_examples_to_run() -> None:
    assert (6, 2) == (len(BLOCKS), len(EXAMPLES))
