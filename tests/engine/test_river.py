"""The river adapter as a duck: the tests run with and without river.

Where river is installed, its own checks run too. What `make test` installs has none, so
there the class stands on its own base; `make check-river` runs these with river.
"""

from __future__ import annotations

import copy
import importlib.util
import inspect
import pickle
from typing import Any

import numpy as np
import pytest

from ncs_engine import Engine, EngineParams, NCSProcessingError
from ncs_engine.river import NCSClusterer

from .streams import blobs

pytestmark = pytest.mark.unit

NAMES = ("x", "y", "z")


class Frame:
    """As much of a pandas DataFrame as is used."""

    def __init__(self, rows: list[dict[str, float]]) -> None:
        self.rows, self.index = rows, range(10, 10 + len(rows))

    def __len__(self) -> int:
        return len(self.rows)

    def to_dict(self, orient: str) -> list[dict[str, float]]:
        assert orient == "records"
        return self.rows


class Pandas:
    """As much of pandas as is used."""

    @staticmethod
    def Series(values: Any, index: Any, name: str) -> tuple[list[int], list[int], str]:
        return list(values), list(index), name


def rows(seed: int, n: int) -> list[dict[str, float]]:
    return [dict(zip(NAMES, point, strict=True)) for point in blobs(seed, n)[0]]


def taught(n: int = 600) -> NCSClusterer:
    model = NCSClusterer()
    for row in rows(0, n):
        model.learn_one(row)
    return model


def answers(model: NCSClusterer) -> list[int]:
    return [model.predict_one(row) for row in rows(1, 100)]


def test_it_says_what_an_engine_says() -> None:
    engine = Engine()
    engine.learn(blobs(0, 600)[0])
    ids = engine.predict(blobs(1, 100)[0]).cluster_ids.tolist()
    assert answers(taught()) == ids


def test_the_order_of_the_features_does_not_matter() -> None:
    model = NCSClusterer()
    for i, row in enumerate(rows(0, 600)):
        names = NAMES if i % 2 else NAMES[::-1]
        model.learn_one({name: row[name] for name in names})
    assert answers(model) == answers(taught())


def test_features_may_have_names_of_any_kind() -> None:
    model = NCSClusterer()
    model.learn_one({1: 1.0, "1": 2.0, ("a", 1): 3.0})
    assert set(model.features) == {1, "1", ("a", 1)}


def test_before_any_point_there_is_no_cluster() -> None:
    assert NCSClusterer().predict_one({"x": 1.0}) == -1


def test_an_id_is_a_plain_int() -> None:
    assert type(taught(40).predict_one(rows(1, 1)[0])) is int


def test_predict_learns_nothing() -> None:
    model = taught()
    answers(model)
    assert model.engine.points_learned == 600


def test_a_missing_feature_counts_as_its_mean_so_far() -> None:
    model, full = NCSClusterer(), NCSClusterer()
    for row in ({"x": 1.0, "y": 4.0}, {"x": 3.0, "y": 8.0}):
        model.learn_one(row)
        full.learn_one(row)
    model.learn_one({"x": 2.0})
    full.learn_one({"x": 2.0, "y": 6.0})
    assert model.engine.snapshot() == full.engine.snapshot()


def test_a_feature_that_appears_later_is_ignored() -> None:
    model, other = taught(100), taught(100)
    row = rows(1, 1)[0]
    model.learn_one(row | {"new": 1e9})
    other.learn_one(row)
    assert model.engine.snapshot() == other.engine.snapshot()


def test_a_point_without_features_is_passed_over() -> None:
    model = NCSClusterer()
    model.learn_one({})
    model.learn_one({"x": 1.0})
    assert model.features == ["x"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "much", None])
def test_a_value_that_is_no_finite_number_is_refused(value: Any) -> None:
    with pytest.raises(NCSProcessingError):
        NCSClusterer().learn_one({"x": value})


def test_a_refused_first_point_fixes_no_features() -> None:
    model = NCSClusterer()
    with pytest.raises(NCSProcessingError):
        model.learn_one({"x": float("nan"), "y": 1.0})
    model.learn_one({"a": 1.0})
    assert model.features == ["a"]


def test_a_point_is_not_changed() -> None:
    row = {"x": 1.0, "y": 2.0}
    NCSClusterer().learn_one(row)
    assert row == {"x": 1.0, "y": 2.0}


def test_a_frame_is_learned_row_by_row() -> None:
    model = NCSClusterer()
    model.learn_many(Frame(rows(0, 600)))
    assert answers(model) == answers(taught())


@pytest.mark.parametrize("model", [NCSClusterer(), taught()], ids=["new", "taught"])
def test_a_frame_is_predicted_row_by_row(
    model: NCSClusterer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pandas", Pandas)
    ids, index, name = model.predict_many(Frame(rows(1, 100)))
    assert (ids, index, name) == (answers(model), list(range(10, 110)), "cluster")


def test_a_clone_has_the_parameters_and_no_points() -> None:
    model = NCSClusterer(max_clusters=3)
    model.learn_one({"x": 1.0})
    clone = model.clone()
    assert (clone.max_clusters, clone.engine.points_learned) == (3, 0)


def test_a_clone_takes_other_parameters() -> None:
    clone = NCSClusterer(max_clusters=3).clone({"base_threshold": 0.8})
    assert clone.engine.params.base_threshold == 0.8


def test_a_clone_with_attributes_goes_on() -> None:
    clone = taught().clone(include_attributes=True)
    assert answers(clone) == answers(taught())


@pytest.mark.parametrize(
    "twin", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))]
)
def test_a_copy_goes_on(twin: Any) -> None:
    assert answers(twin(taught())) == answers(taught())


def test_its_defaults_are_those_of_the_engine() -> None:
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(NCSClusterer).parameters.items()
    }
    assert defaults.items() <= EngineParams().as_dict().items()


def test_a_parameter_outside_its_range_is_refused() -> None:
    with pytest.raises(ValueError, match="base_threshold"):
        NCSClusterer(base_threshold=2.0)


def test_the_number_of_clusters_is_told() -> None:
    rng = np.random.default_rng(0)
    model = NCSClusterer()
    for value in np.concatenate([rng.normal(size=600), rng.normal(size=600) + 40]):
        model.learn_one({"x": value})
    assert model.n_clusters == 2


if importlib.util.find_spec("river"):
    from river import base, checks

    def test_river_takes_it_for_a_clusterer() -> None:
        assert isinstance(NCSClusterer(), base.Clusterer)

    @pytest.mark.parametrize("check", list(checks.yield_checks(NCSClusterer())))
    def test_a_check_of_river_passes(check: Any) -> None:
        check(NCSClusterer())
