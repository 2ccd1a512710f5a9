"""From a real broker to a real server: nothing lost and nothing twice."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest
import pytest_asyncio
from integration_program import Program, in_the_journal, learned
from mosquitto import Broker, DeafLine, broker_on
from real_server import client_of, server_on, wait_until

pytestmark = pytest.mark.integration

PUBACK_BYTES = 4


def bridge(folder: Path, url: str, port: int, *more: str) -> Program:
    words = ("--broker", "127.0.0.1", "--port", str(port), "--topic", "plant/+/v")
    words = (*words, "--stream", "s", *more)
    return Program("mqtt_bridge.py", *words, folder=folder, url=url, said="subscribed")


def numbered(numbers: Iterable[int]) -> list[tuple[str, str]]:
    """Return a message for each number, that says which it is."""
    return [(f"plant/{n % 3}/v", json.dumps([float(n), n % 7 * 10.0])) for n in numbers]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Of the server."""
    return tmp_path / "data"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Of the bridge."""
    (tmp_path / "state").mkdir()
    return tmp_path / "state"


@pytest_asyncio.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    async with broker_on(tmp_path) as broker:
        yield broker


async def test_messages_reach_the_model_in_order(
    data: Path, state: Path, broker: Broker
) -> None:
    async with server_on(data) as server, client_of(server) as client:
        async with bridge(state, server.url, broker.port) as running:
            await broker.publish(numbered(range(300)))
            await learned(client, 300)
            assert await running.stop() == 0
    assert await in_the_journal(data) == list(range(300))


async def test_a_bridge_that_is_killed_again_and_again_loses_and_doubles_nothing(
    data: Path, state: Path, broker: Broker
) -> None:
    sent = 0
    async with server_on(data) as server, client_of(server) as client:
        for life in range(6):
            async with bridge(state, server.url, broker.port) as running:
                await broker.publish(numbered(range(sent, sent + 150)))
                await learned(client, sent + 10 * life)
                await running.kill()  # with most of them under way
            sent += 150
        async with bridge(state, server.url, broker.port):
            await learned(client, sent)
    assert await in_the_journal(data) == list(range(sent))


async def test_messages_whose_acks_the_broker_never_got_count_once(
    data: Path, state: Path, broker: Broker
) -> None:
    async with DeafLine(broker) as line:
        async with server_on(data) as server, client_of(server) as client:
            async with bridge(state, server.url, line.port):
                line.deaf = True
                await broker.publish(numbered(range(10)))
                await wait_until(lambda: line.swallowed >= 10 * PUBACK_BYTES)
            async with bridge(state, server.url, broker.port):
                await broker.publish(numbered(range(10, 15)))
                await learned(client, 15)
    assert await in_the_journal(data) == list(range(15))


async def test_the_broker_keeps_what_comes_while_the_server_is_away(
    data: Path, state: Path, broker: Broker
) -> None:
    async with server_on(data) as server:
        port = int(server.url.rpartition(":")[2])
        running = bridge(state, server.url, broker.port)
        await running.__aenter__()
    try:
        await broker.publish(numbered(range(100)))
        async with server_on(data, port=port) as server:
            async with client_of(server) as client:
                await learned(client, 100)
    finally:
        await running.kill()
    assert await in_the_journal(data) == list(range(100))


async def test_what_is_no_point_is_named_and_does_not_come_again(
    data: Path, state: Path, broker: Broker
) -> None:
    bad = ["hello", "[]", '{"x": 1}', "[1, 2, 3]", '["a", 1]', "[1e30, 1]", "null"]
    good = ["[0, 5]", '{"x": 1, "y": 5}', "[[2, 5], [3, 5]]"]
    mixed = [good[0], *bad[:3], good[1], *bad[3:], good[2]]
    async with server_on(data) as server, client_of(server) as client:
        words = (state, server.url, broker.port, "--fields", "x,y")
        async with bridge(*words) as running:
            await broker.publish([("plant/1/v", text) for text in mixed])
            await learned(client, 4)
            assert await running.stop() == 0
            assert running.log.count("left out") == len(bad)
        async with bridge(*words) as running:
            await broker.publish(numbered([4]))
            await learned(client, 5)
            assert running.log.count("left out") == len(bad)
    assert await in_the_journal(data) == list(range(5))


async def test_a_key_that_is_refused_loses_no_message(
    data: Path, state: Path, broker: Broker
) -> None:
    async with server_on(data) as server, client_of(server) as client:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("integration_program.token", lambda *_: "revoked")
            async with bridge(state, server.url, broker.port) as running:
                await broker.publish(numbered(range(5)))
                assert await running.ended() == 1
        async with bridge(state, server.url, broker.port):
            await learned(client, 5)
    assert await in_the_journal(data) == list(range(5))


async def test_the_broker_that_is_gone_for_a_while_is_found_again(
    data: Path, state: Path, broker: Broker
) -> None:
    async with DeafLine(broker) as line:
        async with server_on(data) as server, client_of(server) as client:
            async with bridge(state, server.url, line.port):
                await broker.publish(numbered(range(5)))
                await learned(client, 5)
                line.cut()
                await broker.publish(numbered(range(5, 10)))
                await learned(client, 10)
    assert await in_the_journal(data) == list(range(10))


async def test_a_broker_that_does_not_let_it_in_is_told_in_the_log(
    tmp_path: Path,
) -> None:
    async with broker_on(tmp_path, strangers=False) as broker:
        async with server_on(tmp_path / "data") as server:
            words = ("--broker", "127.0.0.1", "--port", str(broker.port))
            words = (*words, "--topic", "plant/+/v")
            program = Program("mqtt_bridge.py", *words, folder=tmp_path, url=server.url)
            async with program as running:
                refused = "the broker refuses the connection: Not authorized"
                await wait_until(lambda: refused in running.log)
                assert await running.stop() == 0
