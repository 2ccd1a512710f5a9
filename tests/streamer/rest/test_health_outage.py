"""A server whose store fails, and that finds by itself when it works again."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections import Counter
from collections.abc import Iterator

import pytest

from .client import UNAVAILABLE, Api, wait_until
from .conftest import Start

pytestmark = pytest.mark.integration


@contextlib.contextmanager
def outage(api: Api, *tables: str) -> Iterator[None]:
    """Take tables away from the server; by default those that it writes points to."""
    path = api.server.settings.data_dir / "ncs.db"
    tables = tables or ("journal", "checks")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for table in tables:
            connection.execute(f"ALTER TABLE {table} RENAME TO {table}_gone")
        try:
            yield
        finally:
            for table in tables:
                connection.execute(f"ALTER TABLE {table}_gone RENAME TO {table}")


@pytest.fixture
async def durable(start: Start) -> Api:
    """A server with SQLite and one point."""
    api = await start(store="sqlite", drain_timeout_s=0.05)
    await api.process([[1.0]])
    return api


async def test_points_are_refused_while_the_journal_cannot_be_written(
    durable: Api,
) -> None:
    with outage(durable):
        answer = await durable.process([[2.0]])
    expected = {"detail": UNAVAILABLE, "error_code": "STORE_UNAVAILABLE"}
    assert answer.said == (503, expected)
    assert answer.headers["Retry-After"] == "1"


@pytest.mark.security
async def test_a_refusal_does_not_tell_where_the_store_is(durable: Api) -> None:
    with outage(durable):
        answer = await durable.process([[2.0]])
    assert str(durable.server.settings.data_dir).encode() not in answer.body
    assert b"journal" not in answer.body


async def test_refused_points_are_not_counted(durable: Api) -> None:
    with outage(durable):
        for _ in range(3):
            await durable.process([[2.0]])
        assert await durable.total() == 1


async def test_refused_points_make_no_stream(durable: Api) -> None:
    with outage(durable):
        await durable.process([[2.0]], stream="new")
        assert (await durable.get("/api/v1/streams")).json == ["default"]


async def test_the_server_is_unhealthy_and_not_ready_meanwhile(durable: Api) -> None:
    with outage(durable):
        await durable.process([[2.0]])
        health, ready = await durable.get("/health"), await durable.get("/readyz")
        alive = await durable.get("/livez")
    assert (health.status, health.json["status"]) == (503, "unhealthy")
    assert health.json["components"]["database"]["status"] == "unhealthy"
    assert (ready.status, ready.json["status"]) == (503, "unhealthy")
    assert alive.status == 200


async def test_what_is_there_can_be_read_meanwhile(durable: Api) -> None:
    with outage(durable):
        await durable.process([[2.0]])
        answer = await durable.get("/api/v1/clusters_summary")
    assert answer.status == 200
    assert len(answer.json) == 1


async def test_the_server_recovers_without_a_restart(durable: Api) -> None:
    with outage(durable):
        await durable.process([[2.0]])
    await wait_until(lambda: durable.server.ready)

    async def takes_points() -> bool:
        return (await durable.process([[3.0]])).status == 200

    await wait_until(takes_points)
    assert (await durable.get("/health")).json["status"] == "healthy"
    assert await durable.total() == 2


async def test_exactly_the_acknowledged_points_count(durable: Api) -> None:
    answers: Counter[int] = Counter()
    key, _ = await durable.key()

    async def send() -> None:
        for _ in range(10):
            answers[(await durable.process([[2.0]], credential=key)).status] += 1

    senders = [asyncio.create_task(send()) for _ in range(5)]
    await wait_until(lambda: answers[200] > 5)
    with outage(durable):
        await asyncio.gather(*senders)
    assert set(answers) == {200, 503}
    assert await durable.total() == 1 + answers[200]


@pytest.mark.parametrize("path", ["/api/v1/streams", "/api/v1/algorithm_status"])
async def test_a_key_that_cannot_be_looked_up_is_no_failure_of_processing(
    durable: Api, path: str
) -> None:
    key, _ = await durable.key()
    with outage(durable, "api_keys"):
        answer = await durable.get(path, credential=key)
    assert answer.status == 503
    assert answer.json["detail"] == UNAVAILABLE


async def test_a_login_that_cannot_be_looked_up_is_no_failure_of_processing(
    durable: Api,
) -> None:
    form = {"username": "ann", "password": "x"}
    with outage(durable, "users"):
        answer = await durable.post("/auth/login", credential=None, data=form)
    assert answer.status == 503
    assert answer.json["detail"] == UNAVAILABLE


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_keys_that_cannot_be_managed_are_no_failure_of_processing(
    durable: Api, method: str
) -> None:
    body = {"name": "new"} if method == "POST" else None
    with outage(durable, "api_keys"):
        answer = await durable.call(method, "/auth/api-keys", json=body)
    assert answer.status == 503
    assert answer.json["detail"] == UNAVAILABLE
