from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from ncs_engine import Engine, EngineParams

from .streams import Points, blobs, gaussian

pytestmark = pytest.mark.unit

INTEGERS = np.random.default_rng(0).integers(-100, 100, (300, 4))


@pytest.mark.parametrize(
    "points",
    [
        INTEGERS,
        INTEGERS.astype(np.float32),
        INTEGERS.astype(np.int16),
        INTEGERS.tolist(),
        tuple(map(tuple, INTEGERS.tolist())),
        np.asfortranarray(INTEGERS, dtype=np.float64),
        INTEGERS.astype(">f8"),
        np.repeat(INTEGERS, 2, axis=0)[::2],
    ],
    ids=["int64", "f4", "int16", "list", "tuple", "fortran", "big-endian", "strided"],
)
def test_the_type_of_the_points_does_not_matter(points: Points) -> None:
    given_, plain = Engine(), Engine()
    given_.learn(points)
    plain.learn(INTEGERS.astype(np.float64))
    assert given_.snapshot() == plain.snapshot()


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_points_are_not_modified(metric: str) -> None:
    points, _ = blobs(4, 300)
    copy = points.copy()
    Engine(EngineParams().replace(metric=metric)).learn(points)
    assert points.tobytes() == copy.tobytes()


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_read_only_points_are_accepted(metric: str) -> None:
    points, _ = blobs(5, 300)
    points.flags.writeable = False
    engine = Engine(EngineParams().replace(metric=metric))
    assert len(engine.learn(points).cluster_ids) == 300


def test_points_may_change_after_they_were_learned() -> None:
    points, _ = blobs(6, 300)
    one, other = Engine(), Engine()
    one.learn(points[:150].copy())
    other.learn(points[:150])
    points[:150] = 0.0
    one.learn(points[150:])
    other.learn(points[150:])
    assert one.snapshot() == other.snapshot()


BAD: dict[str, Any] = {
    "one-dimensional": [1.0, 2.0],
    "three-dimensional": np.zeros((2, 2, 2)),
    "a number": 1.0,
    "without features": np.zeros((2, 0)),
    "wider": [[1.0, 2.0, 3.0]],
    "narrower": [[1.0]],
    "nan": [[1.0, math.nan]],
    "infinite": [[1.0, math.inf]],
    "nan behind good points": [[1.0, 2.0], [3.0, 4.0], [math.nan, 0.0]],
    "ragged": [[1.0, 2.0], [3.0]],
    "words": [["a", "b"]],
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_bad_points_are_refused(bad: Points) -> None:
    engine = Engine()
    engine.learn(gaussian(0, 40, 2))
    with pytest.raises(ValueError, match=r".+"):
        engine.learn(bad)


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_nothing_is_learned_of_bad_points(bad: Points) -> None:
    engine = Engine()
    engine.learn(gaussian(0, 40, 2))
    before = engine.snapshot()
    with pytest.raises(ValueError, match=r".+"):
        engine.learn(bad)
    assert engine.snapshot() == before


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_bad_points_are_not_predicted(bad: Points) -> None:
    engine = Engine()
    engine.learn(gaussian(0, 40, 2))
    with pytest.raises(ValueError, match=r".+"):
        engine.predict(bad)


@pytest.mark.parametrize("bad", ["one-dimensional", "nan", "without features"])
def test_a_bad_first_point_fixes_nothing(bad: str) -> None:
    engine = Engine()
    with pytest.raises(ValueError, match="points must"):
        engine.learn(BAD[bad])
    assert engine.dimension is None


def test_a_wrong_dimension_is_told_with_the_right_one() -> None:
    engine = Engine()
    engine.learn([[1.0, 2.0]])
    with pytest.raises(ValueError, match="points have 3 dimensions, expected 2"):
        engine.learn([[1.0, 2.0, 3.0]])
