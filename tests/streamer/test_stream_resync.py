"""What a stream does with what the store kept although it reported a failure."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from real_server import SECRET, wait_until

from ncs_protocol import Code, NcsError
from ncs_streamer.app import running
from ncs_streamer.elsewhere import ElsewhereError
from ncs_streamer.entry import Entry
from ncs_streamer.server import Server
from ncs_streamer.settings import load_settings
from ncs_streamer.store import StreamKey
from ncs_streamer.store.contracts import Append, FencedError, StoreError

pytestmark = pytest.mark.integration

KEY = StreamKey("acme", "s")


TEN = np.arange(20.0).reshape(10, 2)
BLOBS = np.concatenate(
    [np.random.default_rng(3).normal(n, 0.1, (2000, 2)) for n in (0, 9)]
)


async def outcome(server: Server, points: np.ndarray[Any, Any] = TEN) -> object:
    """Submit a batch of points and return what became of it."""
    entry = Entry(kind="points", ingest_ns=time.time_ns(), points=points)
    done: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    server.streams.open(*KEY).submit(entry, 100, done.set_result)
    return await done


@pytest.mark.parametrize("damaged", [False, True])
async def test_what_was_kept_is_applied_unless_it_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damaged: bool
) -> None:
    flags = {
        "environment": "production", "secret_key": SECRET, "host": "127.0.0.1",
        "port": 0, "metrics_port": "off", "data_dir": tmp_path,
    }  # fmt: skip
    settings = load_settings(flags, {}, folder=tmp_path).settings
    async with running(settings) as (server, _):
        await outcome(server)
        journal = server.store.journal
        append = journal.append

        async def keep_and_fail(entries: Sequence[Append]) -> None:
            changed = [
                one._replace(payload=one.payload[:9]) if damaged else one
                for one in entries
            ]
            await append(changed)
            raise StoreError("the disk did not answer")

        with monkeypatch.context() as patch:
            patch.setattr(journal, "append", keep_and_fail)
            refused = await outcome(server)
        assert isinstance(refused, NcsError)
        assert refused.code is Code.STORE_UNAVAILABLE
        stream = server.streams.open(*KEY)
        if damaged:
            await wait_until(lambda: stream.broken)
            with pytest.raises(NcsError, match="has failed"):
                await outcome(server)
        else:
            await wait_until(lambda: stream._durable.offset == 3)
            assert await stream.ask(lambda model: model.engine.points_learned) == 20


@pytest.mark.parametrize("idle", [False, True])
async def test_a_journal_that_was_lost_is_replaced_by_the_model(
    tmp_path: Path, idle: bool
) -> None:
    flags = {
        "environment": "production", "secret_key": SECRET, "host": "127.0.0.1",
        "port": 0, "metrics_port": "off", "data_dir": tmp_path, "store": "memory",
    }  # fmt: skip
    settings = load_settings(flags, {}, folder=tmp_path).settings
    async with running(settings) as (server, _):
        for _ in range(3):
            await outcome(server, BLOBS)
        store = server.store
        stream = server.streams.open(*KEY)
        await wait_until(lambda: stream.hub.history.kept)
        while not (told := await store.history.recent(KEY, 99)):
            await asyncio.sleep(0.01)
        await store.replace(KEY, 1, b"")  # entries 2 to 4 are gone, events too
        if idle:
            stream.compare()
        else:
            refused = await outcome(server)
            assert isinstance(refused, NcsError)
            assert refused.code is Code.STORE_UNAVAILABLE
        await wait_until(lambda: not stream._suspended)
        assert await store.journal.tail(KEY) == 4
        ((offset, snapshot),) = await store.snapshots.load(KEY)
        assert (offset, len(snapshot) > 0) == (4, True)
        assert await store.history.recent(KEY, 99) == told
        assert not isinstance(await outcome(server), NcsError)
        assert await store.journal.tail(KEY) == 5


@pytest.mark.parametrize("idle", [False, True])
async def test_what_another_owner_began_without_is_counted_as_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, idle: bool
) -> None:
    flags = {"port": 0, "metrics_port": "off", "data_dir": tmp_path, "store": "memory"}
    settings = load_settings(flags, {}, folder=tmp_path).settings
    async with running(settings) as (server, _):
        for _ in range(3):
            await outcome(server)
        store = server.store
        stream = server.streams.open(*KEY)
        lost: list[int] = []
        stream.on_fenced = lambda: lost.append(store.losses.lost)

        async def fence(*args: object) -> None:
            raise FencedError(KEY, "b", 1)

        if idle:
            await store.replace(KEY, 1, b"")
        with monkeypatch.context() as patch:
            patch.setattr(store.journal, "append", fence)
            patch.setattr(store, "replace", fence)
            if idle:
                stream.compare()
            else:
                assert isinstance(await outcome(server), ElsewhereError)
            await wait_until(lambda: lost)
        assert lost == [3]
