"""A server and a key that the live tests of the Python client share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from real_server import UNLIMITED, client_of, server_on

from ncs_streamer.processes import ServerProcess


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[ServerProcess]:
    async with server_on(tmp_path_factory.mktemp("data"), *UNLIMITED) as server:
        yield server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def key(server: ServerProcess) -> str:
    """A key: of a token the server takes 100 batches a minute."""
    async with client_of(server) as client:
        made = await client.create_key("tests", ["read", "write", "admin"])
    return made.api_key
