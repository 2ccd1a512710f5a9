"""Health, liveness, readiness and metrics of a server that works."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

import ncs_streamer
from ncs_engine import Engine, kernel_info

from .client import Api
from .conftest import Start

pytestmark = pytest.mark.integration


async def health(api: Api) -> Any:
    return (await api.get("/health", credential=None)).json


async def test_health_has_exactly_the_promised_keys(api: Api) -> None:
    answer = await api.get("/health", credential=None)
    assert answer.status == 200
    assert set(answer.json) == {
        "status", "timestamp", "uptime", "uptime_seconds", "version",
        "algorithm_ready", "components",
    }  # fmt: skip


async def test_a_server_that_works_is_healthy(api: Api) -> None:
    seen = await health(api)
    assert seen["status"] == "healthy"
    assert seen["algorithm_ready"] is True
    assert seen["version"] == ncs_streamer.__version__


async def test_the_timestamp_is_epoch_seconds(api: Api) -> None:
    seen = await health(api)
    assert isinstance(seen["timestamp"], float)
    assert abs(seen["timestamp"] - time.time()) < 60


async def test_the_uptime_is_in_seconds_and_grows(api: Api) -> None:
    first, second = await health(api), await health(api)
    assert 0 < first["uptime"] < second["uptime"] < 60
    assert first["uptime"] == first["uptime_seconds"]


@pytest.mark.parametrize("store", ["memory", "sqlite"])
async def test_the_store_is_the_component_database(start: Start, store: str) -> None:
    api = await start(store=store)
    database = (await health(api))["components"]["database"]
    assert database == {"status": "healthy", "type": store}


async def test_redis_and_engine_are_components(api: Api) -> None:
    components = (await health(api))["components"]
    assert components["redis"] == {"status": "not_configured"}
    assert components["engine"]["status"] == "healthy"


async def test_the_engine_tells_its_kernel(api: Api) -> None:
    components = (await health(api))["components"]
    assert components["engine"]["kernel"] == str(kernel_info())


async def test_a_broken_engine_makes_the_server_degraded(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any) -> Any:
        raise RuntimeError

    monkeypatch.setattr(Engine, "learn", fail)
    await api.process([[1.0]])
    answer = await api.get("/health")
    assert answer.status == 200
    assert answer.json["status"] == "degraded"
    assert answer.json["components"]["engine"]["status"] == "degraded"


async def test_a_server_that_works_is_alive_and_ready(api: Api) -> None:
    alive, ready = await api.get("/livez"), await api.get("/readyz")
    assert (alive.status, alive.json) == (200, {"status": "alive"})
    assert (ready.status, ready.json) == (200, {"status": "ready"})


async def test_health_survives_a_thousand_requests_by_ten_at_once(api: Api) -> None:
    statuses: Counter[int] = Counter()

    async def ask() -> None:
        for _ in range(100):
            statuses[(await api.get("/health", credential=None)).status] += 1

    await asyncio.gather(*(ask() for _ in range(10)))
    assert statuses == {200: 1000}


async def test_health_survives_four_hundred_connections_at_once(api: Api) -> None:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def ask() -> int:
            async with session.get(f"http://127.0.0.1:{api.port}/health") as reply:
                return reply.status

        assert set(await asyncio.gather(*(ask() for _ in range(400)))) == {200}


# Metrics


async def test_metrics_are_what_prometheus_reads(api: Api) -> None:
    await api.process([[1.0], [2.0]])
    answer = await api.get("/metrics")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert await sample(api, "ncs_points_total", outcome="applied") == 2


async def test_requests_are_counted_by_the_route_and_not_by_the_address(
    api: Api,
) -> None:
    for number in range(3):
        await api.get(f"/nothing/{number}")
        await api.call("DELETE", f"/auth/api-keys/{number}")
    assert await sample(api, "ncs_http_requests_total", route="other") == 3
    route = "/api/v1/auth/api-keys/{key_id}"
    assert await sample(api, "ncs_http_requests_total", route=route) == 3


@pytest.mark.security
async def test_metrics_name_no_tenant_and_no_stream(api: Api) -> None:
    token = api.token(tenant="acme-corp", subject="bob-smith")
    await api.process([[1.0]], stream="line-seven", credential=token)
    body = (await api.get("/metrics")).body
    assert not any(name in body for name in (b"acme", b"bob-smith", b"line-seven"))


async def sample(api: Api, name: str, **labels: str) -> float:
    """Return the sum of the samples with these labels."""
    text = (await api.get("/metrics")).body.decode()
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )
