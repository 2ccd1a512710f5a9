"""A server that starts, or that is about to stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer

from ncs_streamer.app import make_app, running
from ncs_streamer.server import Server
from ncs_streamer.store import Append, SqliteStore, StreamKey

from .client import UNAVAILABLE, Api, client_of, wait_until
from .conftest import SettingsOf

pytestmark = pytest.mark.integration


class HeldStore(SqliteStore):
    """Does not say which streams there are until it is let go."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.let_go = asyncio.Event()

    async def streams(self) -> list[StreamKey]:
        await self.let_go.wait()
        return await super().streams()


@pytest.fixture
async def starting(settings_of: SettingsOf) -> AsyncIterator[Api]:
    """A server that is bringing a stream of three points back."""
    settings = settings_of(store="sqlite")
    async with running(settings) as (server, port), client_of(server, port) as api:
        await api.process([[1.0], [2.0], [3.0]])
    server = Server(settings, HeldStore(settings.data_dir / "ncs.db"))
    async with TestServer(make_app(server)) as http:
        assert http.port is not None
        started = asyncio.create_task(server.start())
        async with client_of(server, http.port) as api:
            yield api
            let_go(api)
            await started
        await server.stop()


def let_go(api: Api) -> None:
    assert isinstance(api.server.store, HeldStore)
    api.server.store.let_go.set()


async def test_health_says_so_while_the_server_starts(starting: Api) -> None:
    answer = await starting.get("/health", credential=None)
    assert answer.status == 200
    assert answer.json["status"] == "starting"
    assert answer.json["algorithm_ready"] is False


async def test_a_server_that_starts_is_alive_but_not_ready(starting: Api) -> None:
    assert (await starting.get("/livez")).status == 200
    ready = await starting.get("/readyz")
    assert (ready.status, ready.json["status"]) == (503, "starting")


@pytest.mark.parametrize(
    "path",
    ["/api/v1/algorithm_status", "/api/v1/clusters_summary", "/api/v1/streams"],
)
async def test_nothing_is_read_while_the_server_starts(
    starting: Api, path: str
) -> None:
    answer = await starting.get(path)
    assert answer.status == 503
    assert answer.json["detail"] == UNAVAILABLE


async def test_no_points_are_taken_while_the_server_starts(starting: Api) -> None:
    answer = await starting.process([[1.0]])
    assert answer.status == 503
    assert answer.json["detail"] == UNAVAILABLE
    assert int(answer.headers["Retry-After"]) >= 1


async def test_the_documents_can_be_read_while_the_server_starts(
    starting: Api,
) -> None:
    assert (await starting.get("/openapi.json", credential=None)).status == 200


async def test_after_the_start_everything_is_there_again(starting: Api) -> None:
    assert (await starting.get("/readyz")).status == 503
    let_go(starting)
    await wait_until(lambda: starting.server.ready)
    assert (await starting.get("/health")).json["status"] == "healthy"
    assert await starting.total() == 3


class Leaving:
    """A server that is told to stop while a batch waits for the journal."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.journal = asyncio.Event()
        self._append = api.server.store.journal.append
        self._held = asyncio.Event()

    async def append(self, entries: Sequence[Append]) -> None:
        self._held.set()
        await self.journal.wait()
        await self._append(entries)

    async def begin(self) -> None:
        self.in_flight = asyncio.create_task(self.api.process([[1.0]]))
        await self._held.wait()


@pytest.fixture
async def leaving(
    settings_of: SettingsOf, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Leaving]:
    leave = asyncio.Event()
    up: asyncio.Future[tuple[Server, int]] = asyncio.get_running_loop().create_future()

    async def live() -> None:
        async with running(settings_of()) as server_and_port:
            up.set_result(server_and_port)
            await leave.wait()

    life = asyncio.create_task(live())
    server, port = await up
    async with client_of(server, port) as api:
        leaving = Leaving(api)
        monkeypatch.setattr(server.store.journal, "append", leaving.append)
        await leaving.begin()
        leave.set()
        await wait_until(lambda: server.draining)
        yield leaving
        leaving.journal.set()
        await leaving.in_flight
    await life


async def test_health_says_so_before_the_server_stops(leaving: Leaving) -> None:
    health = await leaving.api.get("/health", credential=None)
    ready = await leaving.api.get("/readyz", credential=None)
    assert (health.status, health.json["status"]) == (200, "draining")
    assert (ready.status, ready.json["status"]) == (503, "draining")


async def test_no_points_are_taken_before_the_server_stops(leaving: Leaving) -> None:
    answer = await leaving.api.process([[1.0]])
    assert answer.said == (503, {"detail": UNAVAILABLE, "error_code": "DRAINING"})
    assert "Retry-After" in answer.headers


async def test_what_was_in_flight_is_still_answered(leaving: Leaving) -> None:
    leaving.journal.set()
    answer = await leaving.in_flight
    assert (answer.status, answer.json["points_processed"]) == (200, 1)
