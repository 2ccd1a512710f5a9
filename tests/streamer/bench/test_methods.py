"""What is run: the engine as it is, and peers through fakes of their packages."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from ncs_engine import Engine
from ncs_streamer.bench.detectors import DETECTORS
from ncs_streamer.bench.methods import INSTALL, NCS, Method, missing_line
from ncs_streamer.bench.peers import CLUSTERERS
from ncs_streamer.bench.scaling import running_standard, running_unit

pytestmark = pytest.mark.unit

POINTS = np.random.default_rng(0).normal(size=(250, 2)).astype(np.float32)
BY_NAME = {method.name: method for method in (NCS, *CLUSTERERS, *DETECTORS)}


def fake(monkeypatch: pytest.MonkeyPatch, name: str, **members: Any) -> None:
    """Put a module in the place of a package that may not be installed."""
    module = ModuleType(name)
    for member, value in members.items():
        setattr(module, member, value)
    monkeypatch.setitem(sys.modules, name, module)
    if "." in name:
        parent, _, own = name.rpartition(".")
        monkeypatch.setattr(sys.modules[parent], own, module, raising=False)


class Recorder:
    """A clusterer or detector of river that writes down what it is asked."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings
        self.calls: list[tuple[str, list[float]]] = []
        self.drift_detected = False
        made.append(self)

    def predict_one(self, point: dict[int, float]) -> int | None:
        self.calls.append(("predict", list(point.values())))
        return None if len(self.calls) == 2 else 5

    def score_one(self, point: dict[int, float]) -> float:
        self.calls.append(("score", list(point.values())))
        return sum(point.values())

    def learn_one(self, point: dict[int, float]) -> None:
        self.calls.append(("learn", list(point.values())))

    def update(self, value: float) -> None:
        self.calls.append(("update", [value]))
        self.drift_detected = len(self.calls) in (100, 200)


made: list[Recorder] = []


@pytest.fixture
def river(monkeypatch: pytest.MonkeyPatch) -> list[Recorder]:
    names = [m.name for m in CLUSTERERS if m.package == "river"]
    fake(monkeypatch, "river")
    fake(monkeypatch, "river.cluster", **dict.fromkeys(names, Recorder))
    fake(monkeypatch, "river.anomaly", HalfSpaceTrees=Recorder)
    fake(monkeypatch, "river.drift", ADWIN=Recorder)
    made.clear()
    return made


def test_ncs_is_the_engine_with_its_defaults() -> None:
    verdicts, result = NCS.run(POINTS), Engine().learn(POINTS)
    assert np.array_equal(verdicts.ids, result.cluster_ids)
    assert np.array_equal(verdicts.flags, result.is_outlier)
    assert verdicts.scores is not None
    assert np.array_equal(verdicts.scores.astype(np.float32), result.outlier_scores)


@pytest.mark.parametrize("name", ["DBSTREAM", "DenStream", "CluStream", "STREAMKMeans"])
def test_river_is_asked_for_a_point_before_it_learns_it(
    river: list[Recorder], name: str
) -> None:
    ids = BY_NAME[name].run(POINTS).ids
    (model,) = river
    assert ids is not None
    assert [0, -1, *[5] * 248] == ids.tolist()  # the second is of no cluster
    assert ["learn", *["predict", "learn"] * 249] == [call for call, _ in model.calls]
    assert model.calls[-1][1] == running_standard(POINTS)[-1].tolist()
    assert model.settings == BY_NAME[name].settings


def test_half_space_trees_score_points_of_the_unit_cube(river: list[Recorder]) -> None:
    scores = BY_NAME["HalfSpaceTrees"].run(POINTS).scores
    assert scores == pytest.approx(running_unit(POINTS).sum(axis=1))
    assert ["score", "learn"] * 250 == [call for call, _ in river[0].calls]


def test_adwin_watches_every_feature(river: list[Recorder]) -> None:
    assert (100, 200) == BY_NAME["ADWIN"].run(POINTS).drift
    assert 2 == len(river)


class Blocks:
    """A clusterer of scikit-learn that writes down what it is asked."""

    calls: tuple[tuple[str, int], ...] = ()

    def __init__(self, **settings: Any) -> None:
        self.settings = settings
        Blocks.calls = ()

    def partial_fit(self, block: np.ndarray) -> None:
        Blocks.calls += (("learn", len(block)),)

    def predict(self, block: np.ndarray) -> np.ndarray:
        Blocks.calls += (("predict", len(block)),)
        return np.full(len(block), 3)


@pytest.mark.parametrize("name", ["MiniBatchKMeans", "Birch"])
def test_scikit_learn_labels_every_block_but_the_first_before_it_learns_it(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    fake(monkeypatch, "sklearn")
    fake(monkeypatch, "sklearn.cluster", MiniBatchKMeans=Blocks, Birch=Blocks)
    fake(
        monkeypatch,
        "threadpoolctl",
        threadpool_limits=lambda limits: contextlib.nullcontext(),
    )
    ids = BY_NAME[name].run(POINTS).ids
    assert ids is not None and [3] * 250 == ids.tolist()
    assert (
        ("learn", 100),
        ("predict", 100),
        ("predict", 100),
        ("learn", 100),
        ("predict", 50),
        ("learn", 50),
    ) == Blocks.calls


def test_the_z_norm_is_the_length_of_the_standardised_point() -> None:
    scores = BY_NAME["z-norm"].run(POINTS).scores
    assert scores is not None
    assert scores[-1] == pytest.approx(np.linalg.norm(running_standard(POINTS)[-1]))


def test_sdostream_gives_a_score_per_point() -> None:
    scores = BY_NAME["SDOstream"].run(POINTS).scores
    assert scores is not None and (250,) == scores.shape


def test_a_method_knows_whether_its_package_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert NCS.installed
    assert ["SDOstream", "z-norm"] == [m.name for m in DETECTORS if m.installed]
    assert not any(method.installed for method in CLUSTERERS)


def test_what_is_missing_is_said_with_the_command_that_installs_it() -> None:
    line = missing_line([BY_NAME["DBSTREAM"], BY_NAME["Birch"]])
    assert "DBSTREAM (river), Birch (scikit-learn)" in line
    assert INSTALL in line


def test_names_of_methods_are_unique() -> None:
    assert len(BY_NAME) == 1 + len(CLUSTERERS) + len(DETECTORS)
    assert all(isinstance(method, Method) for method in BY_NAME.values())
