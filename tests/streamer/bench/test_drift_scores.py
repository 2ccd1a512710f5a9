import numpy as np
import pytest

from ncs_streamer.bench.drift_scores import HORIZON, birth_delays, score_drift

pytestmark = pytest.mark.unit


def test_the_first_report_after_a_change_is_its_delay() -> None:
    score = score_drift([5000], [5040, 5300])
    assert ((40,), 0) == (score.delays, score.false_alarms)


def test_a_change_without_a_report_is_not_found() -> None:
    assert (None,) == score_drift([5000], []).delays


@pytest.mark.parametrize("at", [4999, 5000 + HORIZON + 1])
def test_a_report_that_follows_no_change_is_a_false_alarm(at: int) -> None:
    score = score_drift([5000], [at])
    assert ((None,), 1) == (score.delays, score.false_alarms)


@pytest.mark.parametrize("at", [5000, 5000 + HORIZON])
def test_the_horizon_has_both_its_ends(at: int) -> None:
    assert ((at - 5000,), 0) == (
        score_drift([5000], [at]).delays,
        score_drift([5000], [at]).false_alarms,
    )


def stream(born: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return truth and ids: class 0 is cluster 7; then class 1 with the ids `born`."""
    truth = np.zeros(4000, np.int64)
    truth[2000 : 2000 + len(born)] = 1
    ids = np.full(4000, 7, np.int64)
    ids[2000 : 2000 + len(born)] = born
    return truth, ids


def test_a_birth_is_noticed_at_the_first_point_with_the_majority_id() -> None:
    assert [4] == birth_delays(*stream([-1, 7, 8, 9, 9, 9, 9]))


def test_a_mode_that_gets_an_old_id_is_not_noticed() -> None:
    assert [None] == birth_delays(*stream([7] * 50))


def test_a_mode_of_outliers_only_is_not_noticed() -> None:
    assert [None] == birth_delays(*stream([-1] * 50))


def test_the_classes_of_the_start_are_no_births() -> None:
    truth, ids = stream([8] * 50)
    assert [] == birth_delays(truth[1500:], ids[1500:])


def test_outliers_are_no_class_that_is_born() -> None:
    truth, ids = stream([8] * 50)
    assert [] == birth_delays(np.where(truth == 1, -1, 0), ids)
