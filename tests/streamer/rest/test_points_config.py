"""Engine parameters: asked for, changed, refused, and sent along with points."""

from __future__ import annotations

from typing import Any

import pytest

from ncs_engine import PRESETS, EngineParams, preset
from ncs_engine.model import Model

from .client import Answer, Api, blob
from .conftest import Start

pytestmark = pytest.mark.integration

CONFIG = "/api/v1/algorithm/config"
DEFAULTS = EngineParams().as_dict()

BAD: list[tuple[dict[str, Any], str]] = [
    ({"max_clusters": 0}, "max_clusters must be in [1, 1000], got 0"),
    ({"max_clusters": 1001}, "max_clusters must be in [1, 1000], got 1001"),
    ({"max_clusters": 2.5}, "max_clusters must be int, got 2.5"),
    ({"max_clusters": True}, "max_clusters must be in [1, 1000], got True"),
    ({"base_threshold": 1.5}, "base_threshold must be in [0.05, 0.99], got 1.5"),
    ({"learning_rate": -1}, "learning_rate must be in [0.0, 1.0], got -1"),
    ({"outlier_threshold": "high"},
     "outlier_threshold must be in [0.05, 0.99], got 'high'"),
    ({"drift_sensitivity": None},
     "drift_sensitivity must be in [0.0, 1.0], got None"),
    ({"metric": "manhattan"}, "metric must be euclidean or cosine, got 'manhattan'"),
    ({"enable_drift_detection": 1},
     "enable_drift_detection must be true or false, got 1"),
    ({"vigour": 1}, "unknown parameter 'vigour'"),
    ({"self": 1}, "unknown parameter 'self'"),
]  # fmt: skip
each_bad_value = pytest.mark.parametrize(("params", "message"), BAD)


async def configure(api: Api, params: Any, **more: Any) -> Answer:
    return await api.call("PATCH", CONFIG, json={"params": params}, **more)


async def test_a_new_stream_has_the_defaults(api: Api) -> None:
    answer = await api.get(CONFIG)
    assert answer.json == {"stream": "default", "offset": 0, "params": DEFAULTS}


async def test_the_defaults_can_be_set(start: Start) -> None:
    api = await start(max_clusters=12, base_threshold=0.5)
    expected = DEFAULTS | {"max_clusters": 12, "base_threshold": 0.5}
    assert (await api.get(CONFIG)).json["params"] == expected
    await api.process([[1.0]])
    assert (await api.get(CONFIG)).json["params"] == expected


async def test_configuring_answers_with_all_parameters_in_force(api: Api) -> None:
    answer = await configure(api, {"max_clusters": 7})
    assert answer.status == 200
    expected = {"stream": "default", "offset": 2}
    assert answer.json == expected | {"params": DEFAULTS | {"max_clusters": 7}}


async def test_a_configuration_shows_in_the_config(api: Api) -> None:
    await api.process([[1.0]])
    await configure(api, {"drift_sensitivity": 0.25})
    assert (await api.get(CONFIG)).json["params"]["drift_sensitivity"] == 0.25


async def test_a_configuration_shows_in_the_status(api: Api) -> None:
    await configure(api, {"base_threshold": 0.4})
    status = (await api.get("/api/v1/algorithm_status")).json
    assert status["current_dynamic_threshold"] == 0.4


async def test_points_are_learned_after_a_configuration(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    learn = Model.learn_until_step

    def learn_some(*arguments: Any) -> int:  # or the test would never end
        count = learn(*arguments)
        assert count > 0
        return count

    monkeypatch.setattr(Model, "learn_until_step", learn_some)
    await api.process([[1.0]])
    await configure(api, {"base_threshold": 0.4})
    assert (await api.process([[1.0]])).status == 200


async def test_a_configuration_takes_effect(api: Api) -> None:
    await configure(api, {"max_clusters": 1})
    await api.process(blob(200) + blob(200, at=100.0))
    assert len((await api.get("/api/v1/clusters_summary")).json) <= 1


async def test_a_configuration_changes_only_its_stream(api: Api) -> None:
    await configure(api, {"max_clusters": 7})
    other = (await api.get(f"{CONFIG}?stream=other")).json
    assert other["params"] == DEFAULTS


@each_bad_value
async def test_a_bad_value_is_refused_by_name_and_range(
    api: Api, params: dict[str, Any], message: str
) -> None:
    answer = await configure(api, params)
    assert answer.status == 422
    assert answer.json["error_code"] == "INVALID_PARAMETER"
    assert answer.json["detail"][0]["msg"] == message


@each_bad_value
async def test_a_refused_configuration_changes_nothing(
    api: Api, params: dict[str, Any], message: str
) -> None:
    await api.process([[1.0]])
    before = await api.state()
    await configure(api, {"memory_limit_mb": 1.0} | params)
    assert await api.state() == before


@each_bad_value
async def test_a_refused_configuration_makes_no_stream(
    api: Api, params: dict[str, Any], message: str
) -> None:
    await configure(api, params)
    assert (await api.get("/api/v1/streams")).json == []


async def test_the_metric_may_be_chosen_before_the_first_point(api: Api) -> None:
    assert (await configure(api, {"metric": "cosine"})).status == 200
    await api.process([[1.0, 1.0], [900.0, 900.0]])
    assert (await api.get("/api/v1/algorithm_status")).json["active_clusters"] == 1


async def test_the_metric_is_fixed_by_the_first_point(api: Api) -> None:
    await api.process([[1.0]])
    answer = await configure(api, {"metric": "cosine"})
    assert answer.status == 422
    assert answer.json["error_code"] == "INVALID_PARAMETER"
    assert "metric is fixed by the first point" in answer.json["detail"][0]["msg"]


async def test_a_refused_change_of_the_metric_keeps_the_rest_too(api: Api) -> None:
    await api.process([[1.0]])
    await configure(api, {"metric": "cosine", "max_clusters": 7})
    assert (await api.get(CONFIG)).json["params"] == DEFAULTS


@pytest.mark.security
async def test_configuring_needs_the_scope_admin(api: Api) -> None:
    token = api.token("read", "write")
    answer = await configure(api, {"max_clusters": 7}, credential=token)
    assert answer.status == 403
    assert (await api.get(CONFIG)).json["params"] == DEFAULTS


@pytest.mark.security
async def test_a_long_bad_value_is_not_sent_back_whole(api: Api) -> None:
    answer = await configure(api, {"metric": "x" * 100_000})
    assert answer.status == 422
    assert len(answer.body) < 1000


# Sent along with points


async def test_parameters_sent_with_points_hold_from_these_points_on(api: Api) -> None:
    points = blob(200) + blob(200, at=100.0)
    answer = await api.process(points, algorithm_params={"max_clusters": 1})
    assert answer.status == 200
    assert len((await api.get("/api/v1/clusters_summary")).json) <= 1


async def test_parameters_sent_with_points_show_in_the_config(api: Api) -> None:
    await api.process([[1.0]], algorithm_params={"max_clusters": 7})
    assert (await api.get(CONFIG)).json["params"] == DEFAULTS | {"max_clusters": 7}


@pytest.mark.security
async def test_parameters_sent_with_points_need_the_scope_admin(api: Api) -> None:
    answer = await api.process(
        [[1.0]],
        algorithm_params={"max_clusters": 7},
        credential=api.token("read", "write"),
    )
    assert answer.status == 403
    assert "'admin'" in answer.json["detail"]


@pytest.mark.security
async def test_points_whose_parameters_are_forbidden_do_not_count(api: Api) -> None:
    token = api.token("read", "write")
    await api.process([[1.0]], algorithm_params={}, credential=token)
    assert await api.total() == 0


@each_bad_value
async def test_bad_parameters_sent_with_points_are_refused(
    api: Api, params: dict[str, Any], message: str
) -> None:
    answer = await api.process([[1.0]], algorithm_params=params)
    assert answer.status == 422
    assert answer.json["detail"][0]["msg"] == message


async def test_points_with_bad_parameters_do_not_count(api: Api) -> None:
    await api.process([[1.0]], algorithm_params={"max_clusters": 0})
    assert await api.total() == 0


async def test_points_that_come_with_another_metric_do_not_count(api: Api) -> None:
    await api.process([[1.0]])
    answer = await api.process([[2.0]], algorithm_params={"metric": "cosine"})
    assert answer.status == 422
    assert await api.total() == 1


@pytest.mark.parametrize("name", PRESETS)
async def test_a_preset_can_be_put_in_force(api: Api, name: str) -> None:
    answer = await configure(api, dict(PRESETS[name]))
    assert (200, preset(name).as_dict()) == (answer.status, answer.json["params"])
