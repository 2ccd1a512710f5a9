"""A simulated plant: a fleet of machines with eight sensors each, and the truth.

It exists because a demo of clustering needs data of which the right answer is known and
in which something happens on time: 45 s after the start a product is made that was not
made before (a cluster is born), 90 s after it the recipe of another changes (the data
drift). Around that it is as untidy as a plant: machines differ and change regime at
random times, the hall warms and cools with the day, sensors spike and drift until they
are recalibrated, and now and then a machine runs hot.

A machine goes from one regime to the next within one sample. Real ones take a while,
but what they read in between belongs to no regime: there would be no truth to it.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "FAULT",
    "NEW_REGIME_AT",
    "POINTS_PER_SECOND",
    "RECIPE_CHANGE_AT",
    "REGIMES",
    "Block",
    "Plant",
]

POINTS_PER_SECOND = 4000
"""Points of the whole fleet in a simulated second."""
NEW_REGIME_AT = 45.0
"""Seconds after the start from which production C is ordered."""
RECIPE_CHANGE_AT = 90.0
"""Seconds after the start at which the recipe of production B changes."""
FAULT = -1
"""The regime of a point that a spike or a fault has spoilt."""

# Mean stay in s; then what the sensors typically read, in the order of `_SENSORS`.
_REGIMES = {
    "idle": (4.0, 30.0, 105.0, 0.8, 7.0, 12.0, 50.0, 350.0, 52.0),
    "warm_up": (4.0, 52.0, 190.0, 1.7, 20.0, 24.0, 44.0, 1150.0, 63.0),
    "production_a": (20.0, 78.0, 430.0, 2.9, 34.0, 48.0, 36.0, 2950.0, 77.0),
    "production_b": (20.0, 94.0, 640.0, 4.3, 47.0, 76.0, 29.0, 1900.0, 84.0),
    "cleaning": (4.0, 62.0, 150.0, 1.2, 12.0, 125.0, 74.0, 700.0, 70.0),
    "production_c": (20.0, 70.0, 300.0, 6.4, 60.0, 30.0, 33.0, 4300.0, 91.0),
}
_NEW_RECIPE = (99.0, 800.0, 2.4, 38.0, 108.0, 27.0, 2500.0, 80.0)
# In the unit of the sensor: range (2), deviation of its noise, what a load common to
# all sensors adds, amplitude over the day, what a fault adds.
_SENSORS = {
    "temperature_c": (-20.0, 200.0, 1.1, 1.5, 5.0, 45.0),
    "pressure_kpa": (0.0, 1600.0, 12.0, 18.0, 0.0, 60.0),
    "vibration_mm_s": (0.0, 20.0, 0.20, 0.26, 0.0, 3.5),
    "current_a": (0.0, 120.0, 1.4, 2.2, 0.0, 14.0),
    "flow_l_min": (0.0, 250.0, 3.0, 3.2, 0.0, -12.0),
    "humidity_pct": (0.0, 100.0, 1.6, -1.1, -5.0, -5.0),
    "speed_rpm": (0.0, 8000.0, 65.0, 80.0, 0.0, -250.0),
    "acoustic_db": (30.0, 130.0, 1.1, 1.4, 0.0, 9.0),
}
REGIMES = tuple(_REGIMES)
"""Names of the regimes, by their number in `Block.regimes`."""
_IDLE, _WARM_UP, _A, _B, _CLEANING, _C = range(len(REGIMES))
_NEW_B = len(REGIMES)  # production B by the new recipe, in `_TYPICAL` only
_STAY = np.array([row[0] for row in _REGIMES.values()])
_TYPICAL = np.array([*(row[1:] for row in _REGIMES.values()), _NEW_RECIPE])
_LOWEST, _HIGHEST, _NOISE, _LOAD, _DAY, _HOT = np.array(list(_SENSORS.values())).T

_STAY_SHAPE = 16.0  # of a gamma distribution: its deviation is a quarter of the mean
_PRODUCING = 0.68  # share of the fleet below which no machine stops for cleaning
_ORDERS = {_A: 0.22, _B: 0.64, _C: 0.14}  # share of the machines that produce
_SECONDS_PER_DAY = 240.0
_RECALIBRATED_EVERY = 150.0  # s
_DRIFTING = 3  # every third machine has a sensor that drifts
_SPIKES = 0.003  # share of the points
_FAULT_AFTER = (20.0, 36.0)  # s, from one fault in the fleet to the next
_FAULT_LASTS = (2.0, 4.0)  # s
_CHUNK = 2048  # points simulated at once, to within a round of the fleet


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Consecutive points of the plant, and what is true of them."""

    points: NDArray[np.float32]
    """float32 (n, 8), C-contiguous, in the units that `Plant.names` ends in."""
    regimes: NDArray[np.int64]
    """int64 (n,): number of the regime in `REGIMES`, or `FAULT`."""
    times: NDArray[np.float64]
    """float64 (n,): simulated seconds since the start."""
    machines: NDArray[np.int64]
    """int64 (n,): number of the machine in the fleet."""


class Plant:
    """A fleet of machines that report in turn, `POINTS_PER_SECOND` points a second.

    Args:
        seed: the points depend on it and on `machines`, and not on how they are cut
            into blocks.
        machines: size of the fleet, at least 1.

    Attributes:
        names: the sensors, in the order of the columns of `Block.points`.

    Raises:
        ValueError: if `machines` is less than 1.
    """

    def __init__(self, seed: int = 0, machines: int = 24) -> None:
        if machines < 1:
            raise ValueError(f"machines must be at least 1, got {machines}")
        self.names = tuple(_SENSORS)
        self._rng = np.random.default_rng(seed)
        self._fleet = _Fleet(machines, self._rng)
        self._shape = (max(1, _CHUNK // machines), machines)
        self._offset = 0.5 * _NOISE * self._rng.standard_normal((machines, 8))
        drifting = np.arange(0, machines, _DRIFTING)
        sensor = self._rng.integers(8, size=len(drifting))
        self._drift = np.zeros((machines, 8))
        self._drift[drifting, sensor] = 1.5 * _NOISE[sensor]
        self._drift_phase = self._rng.random(machines)
        self._simulated = 0
        self._ready = self._simulate()

    def block(self, n: int) -> Block:
        """Return the next `n` points; the caller may keep and change them.

        Args:
            n: at least 0.

        Raises:
            ValueError: if `n` is negative.
        """
        if n < 0:
            raise ValueError(f"n must be at least 0, got {n}")
        parts = [self._ready]
        while sum(len(points) for points, *_ in parts) < n:
            parts.append(self._simulate())
        whole = [np.concatenate(column) for column in zip(*parts, strict=True)]
        self._ready = tuple(column[n:] for column in whole)
        # A copy, or a small block would keep the rest of its chunk in memory.
        return Block(*(column[:n].copy() for column in whole))

    # Always whole chunks of one size: so the random numbers fall on the same points
    # however the caller cuts them.
    def _simulate(self) -> tuple[NDArray[Any], ...]:
        rounds, machines = self._shape
        n = rounds * machines
        times = (self._simulated + np.arange(n)) / POINTS_PER_SECOND
        self._simulated += n
        clock = times.reshape(self._shape)
        regimes = self._fleet.live_through(clock)
        hot = self._fleet.running_hot(clock)
        readings = self._sense(clock, regimes)
        readings[hot] += _HOT
        points = readings.reshape(n, 8)
        spiked = self._spike(points)
        np.clip(points, _LOWEST, _HIGHEST, out=points)
        truth = np.where(hot.ravel() | spiked, FAULT, regimes.ravel())
        numbers = np.tile(np.arange(machines), rounds)
        return points.astype(np.float32), truth, times, numbers

    def _sense(
        self, clock: NDArray[np.float64], regimes: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return what sound machines read, float64 (rounds, machines, 8)."""
        renewed = (regimes == _B) & (clock >= RECIPE_CHANGE_AT)
        readings: NDArray[np.float64] = _TYPICAL[np.where(renewed, _NEW_B, regimes)]
        readings += self._offset
        age = (clock / _RECALIBRATED_EVERY + self._drift_phase) % 1.0
        readings += self._drift * age[..., None]
        readings += _DAY * np.sin(2.0 * np.pi * clock / _SECONDS_PER_DAY)[..., None]
        readings += _LOAD * self._rng.standard_normal((*self._shape, 1))
        readings += _NOISE * self._rng.standard_normal((*self._shape, 8))
        return readings

    def _spike(self, points: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Let single values jump, in place; return bool (n,), which points did."""
        spiked = self._rng.random(len(points)) < _SPIKES
        rows = np.flatnonzero(spiked)
        sensor = self._rng.integers(8, size=len(rows))
        height = (_HIGHEST - _LOWEST)[sensor] * self._rng.uniform(0.2, 0.5, len(rows))
        middle = (0.5 * (_HIGHEST + _LOWEST))[sensor]
        # Towards the middle of the range: the other way it would be clipped to nothing.
        points[rows, sensor] += np.copysign(height, middle - points[rows, sensor])
        return spiked


class _Fleet:
    """Which machine is in which regime, and which runs hot; semi-Markov."""

    def __init__(self, machines: int, rng: np.random.Generator) -> None:
        self._rng = rng
        # Spread over the cycle, so that all regimes are there from the first second.
        cycle = np.array([_IDLE, _WARM_UP, _B, _CLEANING])
        ends = np.cumsum(_STAY[cycle])
        at = rng.permutation(np.arange(machines) + rng.random()) * ends[-1] / machines
        stage = np.searchsorted(ends, at, side="right")
        self._regime: NDArray[np.int64] = cycle[stage]
        self._until = ends[stage] - at
        for machine in np.flatnonzero(self._regime == _B).tolist():
            self._regime[machine] = self._most_wanted(machine, 0.0)
        self._fault_from = np.full(machines, np.inf)
        self._fault_until = np.full(machines, np.inf)
        self._next_fault = rng.uniform(*_FAULT_AFTER)

    def live_through(self, clock: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the regimes at times float64 (rounds, machines), of that shape."""
        regimes = np.tile(self._regime, (len(clock), 1))
        while (at := self._until.min()) <= clock[-1, -1]:
            machine = int(self._until.argmin())
            regime = self._next(machine, at)
            stay = self._rng.gamma(_STAY_SHAPE, _STAY[regime] / _STAY_SHAPE)
            self._regime[machine] = regime
            self._until[machine] = at + stay
            regimes[clock[:, machine] >= at, machine] = regime
        return regimes

    def _next(self, machine: int, at: float) -> int:
        regime = int(self._regime[machine])
        if regime == _CLEANING:
            return _IDLE
        if regime == _IDLE:
            return _WARM_UP
        producing = np.isin(self._regime, list(_ORDERS)).sum()
        if regime in _ORDERS and producing > _PRODUCING * len(self._regime):
            return _CLEANING
        return self._most_wanted(machine, at)

    def _most_wanted(self, machine: int, at: float) -> int:
        """Return the product of which the other machines make least for its orders."""
        others = np.delete(self._regime, machine)
        made = np.bincount(others, minlength=len(REGIMES))
        ordered = [p for p in _ORDERS if p != _C or at >= NEW_REGIME_AT]
        total = made[ordered].sum() + 1
        return max(ordered, key=lambda p: float(_ORDERS[p] * total - made[p]))

    def running_hot(self, clock: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return whether a machine has a fault, at times (rounds, machines)."""
        while self._next_fault <= clock[-1, -1]:
            machine = self._rng.integers(len(self._regime))
            lasts = self._rng.uniform(*_FAULT_LASTS)
            self._fault_from[machine] = self._next_fault
            self._fault_until[machine] = self._next_fault + lasts
            self._next_fault += self._rng.uniform(*_FAULT_AFTER)
        return (clock >= self._fault_from) & (clock < self._fault_until)
