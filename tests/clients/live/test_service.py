"""The service on a real server that goes away and comes back."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from losing_proxy import LosingProxy
from real_server import (
    UNLIMITED,
    client_of,
    free_port,
    points_in,
    server_on,
)

from ncs_client import (
    ClusteringService,
    ServiceHealth,
    UnreachableError,
)
from ncs_streamer.processes import ServerProcess

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="session")]


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
    assert 6 == await points_in(server)
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
