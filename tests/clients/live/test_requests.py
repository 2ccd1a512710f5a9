"""Both clients on real servers: every request, lost answers, killed servers."""

from __future__ import annotations

import asyncio
import inspect
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from losing_proxy import LosingProxy
from real_server import (
    UNLIMITED,
    free_port,
    points_in,
    server_on,
    token,
    wait_until,
)

from ncs_client import (
    AsyncNCSClient,
    AuthenticationError,
    NCSClient,
    NcsClientError,
    PoolOptions,
    RequestTimeoutError,
    UnreachableError,
    ValidationError,
)
from ncs_streamer.processes import ServerProcess

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="session")]


async def use(client: Any, stream: str) -> dict[str, Any]:
    """Make every request of a client, of either kind."""

    async def ask(name: str, *args: Any, **kwargs: Any) -> Any:
        outcome = getattr(client, name)(*args, **kwargs)
        return await outcome if inspect.isawaitable(outcome) else outcome

    told: dict[str, Any] = {}
    result = await ask(
        "process_points",
        [[1.0, 2.0], [1.1, 2.1], [90.0, 80.0]],
        {"batch_mode": True, "timeout": 5000},
        stream=stream,
        timestamps=[1.0, 2.0, 3.0],
        metadata={"line": 1},
        idempotency_key="first",
        request_id="request-7",
    )
    told["process"] = [(o.cluster_id, o.is_outlier) for o in result.assignments]
    told["id"] = (result.request_id, result.stream, result.duplicate)
    again = await ask(
        "process_points",
        [[1.0, 2.0], [1.1, 2.1], [90.0, 80.0]],
        stream=stream,
        timestamps=[1.0, 2.0, 3.0],
        metadata={"line": 1},
        idempotency_key="first",
    )
    told["again"] = (again.duplicate, again.offset == result.offset)
    told["clusters"] = [c.size for c in await ask("get_clusters", stream)]
    status = await ask("get_algorithm_status", stream)
    told["status"] = (status.total_points_processed, status.current_dynamic_threshold)
    told["listed"] = stream in await ask("list_streams")
    told["set"] = (await ask("configure", stream, max_clusters=7))["max_clusters"]
    told["is"] = (await ask("get_algorithm_config", stream))["max_clusters"]
    told["health"] = (await ask("health_check")).status
    made = await ask("create_key", f"of {stream}", ["read"], days=1)
    told["key"] = (made.permissions, made.expires_at is not None)
    told["revoked"] = await ask("revoke_key", made.key_id)
    told["reset"] = await ask("reset_algorithm", stream)
    told["empty"] = await ask("get_clusters", stream)
    for name, points in {
        "ragged": [[1.0], [1.0, 2.0]],
        "nan": [[float("nan")]],
    }.items():
        with pytest.raises(ValidationError) as refused:
            await ask("process_points", points, stream=stream)
        told[name] = (refused.value.code, refused.value.index, refused.value.status)
    return told


async def test_every_request_works_and_both_clients_say_the_same(
    server: ServerProcess, key: str
) -> None:
    async with AsyncNCSClient(server.url, key) as asynchronous:
        theirs = await use(asynchronous, "both-async")
    with NCSClient(server.url, key) as blocking:
        ours = await use(blocking, "both-blocking")
    assert theirs.pop("id") == ("request-7", "both-async", False)
    assert ours.pop("id") == ("request-7", "both-blocking", False)
    assert theirs == ours
    assert (True, True) == ours["again"]
    assert 3 == ours["status"][0]
    assert (7, 7) == (ours["set"], ours["is"])
    assert ("ragged_points", 1, 422) == ours["ragged"]
    assert ("not_finite", 0, 422) == ours["nan"]


async def test_a_login_gives_a_token_and_a_wrong_one_an_error(tmp_path: Path) -> None:
    async with server_on(tmp_path) as server:
        with NCSClient(server.url) as client:
            with pytest.raises(AuthenticationError):
                client.get_clusters()
            with pytest.raises(AuthenticationError):
                client.login("admin", "wrong")
            client.login("admin", "admin123")
            assert [] == client.get_clusters()


async def test_tables_travel_with_their_named_columns(
    server: ServerProcess, key: str
) -> None:
    frame = pd.DataFrame({"at": ["a", "b"], "y": [2, 4], "x": [1.5, 3.5]})
    with NCSClient(server.url, key) as client:
        result = client.process_points(frame, columns=["x", "y"], stream="tables")
        assert [[1.5, 2.0], [3.5, 4.0]] == [item["input_point"] for item in result]
        async with await client.start_streaming(stream="tables") as stream:
            ack = await stream.send_batch(frame, columns=["x", "y"])
            assert 2 == ack.accepted
            await stream.send_point(frame[["x", "y"]].iloc[0])
    assert 5 == await points_in(server, "tables")


# Answers that are lost


@pytest.mark.parametrize("kind", ["async", "blocking"])
async def test_a_batch_whose_answer_is_lost_counts_once(
    server: ServerProcess, key: str, kind: str
) -> None:
    stream = f"lost-{kind}"
    async with LosingProxy(server.url) as proxy:
        proxy.lose = 2
        if kind == "async":
            async with AsyncNCSClient(proxy.url, key) as client:
                result = await client.process_points([[1.0]] * 5, stream=stream)
        else:
            with NCSClient(proxy.url, key) as client:
                result = await asyncio.to_thread(
                    client.process_points, [[1.0]] * 5, stream=stream
                )
        assert 2 == proxy.lost
    assert result.duplicate
    assert 5 == result.points_processed == await points_in(server, stream)


@pytest.mark.parametrize("kind", ["async", "blocking"])
async def test_what_may_have_been_done_is_not_repeated_but_told(
    server: ServerProcess, key: str, kind: str
) -> None:
    async with LosingProxy(server.url) as proxy:
        proxy.lose = 1
        with pytest.raises(UnreachableError):
            if kind == "async":
                async with AsyncNCSClient(proxy.url, key) as client:
                    await client.create_key("perhaps")
            else:
                with NCSClient(proxy.url, key) as client:
                    await asyncio.to_thread(client.create_key, "perhaps")
        assert 1 == proxy.lost


@pytest.mark.parametrize("kind", ["async", "blocking"])
async def test_an_answer_that_does_not_come_is_a_timeout(
    server: ServerProcess, key: str, kind: str
) -> None:
    async with LosingProxy(server.url) as proxy:
        proxy.stall = True
        options = {"timeout": 200, "max_retries": 0}
        with pytest.raises(RequestTimeoutError, match="in time"):
            if kind == "async":
                async with AsyncNCSClient(proxy.url, key) as client:
                    await client.process_points([[1.0]], options, stream=f"late-{kind}")
            else:
                with NCSClient(proxy.url, key) as client:
                    await asyncio.to_thread(
                        client.process_points, [[1.0]], options, stream=f"late-{kind}"
                    )


@pytest.mark.parametrize(
    ("host", "reason"),
    [("127.0.0.1", "refused|connect call failed"), ("no-host.invalid", "name")],
)
async def test_nobody_at_home_is_unreachable_for_a_reason(
    host: str, reason: str
) -> None:
    url = f"http://{host}:{free_port()}"
    said = rf"no answer from {url}/: .*(?i:{reason})"
    with pytest.raises(UnreachableError, match=said) as blocking:
        await asyncio.to_thread(NCSClient(url, "x", max_retries=0).health_check)
    async with AsyncNCSClient(url, "x", max_retries=0) as client:
        with pytest.raises(UnreachableError, match=said) as caught:
            await client.health_check()
        with pytest.raises(NcsClientError, match="cannot connect"):
            await client.start_streaming()
    for error in (blocking.value, caught.value):
        assert not isinstance(error, TimeoutError)
        assert error.__cause__ is not None


async def test_a_forked_process_does_not_use_its_parents_sockets(
    server: ServerProcess, key: str
) -> None:
    with NCSClient(server.url, key) as client:
        client.health_check()
        pool = client._http
        client._process = -1  # as it is in a child
        client.health_check()
        assert pool is not client._http


async def test_threads_share_a_client_and_its_pool(
    server: ServerProcess, key: str
) -> None:
    with NCSClient(server.url, key, PoolOptions(max_connections=2)) as client:
        results = await asyncio.gather(
            *(
                asyncio.to_thread(client.process_points, [[1.0]], stream="threads")
                for _ in range(20)
            )
        )
    assert 20 == len({result.offset for result in results})
    assert 20 == await points_in(server, "threads")


async def test_the_blocking_client_counts_once_over_kill_9(tmp_path: Path) -> None:
    server = server_on(tmp_path, *UNLIMITED, port=free_port())
    await server.start()
    sent = 0

    def push() -> int:
        nonlocal sent
        with NCSClient(server.url, token(), max_retries=6) as client:
            for number in range(90):
                client.process_points([[float(number), 1.0]] * 7)
                sent += 1
        return sent

    job = asyncio.create_task(asyncio.to_thread(push))
    await wait_until(lambda: sent >= 20)
    await server.kill()
    await server.start()
    assert 90 == await job
    assert 630 == await points_in(server)
    await server.stop()
