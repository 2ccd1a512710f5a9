"""`Idempotency-Key`: a request counts once, however often it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from ncs_streamer.app import running
from ncs_streamer.store import Append

from .client import ADMIN, PROCESS, Answer, Api, blob, client_of
from .conftest import SettingsOf

pytestmark = pytest.mark.integration


async def process(api: Api, key: str, points: Any, **fields: Any) -> Answer:
    return await api.post(
        PROCESS,
        credential=ADMIN,
        json={"points": points, **fields},
        headers={"Idempotency-Key": key},
    )


async def test_the_same_request_again_is_told_apart_and_not_learned(api: Api) -> None:
    points = blob(40)
    first = await process(api, "a", points)
    again = await process(api, "a", points)
    assert (first.status, again.status) == (200, 200)
    assert "duplicate" not in first.json
    assert again.json["duplicate"] is True
    assert again.json["offset"] == first.json["offset"]
    assert again.json["points_processed"] == 40
    assert await api.total() == 40


async def test_what_is_told_of_a_duplicate_is_how_the_model_sees_it_now(
    api: Api,
) -> None:
    points = blob(5)
    await process(api, "a", points)
    await api.process(blob(300, seed=1))
    told = (await process(api, "a", points)).json["results"]
    assert [row["input_point"] for row in told] == points
    assert {row["is_outlier"] for row in told} == {False}


async def test_another_body_under_a_key_is_refused(api: Api) -> None:
    points = blob(5)
    await process(api, "a", points)
    for other in (
        await process(api, "a", blob(5, seed=1)),
        await process(api, "a", points[:4]),
        await process(api, "a", points, metadata={"batch": 2}),
    ):
        assert other.status == 422
        assert other.json["error_code"] == "IDEMPOTENCY_KEY_REUSED"
    assert await api.total() == 5


async def test_a_key_is_of_one_stream(api: Api) -> None:
    await process(api, "a", blob(5), stream="one")
    other = await process(api, "a", blob(6), stream="two")
    assert other.status == 200
    assert "duplicate" not in other.json


async def test_without_a_key_every_request_counts(api: Api) -> None:
    for _ in range(2):
        await api.process(blob(5))
    assert await api.total() == 10


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "\u00e9"])
async def test_what_cannot_be_a_key_is_refused(api: Api, key: str) -> None:
    answer = await process(api, key, blob(5))
    assert answer.status == 422
    assert answer.json["error_code"] == "INVALID_NAME"
    assert await api.total() == 0


async def test_of_many_at_once_one_counts_and_the_others_are_told_to_wait(
    api: Api,
) -> None:
    points = blob(500)
    answers = await asyncio.gather(*(process(api, "a", points) for _ in range(8)))
    assert await api.total() == 500
    fresh = [a for a in answers if a.status == 200 and "duplicate" not in a.json]
    assert len(fresh) == 1
    for answer in answers:
        if answer.status != 200:
            assert answer.status == 409
            assert answer.json["error_code"] == "IDEMPOTENCY_KEY_IN_USE"
            assert float(answer.headers["Retry-After"]) > 0


async def test_while_a_request_is_under_way_the_same_one_is_told_to_wait(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = blob(5)
    await api.process(points)
    journal = api.server.store.journal
    append, begun, may_go_on = journal.append, asyncio.Event(), asyncio.Event()

    async def held(entries: Sequence[Append]) -> None:
        begun.set()
        await may_go_on.wait()
        await append(entries)

    monkeypatch.setattr(journal, "append", held)
    first = asyncio.create_task(process(api, "a", points))
    await begun.wait()
    again = await process(api, "a", points)
    assert again.status == 409
    assert again.json["error_code"] == "IDEMPOTENCY_KEY_IN_USE"
    assert float(again.headers["Retry-After"]) > 0
    other = await process(api, "a", blob(5, seed=1))
    assert other.json["error_code"] == "IDEMPOTENCY_KEY_REUSED"
    may_go_on.set()
    assert (await first).status == 200
    again = await process(api, "a", points)
    assert (again.status, again.json["duplicate"]) == (200, True)
    assert await api.total() == 10


async def test_a_key_is_known_after_a_restart(settings_of: SettingsOf) -> None:
    settings = settings_of(store="sqlite")
    for expected in (False, True):
        async with running(settings) as (server, port), client_of(server, port) as api:
            answer = await process(api, "a", blob(30))
            assert answer.json.get("duplicate", False) is expected
            assert await api.total() == 30


async def test_after_a_reset_to_another_dimension_a_duplicate_is_still_one(
    api: Api,
) -> None:
    await process(api, "a", [[1.0, 2.0]])
    await api.post("/api/v1/algorithm/reset", credential=ADMIN, json={"confirm": True})
    await api.process([[1.0, 2.0, 3.0]])
    again = await process(api, "a", [[1.0, 2.0]])
    assert again.json["duplicate"] is True
    assert await api.total() == 1


async def test_a_reset_and_a_change_of_parameters_count_once_too(api: Api) -> None:
    async def call(method: str, key: str, **body: Any) -> Answer:
        path = {"POST": "reset", "PATCH": "config"}[method]
        return await api.call(
            method,
            f"/api/v1/algorithm/{path}",
            credential=ADMIN,
            json=body,
            headers={"Idempotency-Key": key},
        )

    await api.process(blob(40))
    first = await call("POST", "r", confirm=True)
    assert (first.status, "duplicate" in first.json) == (200, False)
    await api.process(blob(40))
    again = await call("POST", "r", confirm=True)
    assert (again.status, again.json["duplicate"]) == (200, True)
    assert again.json["offset"] == first.json["offset"]
    assert await api.total() == 40

    await call("PATCH", "c", params={"max_clusters": 7})
    await call("PATCH", "d", params={"max_clusters": 8})
    again = await call("PATCH", "c", params={"max_clusters": 7})
    assert (again.json["duplicate"], again.json["params"]["max_clusters"]) == (True, 8)
    for method, body in (
        ("PATCH", {"params": {"max_clusters": 9}}),
        ("POST", {"confirm": True}),
    ):
        other = await call(method, "c", **body)
        assert (422, "IDEMPOTENCY_KEY_REUSED") == (
            other.status,
            other.json["error_code"],
        )
