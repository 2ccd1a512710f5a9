"""The client asks shadow engines of a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest
import pytest_asyncio
from real_server import server_on, token

from ncs_client import AsyncNCSClient, RefusedError

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

RNG = np.random.default_rng(0)
TRUTH = RNG.integers(3, size=600)
POINTS = np.array([[0.0, 0.0], [30.0, 0.0], [0.0, 30.0]])[TRUTH] + RNG.normal(
    size=(600, 2)
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[AsyncNCSClient]:
    folder = tmp_path_factory.mktemp("data")
    async with server_on(folder, "--max-shadows", "1") as server:
        async with AsyncNCSClient(server.url, token(), max_retries=20) as client:
            await client.process_points(POINTS, stream="live")
            yield client


async def test_one_configuration(client: AsyncNCSClient) -> None:
    told = await client.shadow("live", params={"max_clusters": 2})
    assert (told.points, told.complete, told.live.clusters) == (600, True, 3)
    [tried] = told.configurations
    assert (tried.clusters, tried.tried) == (2, {"max_clusters": 2})
    clusters = await client.get_clusters("live")
    assert told.live.cluster_summaries == clusters


async def test_several_on_points_with_labels(client: AsyncNCSClient) -> None:
    told = await client.shadow(
        "nowhere",
        configurations=[{"preset": "streaming_iot"}, {"params": {"max_clusters": 1}}],
        points=POINTS,
        labels=TRUTH.tolist(),
        start="empty",
        summaries=False,
    )
    good, bad = told.configurations
    assert good.truth is not None and bad.truth is not None
    assert good.truth > 0.9 > bad.truth
    assert good.cluster_summaries == []


async def test_who_comes_while_another_is_served_waits_for_its_turn(
    client: AsyncNCSClient,
) -> None:
    wanted = [{"params": {"base_threshold": 0.5 + i / 100}} for i in range(16)]
    asked = (client.shadow("live", configurations=wanted) for _ in range(3))
    told = await asyncio.gather(*asked)
    assert [result.points for result in told] == [600] * 3


async def test_a_refusal_has_its_code(client: AsyncNCSClient) -> None:
    with pytest.raises(RefusedError) as caught:
        await client.shadow("nowhere", params={})
    assert (caught.value.status, caught.value.code) == (422, "no_points")
