import numpy as np
import pytest

from ncs_streamer.bench.scores import area_under_roc
from ncs_streamer.bench.sdostream import SDOstream

pytestmark = pytest.mark.unit


def scores_of(points: np.ndarray, **settings: int) -> np.ndarray:
    model = SDOstream(**settings)
    return np.array([model.score_then_learn(point) for point in points])


def test_the_score_is_the_median_distance_to_the_nearest_observers() -> None:
    scores = scores_of(np.array([[0.0], [1.0], [3.0]]))
    assert [0.0, 1.0, (3 + 2) / 2] == scores.tolist()


def test_a_point_is_scored_before_it_is_learned() -> None:
    points = np.random.default_rng(0).normal(size=(300, 2))
    assert np.array_equal(scores_of(points)[:200], scores_of(points[:200]))


def test_far_points_score_above_near_ones() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(2000, 3))
    far = np.arange(500, 2000, 50)
    points[far] += rng.choice([-1, 1], (len(far), 3)) * 8.0
    positive = np.isin(np.arange(2000), far)
    area = area_under_roc(positive, scores_of(points))
    assert area is not None and area > 0.99


def test_the_observers_follow_where_the_points_go() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(6000, 2))
    points[2000:] += 50.0
    scores = scores_of(points)
    assert scores[2000] > 40
    assert np.median(scores[-500:]) < 2 * np.median(scores[1500:2000])


def test_there_are_never_more_observers_than_asked_for() -> None:
    model = SDOstream(observers=10)
    for point in np.random.default_rng(0).normal(size=(500, 2)):
        model.score_then_learn(point)
    assert 10 == len(model._at) == len(model._seen) == len(model._lived)
