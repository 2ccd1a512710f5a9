"""Both clients, batches, workers and the service on real servers that are killed."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest
import pytest_asyncio
from losing_proxy import LosingProxy
from real_server import client_of, free_port, server_on, token, wait_until

from ncs_client import (
    AsyncNCSClient,
    AuthenticationError,
    BatchProcessor,
    ClusteringService,
    NCSClient,
    NcsClientError,
    ParallelBatchProcessor,
    PoolOptions,
    RateLimitError,
    RefusedError,
    RequestTimeoutError,
    ServiceHealth,
    UnreachableError,
    ValidationError,
)
from ncs_streamer.processes import ServerProcess

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

UNLIMITED = ("--rate-limit-per-minute", "1000000")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[ServerProcess]:
    async with server_on(tmp_path_factory.mktemp("data"), *UNLIMITED) as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def key(server: ServerProcess) -> str:
    """A key: of a token the server takes 100 batches a minute."""
    async with client_of(server) as client:
        made = await client.create_key("tests", ["read", "write", "admin"])
    return made.api_key


async def points_in(server: ServerProcess, stream: str) -> int:
    async with client_of(server) as client:
        return (await client.get_algorithm_status(stream)).total_points_processed


# Requests


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


async def test_a_token_may_be_asked_for_every_time(
    server: ServerProcess, key: str
) -> None:
    asked = []

    def fresh() -> str:
        asked.append(1)
        return key

    with NCSClient(server.url, token=fresh) as client:
        client.get_clusters()
        client.get_clusters()
        async with await client.start_streaming() as stream:
            await stream.send_point([1.0])
    assert 3 == len(asked)


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


async def test_nobody_at_home_is_unreachable() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(UnreachableError, match="no answer from"):
        NCSClient(url, "x", max_retries=0).health_check()
    async with AsyncNCSClient(url, "x", max_retries=0) as client:
        with pytest.raises(UnreachableError, match="no answer from"):
            await client.health_check()
        with pytest.raises(NcsClientError, match="cannot connect"):
            await client.start_streaming()


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


# Data sets


async def test_a_large_data_set_with_the_documented_shapes(
    server: ServerProcess, key: str
) -> None:
    dataset = np.random.default_rng(3).random((50_000, 5)).tolist()
    shares: list[float] = []
    async with AsyncNCSClient(base_url=server.url, api_key=key) as client:
        config = {"batch_size": 2000, "max_concurrent": 3, "memory_limit_mb": 256}
        processor = BatchProcessor(client, config={**config, "stream": "large"})
        assert 3 == processor.config["retry_attempts"]
        result = await processor.process_large_dataset(
            dataset, progress_callback=lambda share, batch: shares.append(share)
        )
    assert {
        "clusters", "outliers", "total_processing_time", "total_points",
        "average_quality", "batch_count",
    } <= result.keys()  # fmt: skip
    assert (50_000, 25, []) == (
        result["total_points"],
        result["batch_count"],
        result["failed"],
    )
    assert sorted(shares) == shares
    assert 25 == len(shares)
    assert 1.0 == shares[-1]
    assert {
        "batches_processed": 25,
        "total_points": 50_000,
        "total_time": processor.stats["total_time"],
        "failed_batches": 0,
    } == processor.stats
    assert 50_000 == await points_in(server, "large")


async def test_a_batch_that_fails_does_not_stop_the_others(
    server: ServerProcess, key: str
) -> None:
    data = np.ones((500, 2))
    data[250, 1] = np.nan
    async with AsyncNCSClient(server.url, key) as client:
        processor = BatchProcessor(client, {"batch_size": 100, "stream": "partly"})
        result = await processor.process_large_dataset(data)
    (failed,) = result["failed"]
    assert (200, 100) == (failed["start"], failed["point_count"])
    assert isinstance(failed["error"], ValidationError)
    assert 50 == failed["error"].index
    assert 1 == processor.stats["failed_batches"]
    assert 400 == result["total_points"] == await points_in(server, "partly")


async def test_the_size_of_batches_is_found_by_measuring(
    server: ServerProcess, key: str
) -> None:
    sizes: set[int] = set()
    async with AsyncNCSClient(server.url, key) as client:
        config = {"batch_size": "auto", "max_concurrent": 1, "stream": "auto"}
        await BatchProcessor(client, config).process_large_dataset(
            np.random.default_rng(4).random((20_000, 3)),
            lambda share, batch: sizes.add(batch["point_count"]),
        )
    assert {100, 200} <= sizes
    assert 20_000 == await points_in(server, "auto")


async def test_being_told_to_slow_down_is_no_failure(tmp_path: Path) -> None:
    async with server_on(tmp_path, "--rate-limit-per-minute", "240") as server:
        async with client_of(server) as client:
            with pytest.raises(RateLimitError) as refused:
                for _ in range(300):
                    await client.process_points([[1.0]], {"max_retries": 0}, stream="x")
            assert refused.value.retry_after_s is not None
            processor = BatchProcessor(client, {"batch_size": 100, "retry_attempts": 1})
            result = await processor.process_large_dataset(np.ones((300, 1)))
        assert [] == result["failed"]
        assert 300 == result["total_points"]


async def test_a_bar_shows_the_progress(
    server: ServerProcess, key: str, capfd: pytest.CaptureFixture[str]
) -> None:
    async with AsyncNCSClient(server.url, key) as client:
        processor = BatchProcessor(client, {"stream": "bar"})
        await processor.process_large_dataset(np.ones((300, 1)), show_progress=True)
    assert "100%" in capfd.readouterr().err


async def test_an_error_of_the_callback_ends_the_run(
    server: ServerProcess, key: str
) -> None:
    def broken(share: float, batch: object) -> None:
        raise LookupError("of mine")

    async with AsyncNCSClient(server.url, key) as client:
        processor = BatchProcessor(client, {"batch_size": 100, "stream": "callback"})
        with pytest.raises(LookupError, match="of mine"):
            await processor.process_large_dataset(np.ones((3000, 1)), broken)


async def test_a_named_run_that_is_begun_anew_counts_only_what_was_missing(
    server: ServerProcess, key: str
) -> None:
    data = np.random.default_rng(5).random((3000, 2))
    config = {"batch_size": 100, "run_id": "night-7", "stream": "resumed"}

    async with AsyncNCSClient(server.url, key) as client:
        first = BatchProcessor(client, config)
        some = asyncio.Event()
        job = asyncio.create_task(
            first.process_large_dataset(data, lambda share, batch: some.set())
        )
        await some.wait()
        job.cancel()
        await asyncio.gather(job, return_exceptions=True)
        result = await BatchProcessor(client, config).process_large_dataset(data)
    assert 3000 == result["total_points"] == await points_in(server, "resumed")


async def test_batches_count_once_over_kill_9_of_the_server(tmp_path: Path) -> None:
    data = np.random.default_rng(6).random((30_000, 3))
    server = server_on(tmp_path, *UNLIMITED, port=free_port())
    await server.start()
    async with client_of(server) as admin:
        key = (await admin.create_key("k", ["read", "write"])).api_key
    kills = 0

    async def kill_now_and_then(share: float, batch: object) -> None:
        nonlocal kills
        if share > 0.25 * (kills + 1) and kills < 3:
            kills += 1
            await server.kill()
            await server.start()

    async with AsyncNCSClient(server.url, key) as client:
        processor = BatchProcessor(client, {"batch_size": 250, "retry_attempts": 6})
        result = await processor.process_large_dataset(data, kill_now_and_then)
    assert 3 == kills
    assert [] == result["failed"]
    assert 30_000 == result["total_points"] == await points_in_default(server)
    await server.stop()


async def points_in_default(server: ServerProcess) -> int:
    return await points_in(server, "default")


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
    assert 630 == await points_in_default(server)
    await server.stop()


# Worker processes


async def test_worker_processes_push_at_the_same_time_and_counts_are_exact(
    server: ServerProcess, key: str
) -> None:
    data = np.random.default_rng(7).random((6000, 4)).tolist()
    shares: list[float] = []
    processor = ParallelBatchProcessor(
        api_url=server.url,
        api_key=key,
        num_workers=2,
        config={"batch_size": 500, "stream": "workers"},
    )
    result = await processor.process_with_workers(
        data, lambda share, batch: shares.append(share)
    )
    assert (6000, 12, []) == (
        result["total_points"],
        result["batch_count"],
        result["failed"],
    )
    assert 1.0 == shares[-1]
    assert 6000 == await points_in(server, "workers")


async def test_a_worker_that_is_killed_costs_nothing(
    server: ServerProcess, key: str
) -> None:
    data = np.random.default_rng(8).random((20_000, 3))
    killed: list[int] = []

    def kill_one(share: float, batch: object) -> None:
        if not killed:
            workers = [
                child
                for child in psutil.Process().children()
                if "spawn_main" in " ".join(child.cmdline())
            ]
            killed.append(workers[0].pid)
            os.kill(workers[0].pid, signal.SIGKILL)

    processor = ParallelBatchProcessor(
        server.url, key, 2, {"batch_size": 200, "stream": "killed-worker"}
    )
    result = await processor.process_with_workers(data, kill_one)
    assert killed
    assert [] == result["failed"]
    assert 20_000 == result["total_points"]
    assert 20_000 == await points_in(server, "killed-worker")


# The service


async def test_the_service_envelopes_what_happens(
    server: ServerProcess, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "ncs_client.service")
    config = {"api_url": server.url, "api_key": key, "stream": "service"}
    async with ClusteringService(config) as service:
        assert ServiceHealth.HEALTHY is service.health_status
        good = await service.process_data([[1.0, 2.0]] * 3, {"request_id": "r-1"})
        assert good["success"]
        assert 3 == good["result"].points_processed
        assert ("r-1", "r-1") == (good["request_id"], good["result"].request_id)
        assert good["processing_time"] > 0
        bad = await service.process_data([[1.0]])
        assert (False, "ValidationError") == (bad["success"], bad["error_type"])
        assert "dimension_mismatch" in bad["error"]
        assert "result" not in bad
        health = await service.get_service_health()
    assert {"status", "api_health", "circuit_breaker", "metrics", "timestamp"} == (
        health.keys()
    )
    assert "healthy" == health["status"]
    assert {"status", "algorithm_ready", "uptime_seconds"} == health[
        "api_health"
    ].keys()
    assert {"state": "closed", "failure_count": 0} == health["circuit_breaker"]
    metrics = health["metrics"]
    assert {
        "requests_total": 2, "requests_successful": 1, "requests_failed": 1,
    } == metrics["counters"]  # fmt: skip
    assert 3 == metrics["points_processed_total"]["sum"]
    for name in ("processing_time_seconds", "error_processing_time_seconds"):
        assert {"count", "sum", "avg", "min", "max"} == metrics[name].keys()
    done = next(r for r in caplog.records if r.message == "processed")
    assert ("r-1", 3) == (vars(done)["request_id"], vars(done)["points_count"])
    failed = next(r for r in caplog.records if r.levelno == logging.ERROR)
    assert "ValidationError" == vars(failed)["error_type"]
    assert failed.exc_info


async def test_the_service_breaks_and_mends_and_a_batch_sent_again_counts_once(
    tmp_path: Path,
) -> None:
    server = server_on(tmp_path, *UNLIMITED, port=free_port())
    await server.start()
    async with client_of(server) as admin:
        key = (await admin.create_key("k")).api_key
    now = 0.0
    async with LosingProxy(server.url) as proxy:
        config = {"api_url": proxy.url, "api_key": key, "max_retries": 0}
        async with ClusteringService(config, clock=lambda: now) as service:
            proxy.lose = 1
            lost = await service.process_data([[1.0, 2.0]] * 5)
            assert (False, "UnreachableError") == (lost["success"], lost["error_type"])
            about = {"idempotency_key": lost["idempotency_key"]}
            again = await service.process_data([[1.0, 2.0]] * 5, about)
            assert again["success"]
            assert again["result"].duplicate

            await server.kill()
            for _ in range(5):
                assert not (await service.process_data([[1.0, 2.0]]))["success"]
            assert "open" == service.circuit_breaker.current_state
            refused = await service.process_data([[1.0, 2.0]])
            assert ("circuit_breaker", "Service temporarily unavailable") == (
                refused["error_type"],
                refused["error"],
            )
            health = await service.get_service_health()
            assert {"status", "error", "timestamp"} == health.keys()
            assert "unhealthy" == health["status"]

            await server.start()
            assert "degraded" == (await service.get_service_health())["status"]
            now = 60.0
            assert (await service.process_data([[1.0, 2.0]]))["success"]
            assert "closed" == service.circuit_breaker.current_state
            assert "healthy" == (await service.get_service_health())["status"]
            counters = service.metrics_collector.counters
            assert 1 == counters["requests_circuit_breaker"]
    assert 6 == await points_in_default(server)
    await server.stop()


async def test_a_service_without_a_server_does_not_start() -> None:
    config = {"api_url": f"http://127.0.0.1:{free_port()}", "api_key": "x"}
    service = ClusteringService({**config, "max_retries": 0})
    with pytest.raises(UnreachableError):
        await service.start()
    assert ServiceHealth.UNHEALTHY is service.health_status
    reply = await service.process_data([[1.0]])
    assert "the service is not started" == reply["error"]
    with pytest.raises(TypeError, match="no option 'api_urll'"):
        ClusteringService({"api_urll": ""})


# Callbacks


async def test_callbacks_may_be_plain_or_asynchronous_and_come_in_order(
    server: ServerProcess, key: str
) -> None:
    told: list[Any] = []

    async def on_message(message: dict[str, Any]) -> None:
        await asyncio.sleep(0)
        told.append(message["type"])
        if message["type"] == "cluster_update":
            raise LookupError("of mine")

    async def on_close() -> None:
        told.append("closed")

    client = NCSClient(server.url, key)
    async with await client.start_streaming(
        on_message=on_message, on_error=told.append, on_close=on_close, stream="calls"
    ) as stream:
        ack = await stream.send_batch([[1.0, 2.0], [1.0, 2.1]], results="full")
        assert ack.results is not None
        assert [0, 0] == ack.results.cluster_ids
        with pytest.raises(ValidationError):
            await stream.send_point([1.0])
        assert 1 == (await stream.send_point([1.0, 2.0])).accepted
        await wait_until(lambda: any(isinstance(t, LookupError) for t in told))
    assert "snapshot" == told[0]
    assert "closed" == told[-1]
    first = next(i for i, t in enumerate(told) if isinstance(t, LookupError))
    assert "cluster_update" == told[first - 1]


async def test_a_callback_may_stop_the_stream(server: ServerProcess, key: str) -> None:
    closed = asyncio.Event()

    async def on_message(message: dict[str, Any]) -> None:
        await stream.stop()

    stream = await NCSClient(server.url, key).start_streaming(
        {"onMessage": on_message, "onClose": closed.set}
    )
    async with asyncio.timeout(10):
        await closed.wait()
    with pytest.raises(NcsClientError):
        await stream.send_point([1.0])


async def test_a_session_that_ends_is_told_and_closed(
    server: ServerProcess, key: str
) -> None:
    told: list[Any] = []
    async with AsyncNCSClient(server.url, key) as admin:
        made = await admin.create_key("for a moment", ["read", "write"])
        stream = await NCSClient(server.url, made.api_key).start_streaming(
            {
                "onMessage": lambda message: None,
                "onError": told.append,
                "onClose": lambda: told.append("closed"),
                "connectionId": "main-processor",
            }
        )
        await admin.revoke_key(made.key_id)
        await wait_until(lambda: "closed" in told)
    error, last = told
    assert isinstance(error, NcsClientError)
    assert "revoked" in str(error)
    assert "closed" == last
    await stream.stop()


async def test_streaming_goes_on_over_kill_9_and_every_point_counts_once(
    tmp_path: Path,
) -> None:
    server = server_on(tmp_path, port=free_port())
    await server.start()
    attempts: list[int] = []
    sizes: dict[int, int] = {}

    def on_message(message: dict[str, Any]) -> None:
        if message["type"] == "snapshot":
            sizes.clear()
            for cluster in message["data"]["clusters"]:
                sizes[cluster["cluster_id"]] = cluster["size"]
        elif message["type"] == "cluster_update":
            sizes[message["data"]["cluster_id"]] = message["data"]["size"]

    stream = await NCSClient(server.url, token()).start_streaming(
        {"onMessage": on_message, "onReconnect": attempts.append}
    )
    sends = [
        asyncio.create_task(stream.send_batch([[1.0, 1.0]] * 3)) for _ in range(50)
    ]
    await sends[0]
    await server.kill()
    sends += [asyncio.create_task(stream.send_point([1.0, 1.0])) for _ in range(50)]
    await server.start()
    await asyncio.gather(*sends)
    assert attempts
    await wait_until(lambda: {0: 200} == sizes)
    await stream.stop()
    assert 200 == await points_in_default(server)
    await server.stop()


async def test_stopping_gives_up_on_a_server_that_does_not_come_back(
    tmp_path: Path,
) -> None:
    async with server_on(tmp_path) as server:
        stream = await NCSClient(server.url, token()).start_streaming()
        await server.kill()
        send = asyncio.create_task(stream.send_point([1.0]))
        await asyncio.sleep(0)
        began = time.monotonic()
        await stream.stop(timeout=0.2)
        assert time.monotonic() - began >= 0.2
        with pytest.raises(NcsClientError):
            await send


async def test_a_key_that_may_not_read_ends_the_messages_not_the_session(
    server: ServerProcess, key: str
) -> None:
    errors: list[Exception] = []
    async with AsyncNCSClient(server.url, key) as admin:
        made = await admin.create_key("writes", ["write"])
    async with await NCSClient(server.url, made.api_key).start_streaming(
        {"onMessage": lambda message: None, "onError": errors.append, "stream": "w"}
    ) as stream:
        await wait_until(lambda: errors)
        assert 1 == (await stream.send_point([1.0])).accepted
    assert isinstance(errors[0], RefusedError)
    assert "permission_denied" == errors[0].code


async def test_an_option_that_there_is_not_is_refused(
    server: ServerProcess, key: str
) -> None:
    with pytest.raises(TypeError, match="no option 'onMesage'"):
        await NCSClient(server.url, key).start_streaming({"onMesage": print})
