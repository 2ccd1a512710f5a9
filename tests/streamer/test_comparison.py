from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from ncs_engine import EngineParams
from ncs_streamer.bench.scores import ari
from ncs_streamer.comparison import Comparison
from ncs_streamer.entry import Entry
from ncs_streamer.stream_model import StreamModel

from .histories import entries_of

pytestmark = pytest.mark.unit


def compare(entries: list[Entry], **tried: Any) -> Comparison:
    model = StreamModel("s", "", EngineParams())
    comparison = Comparison(model, [tried] if tried else [])
    for offset, entry in enumerate(entries, 1):
        for _ in comparison.steps(offset, entry):
            pass
    return comparison


HISTORY = [*itertools.islice(entries_of(3), 20)]
CENTRES = np.array([[0.0, 0.0], [30.0, 0.0], [0.0, 30.0]])
RNG = np.random.default_rng(0)
TRUTH = RNG.integers(3, size=300)
BLOBS = (CENTRES[TRUTH] + RNG.normal(size=(300, 2))).reshape(6, 50, 2)
BEGIN = Entry(kind="begin", ingest_ns=0, params=EngineParams().as_dict())
BATCHES = [BEGIN, *(Entry(kind="points", ingest_ns=1, points=b) for b in BLOBS)]


def test_the_settings_in_force_agree_with_themselves() -> None:
    comparison = compare(HISTORY, quality_check_interval=0)
    assert comparison.tried[0].agreement.value == 1.0
    told = [side.as_dict() for side in (comparison.in_force, *comparison.tried)]
    for numbers in told:
        del numbers["points_per_second"]
    assert told[0] == told[1]


def test_parameters_hold_against_those_in_the_journal() -> None:
    again = Entry(kind="configure", ingest_ns=2, params={"max_clusters": 9})
    comparison = compare([*BATCHES, again, BATCHES[1]], max_clusters=1)
    assert comparison.in_force.as_dict()["clusters"] == 3
    assert comparison.tried[0].as_dict()["clusters"] == 1
    assert comparison.in_force.model.engine.params.max_clusters == 9


def test_the_agreement_is_the_adjusted_rand_index_of_the_assignments() -> None:
    comparison = compare(BATCHES, max_clusters=2)
    labels = []
    for limit in (1000, 2):
        model = StreamModel("s", "", EngineParams(max_clusters=limit))
        results = [model.engine.learn(block).cluster_ids for block in BLOBS]
        labels.append(np.concatenate(results))
    agreement = comparison.tried[0].agreement.value
    assert agreement == pytest.approx(ari(*labels))
    assert agreement < 1.0


def test_outliers_and_points_are_counted() -> None:
    told = compare(BATCHES, outlier_threshold=0.05)
    sides = [side.as_dict() for side in (told.in_force, *told.tried)]
    assert [side["points"] for side in sides] == [300, 300]
    rates = [side["outlier_rate"] for side in sides]
    assert rates[0] < rates[1] <= 1.0


def test_the_replay_is_not_touched_by_what_is_tried() -> None:
    alone, beside = compare(HISTORY), compare(HISTORY, base_threshold=0.1)
    assert not alone.tried
    assert alone.in_force.model.snapshot() == beside.in_force.model.snapshot()


def test_another_metric_cannot_be_tried_on_a_model_with_points() -> None:
    model = StreamModel("s", "", EngineParams())
    model.engine.learn(BLOBS[0])
    with pytest.raises(ValueError, match="metric is fixed"):
        Comparison(model, [{"metric": "cosine"}])


def test_the_silhouette_is_that_of_the_last_points_under_the_final_model() -> None:
    comparison = compare(BATCHES, max_clusters=2)
    three = comparison.silhouette(comparison.in_force)
    assert 0.8 < three <= 1.0
    assert comparison.silhouette(comparison.tried[0]) < three


def test_a_reset_begins_the_silhouette_anew() -> None:
    flat = Entry(kind="points", ingest_ns=3, points=np.zeros((1, 5)))
    comparison = compare([*BATCHES, Entry(kind="reset", ingest_ns=2), flat])
    assert comparison.silhouette(comparison.in_force) == 0.0


def test_several_configurations_are_tried_side_by_side() -> None:
    both = Comparison(
        StreamModel("s", "", EngineParams()),
        [{"max_clusters": 1}, {"max_clusters": 2}],
    )
    for offset, entry in enumerate(BATCHES, 1):
        assert len(list(both.steps(offset, entry))) == 3
    found = [side.as_dict()["clusters"] for side in both.tried]
    assert found == [
        compare(BATCHES, max_clusters=limit).tried[0].as_dict()["clusters"]
        for limit in (1, 2)
    ]
