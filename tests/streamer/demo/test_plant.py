"""The simulated plant: reproducible, plausible, and with its two events on time."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

from ncs_streamer.demo.plant import (
    FAULT,
    NEW_REGIME_AT,
    POINTS_PER_SECOND,
    RECIPE_CHANGE_AT,
    REGIMES,
    Block,
    Plant,
)

pytestmark = pytest.mark.unit

NAMES = Plant().names
TEMPERATURE = NAMES.index("temperature_c")
CURRENT = NAMES.index("current_a")
ACOUSTIC = NAMES.index("acoustic_db")
PRODUCTION_B = REGIMES.index("production_b")
PRODUCTION_C = REGIMES.index("production_c")


@pytest.fixture(scope="module")
def demo() -> Block:
    """The first 100 s."""
    return Plant().block(100 * POINTS_PER_SECOND)


def assert_equal(one: Block, other: Block) -> None:
    for field in dataclasses.fields(Block):
        mine, theirs = getattr(one, field.name), getattr(other, field.name)
        assert mine.dtype == theirs.dtype
        assert np.array_equal(mine, theirs)


def joined(blocks: list[Block]) -> Block:
    names = [field.name for field in dataclasses.fields(Block)]
    return Block(
        *(np.concatenate([getattr(b, name) for b in blocks]) for name in names)
    )


@pytest.mark.parametrize(
    "cuts",
    [[10, 20], [1, 0, 29], [100] * 50, [2039, 1, 1, 2041], [5000, 3], [7] * 700],
)
def test_how_the_points_are_cut_into_blocks_does_not_change_them(
    cuts: list[int],
) -> None:
    plant = Plant(3)
    assert_equal(joined([plant.block(n) for n in cuts]), Plant(3).block(sum(cuts)))


def test_the_same_seed_gives_the_same_points() -> None:
    assert_equal(Plant(5).block(10_000), Plant(5).block(10_000))


def test_another_seed_gives_other_points() -> None:
    assert not np.array_equal(Plant(1).block(100).points, Plant(2).block(100).points)


def test_a_caller_may_change_a_block_without_changing_the_next() -> None:
    plant = Plant()
    plant.block(10).points[:] = 0.0
    assert np.array_equal(plant.block(20).points, Plant().block(30).points[10:])


@pytest.mark.parametrize("n", [0, 1, 30, 5000])
def test_a_block_has_the_documented_shapes_and_types(n: int) -> None:
    block = Plant().block(n)
    assert block.points.shape == (n, 8) and block.points.dtype == np.float32
    assert block.points.flags.c_contiguous
    assert block.regimes.shape == (n,) and block.regimes.dtype == np.int64
    assert block.times.shape == (n,) and block.times.dtype == np.float64
    assert block.machines.shape == (n,) and block.machines.dtype == np.int64


def test_there_are_eight_sensors_of_different_names() -> None:
    assert len(NAMES) == len(set(NAMES)) == 8


def test_a_block_of_fewer_than_no_points_is_refused() -> None:
    with pytest.raises(ValueError, match="n must be at least 0"):
        Plant().block(-1)


def test_a_plant_without_machines_is_refused() -> None:
    with pytest.raises(ValueError, match="machines must be at least 1"):
        Plant(machines=0)


@pytest.mark.parametrize("machines", [1, 2, 7, 3000])
def test_a_fleet_of_any_size_reports_in_turn(machines: int) -> None:
    block = Plant(machines=machines).block(6500)
    assert np.array_equal(block.machines, np.arange(6500) % machines)
    assert np.isfinite(block.points).all()


def test_the_time_goes_on_from_block_to_block() -> None:
    plant = Plant()
    plant.block(POINTS_PER_SECOND)
    times = plant.block(3).times
    assert times.tolist() == [1.0, 1.0 + 1 / 4000, 1.0 + 2 / 4000]


def test_every_value_is_finite_and_within_the_range_of_its_sensor(demo: Block) -> None:
    assert np.isfinite(demo.points).all()
    assert demo.points.min() >= -20.0 and demo.points.max() <= 8000.0


def test_every_regime_is_one_of_the_named_or_a_fault(demo: Block) -> None:
    assert set(np.unique(demo.regimes)) == {FAULT, *range(len(REGIMES))}


def test_all_regimes_of_the_start_are_there_in_nearly_every_second(
    demo: Block,
) -> None:
    seconds = demo.regimes.reshape(100, POINTS_PER_SECOND)
    for regime in set(range(len(REGIMES))) - {PRODUCTION_C}:
        present = (seconds == regime).any(axis=1)
        assert present.mean() >= 0.85, REGIMES[regime]


def test_production_c_is_not_made_before_its_time(demo: Block) -> None:
    early = demo.times < NEW_REGIME_AT
    assert PRODUCTION_C not in demo.regimes[early]


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_production_c_is_made_soon_after_its_time(seed: int) -> None:
    block = Plant(seed).block(60 * POINTS_PER_SECOND)
    first = block.times[block.regimes == PRODUCTION_C].min()
    assert first < NEW_REGIME_AT + 8.0


def test_the_new_recipe_moves_production_b_at_once(demo: Block) -> None:
    of_b = demo.regimes == PRODUCTION_B
    just_before = of_b & (abs(demo.times - (RECIPE_CHANGE_AT - 0.25)) < 0.25)
    just_after = of_b & (abs(demo.times - (RECIPE_CHANGE_AT + 0.25)) < 0.25)
    before, after = demo.points[just_before], demo.points[just_after]
    moved = abs(after.mean(axis=0) - before.mean(axis=0)) / before.std(axis=0)
    assert moved.max() > 5.0


def test_the_new_recipe_leaves_the_other_regimes_where_they_are(demo: Block) -> None:
    for regime in set(range(len(REGIMES))) - {PRODUCTION_B}:
        of_it = demo.regimes == regime
        before = demo.points[of_it & (abs(demo.times - 88.0) < 2.0)]
        after = demo.points[of_it & (abs(demo.times - 92.0) < 2.0)]
        moved = abs(after.mean(axis=0) - before.mean(axis=0)) / before.std(axis=0)
        assert moved.max() < 1.0, REGIMES[regime]


def test_the_new_recipe_meets_a_plant_that_makes_much_of_production_b(
    demo: Block,
) -> None:
    meanwhile = demo.regimes[abs(demo.times - RECIPE_CHANGE_AT) < 0.5]
    assert (meanwhile == PRODUCTION_B).mean() > 0.35


def test_regimes_are_far_apart_against_their_spread(demo: Block) -> None:
    calm = demo.times < 30.0
    clouds = [demo.points[calm & (demo.regimes == r)] for r in range(5)]
    for one, other in itertools.combinations(clouds, 2):
        spread = np.maximum(one.std(axis=0), other.std(axis=0))
        gap = abs(one.mean(axis=0) - other.mean(axis=0)) / spread
        assert gap.max() > 5.0


def test_the_sensors_of_a_regime_are_correlated(demo: Block) -> None:
    of_one = (demo.machines == 1) & (demo.regimes == PRODUCTION_B) & (demo.times < 60.0)
    matrix = np.corrcoef(demo.points[of_one].T)
    assert matrix[CURRENT, ACOUSTIC] > 0.4


def test_one_machine_is_not_like_another(demo: Block) -> None:
    calm = (demo.regimes == PRODUCTION_B) & (demo.times < RECIPE_CHANGE_AT)
    means = [
        demo.points[calm & (demo.machines == machine)].mean(axis=0)
        for machine in np.unique(demo.machines[calm])
    ]
    assert (np.std(means, axis=0) > 0.1 * demo.points[calm].std(axis=0)).all()


def test_machines_change_their_regime_now_and_then(demo: Block) -> None:
    regimes = demo.regimes[demo.machines == 0]
    sound = regimes[regimes != FAULT]
    assert 5 < np.count_nonzero(np.diff(sound)) < 50


def test_few_points_are_faults(demo: Block) -> None:
    assert 0.003 < (demo.regimes == FAULT).mean() < 0.03


def test_without_a_running_fault_some_three_in_a_thousand_points_are_spikes(
    demo: Block,
) -> None:
    first = demo.regimes[demo.times < 18.0]
    assert (first == FAULT).mean() == pytest.approx(0.003, abs=0.001)


def test_a_machine_that_runs_hot_does_so_for_seconds(demo: Block) -> None:
    whole = len(demo.regimes) - len(demo.regimes) % 24
    rounds = (demo.regimes[:whole] == FAULT).reshape(-1, 24)
    a_second = POINTS_PER_SECOND // 24
    windows = np.lib.stride_tricks.sliding_window_view(rounds, a_second, axis=0)
    assert windows.all(axis=-1).any()


def test_faults_are_hotter_than_sound_points(demo: Block) -> None:
    temperature = demo.points[:, TEMPERATURE]
    faulty = demo.regimes == FAULT
    assert temperature[faulty].mean() > temperature[~faulty].mean() + 10.0


def test_the_hall_is_warmer_at_noon_than_at_midnight() -> None:
    block = Plant().block(200 * POINTS_PER_SECOND)
    temperature = block.points[:, TEMPERATURE]
    idle = block.regimes == REGIMES.index("idle")
    noon = temperature[idle & (abs(block.times - 60.0) < 10.0)].mean()
    midnight = temperature[idle & (abs(block.times - 180.0) < 10.0)].mean()
    assert noon - midnight > 5.0
