"""When a running server saves models, and what a restart then finds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from real_server import SECRET, wait_until

from ncs_streamer.app import running
from ncs_streamer.entry import Entry
from ncs_streamer.server import Server
from ncs_streamer.settings import load_settings
from ncs_streamer.store import StreamKey

pytestmark = pytest.mark.integration

KEY = StreamKey("acme", "s")
NEVER: dict[str, Any] = {
    "snapshot_points": 10**9,
    "snapshot_interval_s": 1e9,
    "snapshot_journal_mb": 1e9,
}


def server_with(folder: Path, **flags: Any) -> Any:
    usual = {
        "environment": "production", "secret_key": SECRET, "host": "127.0.0.1",
        "port": 0, "metrics_port": "off", "data_dir": folder,
        "status_interval_s": 0.02,
    }  # fmt: skip
    settings = load_settings(usual | NEVER | flags, {}, folder=folder).settings
    return running(settings)


async def send(server: Server, batches: int = 1) -> None:
    """Let batches of ten points be applied, one after the other."""
    stream = server.streams.open(*KEY)
    for _ in range(batches):
        points = np.random.default_rng(0).normal(size=(10, 2))
        entry = Entry(kind="points", ingest_ns=1, points=points)
        done: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        stream.submit(entry, 100, done.set_result)
        await done


async def offsets(server: Server) -> list[int]:
    return await server.store.snapshots.offsets(KEY)


async def saved(server: Server, count: int = 1) -> list[int]:
    """Wait until so many snapshots are there; return their offsets."""
    async with asyncio.timeout(10):
        while len(found := await offsets(server)) < count:
            await asyncio.sleep(0.01)
    return found


@pytest.fixture
async def patient(tmp_path: Path) -> AsyncIterator[Server]:
    """A server that saves nothing while it runs."""
    async with server_with(tmp_path) as (server, _):
        yield server


async def test_nothing_is_saved_before_it_is_due(patient: Server) -> None:
    await send(patient, 5)
    await asyncio.sleep(0.1)  # five rounds of the timer
    assert await offsets(patient) == []


@pytest.mark.parametrize(
    "limit",
    [
        {"snapshot_points": 25},
        {"snapshot_interval_s": 0.05},
        {"snapshot_journal_mb": 0.0006},
    ],
    ids=lambda limit: next(iter(limit)),
)
async def test_the_model_is_saved_when_a_limit_is_reached(
    tmp_path: Path, limit: dict[str, Any]
) -> None:
    async with server_with(tmp_path, **limit) as (server, _):
        await send(server, 3)
        (offset,) = await saved(server)
        assert 2 <= offset <= 4


async def test_two_are_kept_and_the_journal_from_the_older_one_on(
    tmp_path: Path,
) -> None:
    async with server_with(tmp_path, snapshot_points=10) as (server, _):
        for batch in range(1, 6):
            await send(server)
            await wait_until(lambda b=batch: saves(server) == b)  # type: ignore[misc]
        newer, older = await offsets(server)
        journal = await server.store.journal.read(KEY, 0, 99)
        assert (newer, older) == (6, 5)
        assert [offset for offset, _ in journal] == [6]


def saves(server: Server) -> float:
    value = server.metrics.registry.get_sample_value(
        "ncs_snapshots_total", {"outcome": "saved"}
    )
    return value or 0.0


async def test_what_a_restart_replayed_counts_as_not_saved(tmp_path: Path) -> None:
    async with server_with(tmp_path) as (server, _):
        await send(server, 3)
        (tmp_path / "left").mkdir()  # as it is on disk, not closed
        for file in ("ncs.db", "ncs.db-wal"):
            (tmp_path / "left" / file).write_bytes((tmp_path / file).read_bytes())
    async with server_with(tmp_path / "left", snapshot_points=35) as (server, _):
        await send(server)  # with the thirty that were replayed it is enough
        assert await saved(server) == [5]
