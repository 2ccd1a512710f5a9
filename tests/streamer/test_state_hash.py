from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import ncs_engine
from ncs_engine import Change, Drift, LearnResult
from ncs_streamer.state_hash import NO_HASH, engine_name, next_hash

pytestmark = pytest.mark.unit

RESULT = LearnResult(
    np.array([0, 1], np.int64), np.array([False, True]), np.array([0.1, 0.9], "f4")
)
DRIFT = Drift("low", 0.5, (1,), "wait", 7)
USUAL: dict[str, Any] = {
    "previous": NO_HASH, "offset": 1, "lossless": 2, "keyed": 3, "result": RESULT,
    "changes": [Change("created", 1, 5)],
}  # fmt: skip
OTHERS: dict[str, dict[str, Any]] = {
    "the hash before": {"previous": bytes(15) + b"\1"},
    "the offset": {"offset": 2},
    "the lossless events": {"lossless": 3},
    "the changes of clusters": {"keyed": 4},
    "a cluster id": {
        "result": dataclasses.replace(RESULT, cluster_ids=np.array([0, 2]))
    },
    "a flag": {
        "result": dataclasses.replace(RESULT, is_outlier=np.array([False, False]))
    },
    "the last bit of a score": {
        "result": dataclasses.replace(
            RESULT,
            outlier_scores=np.nextafter(RESULT.outlier_scores, np.float32(1)),
        )
    },
    "a drift": {"result": dataclasses.replace(RESULT, drift=[DRIFT])},
    "a change": {"changes": [Change("created", 1, 6)]},
    "no points": {"result": None},
}


def test_the_same_gives_the_same() -> None:
    assert next_hash(**USUAL) == next_hash(**USUAL)


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_a_hash_depends_on(other: dict[str, Any]) -> None:
    assert next_hash(**USUAL | other) != next_hash(**USUAL)


def test_the_engine_is_named_by_version_and_behaviour() -> None:
    version, _, digest = engine_name().partition("+")
    assert (version, len(digest)) == (ncs_engine.__version__, 8)


def test_the_name_does_not_depend_on_the_process() -> None:
    said = subprocess.run(
        [
            sys.executable,
            "-c",
            "from ncs_streamer.state_hash import engine_name; print(engine_name())",
        ],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "7"},
    ).stdout
    assert said.strip() == engine_name()
