"""The telemetry of the machine that this runs on, as one vector per sample.

It exists so that the demo can cluster something real and live: what a visitor does to
the machine (a build, a download, a full disk) shows as a cluster of its own. Rates are
heavy-tailed: in plain units, the few seconds at a thousand times the rest would stretch
the scale until the rest is one cluster. Their features are therefore log1p of the rate
and say `log` in their names.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray

__all__ = ["Machine", "Probe", "Read", "Reading"]

Reading = Mapping[str, float]
"""What one callable of a `Probe` has read, by name."""
Read = Callable[[], Reading]

_UNREADABLE = (OSError, ValueError, LookupError, AttributeError, RuntimeError)
_LIMIT = 1e6
_HEAT_EVERY = 5.0  # s: temperatures move slowly, and some take milliseconds to read
_COLDEST, _HOTTEST = -40.0, 150.0  # sensors that are not wired up report -128 or 255
_LOOPBACK = ("lo", "lo0", "Loopback Pseudo-Interface 1")
_LOADAVG = Path("/proc/loadavg")

# Raw counter -> (feature, what of it makes one unit).
_RATES = {
    "disk_read_bytes": ("disk_read_log_mb_s", 1e6),
    "disk_write_bytes": ("disk_write_log_mb_s", 1e6),
    "net_in_bytes": ("net_in_log_mb_s", 1e6),
    "net_out_bytes": ("net_out_log_mb_s", 1e6),
    "context_switches": ("context_switches_log_k_s", 1e3),
    "interrupts": ("interrupts_log_k_s", 1e3),
}


def read_cpu() -> Reading:
    """Return seconds since boot of all cores together, by kind."""
    times = psutil.cpu_times()._asdict()
    reading: dict[str, float] = {k: times[k] for k in ("idle", "iowait") if k in times}
    reading["user"] = times["user"] + times.get("nice", 0.0)
    reading["system"] = sum(times.get(k, 0.0) for k in ("system", "irq", "softirq"))
    # What guests take is in the user time already; what they are kept from is not.
    reading["other"] = times.get("steal", 0.0)
    return reading


def read_load() -> Reading:
    """Return the load average, and the threads where /proc tells them."""
    load = {"load_1min": psutil.getloadavg()[0]}
    if _LOADAVG.exists():
        load["threads"] = float(_LOADAVG.read_text().split()[3].partition("/")[2])
    return load


def read_memory() -> Reading:
    """Return the shares of memory in use, and in the page cache where known."""
    memory = psutil.virtual_memory()
    shares = {"memory_used_pct": memory.percent}
    if hasattr(memory, "cached"):
        shares["memory_cached_pct"] = 100.0 * memory.cached / memory.total
    return shares


def read_swap() -> Reading:
    """Return the share of swap in use; nothing on a machine without swap."""
    swap = psutil.swap_memory()
    return {"swap_used_pct": swap.percent} if swap.total else {}


def read_disk() -> Reading:
    """Return bytes since boot; nothing where no disk is to be seen."""
    disk = psutil.disk_io_counters(nowrap=False)
    if disk is None:
        return {}
    return {"disk_read_bytes": disk.read_bytes, "disk_write_bytes": disk.write_bytes}


def read_network() -> Reading:
    """Return bytes since boot, without what stays on the machine."""
    cards = psutil.net_io_counters(pernic=True, nowrap=False)
    real = [card for name, card in cards.items() if name not in _LOOPBACK]
    if not real:
        return {}
    received, sent = sum(c.bytes_recv for c in real), sum(c.bytes_sent for c in real)
    return {"net_in_bytes": received, "net_out_bytes": sent}


def read_kernel() -> Reading:
    """Return context switches and interrupts since boot."""
    stats = psutil.cpu_stats()
    return {"context_switches": stats.ctx_switches, "interrupts": stats.interrupts}


def read_pressure() -> Reading:
    """Return the share of the last 10 s in which some task waited, per resource."""
    waited = {}
    for resource in ("cpu", "memory", "io"):
        average = Path("/proc/pressure", resource).read_text().split()[1]
        waited[f"{resource}_pressure_pct"] = float(average.removeprefix("avg10="))
    return waited


def read_temperature() -> Reading:
    """Return degrees Celsius by sensor, the implausible ones included."""
    chips = psutil.sensors_temperatures().items()
    return {f"{c}.{i}": s.current for c, found in chips for i, s in enumerate(found)}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What reads the machine; a test puts its own callables in.

    A callable leaves out what the machine does not have, and may raise `OSError`,
    `ValueError`, `LookupError`, `AttributeError` or `RuntimeError`. `cpu`, `disk`,
    `network` and `kernel` give what counts up since boot, `temperature` gives the
    sensors one by one, the rest gives features.
    """

    cpu: Read = read_cpu
    load: Read = read_load
    memory: Read = read_memory
    swap: Read = read_swap
    disk: Read = read_disk
    network: Read = read_network
    kernel: Read = read_kernel
    pressure: Read = read_pressure
    temperature: Read = read_temperature


class Machine:
    """Samples this machine; the caller keeps the time and the pace.

    Args:
        probe: what reads it; None reads psutil and /proc.

    Attributes:
        names: the features that this machine has, fixed for the life of the object;
            the unit is the end of the name, `log` before it means log1p of that unit.
    """

    def __init__(self, probe: Probe | None = None) -> None:
        probe = probe or Probe()
        sources = [
            _Source(probe.cpu, _shares),
            _Source(probe.load, _as_read),
            _Source(probe.memory, _as_read),
            _Source(probe.swap, _as_read),
            _Source(probe.disk, _rates),
            _Source(probe.network, _rates),
            _Source(probe.kernel, _rates),
            _Source(probe.pressure, _as_read),
            _Source(probe.temperature, _heat, _HEAT_EVERY),
        ]
        self._sources = [source for source in sources if source.values]
        self.names = tuple(name for s in self._sources for name in s.values)

    def sample(self, now: float) -> NDArray[np.float32]:
        """Read the machine once.

        Args:
            now: seconds on any clock that does not go back.

        Returns:
            float32 (len(names),), finite, at most 1e6 either way, in the units that
            the names end in. Rates and CPU shares are over the time since the last
            sample and 0 in the first one; what cannot be read keeps its last value.
        """
        for source in self._sources:
            source.follow(now)
        values = [value for s in self._sources for value in s.values.values()]
        return np.clip(values, -_LIMIT, _LIMIT).astype(np.float32)


_Convert = Callable[[Reading, Reading, float], dict[str, float]]


class _Source:
    """One callable of the probe, its last reading and the features made of it."""

    def __init__(self, read: Read, convert: _Convert, every: float = 0.0) -> None:
        self._read = read
        self._convert = convert
        self._every = every
        self._before: Reading | None = None
        self._at = -math.inf
        self.values: dict[str, float] = {}
        try:
            first = read()
            made = convert(first, first, math.inf)
        except _UNREADABLE:
            return
        self.values = {k: v if math.isfinite(v) else 0.0 for k, v in made.items()}

    def follow(self, now: float) -> None:
        """Read again, unless it is too early to."""
        elapsed = now - self._at
        if elapsed <= self._every:
            return
        try:
            after = self._read()
            made = self._convert(self._before or after, after, elapsed)
        except _UNREADABLE:
            return
        self._before, self._at = after, now
        for name in self.values:
            if math.isfinite(made.get(name, math.nan)):
                self.values[name] = made[name]


def _as_read(before: Reading, after: Reading, elapsed: float) -> dict[str, float]:
    return dict(after)


def _heat(before: Reading, after: Reading, elapsed: float) -> dict[str, float]:
    heat = [celsius for celsius in after.values() if _COLDEST < celsius < _HOTTEST]
    if not heat:
        return {}
    return {"temperature_mean_c": sum(heat) / len(heat), "temperature_max_c": max(heat)}


def _rates(before: Reading, after: Reading, elapsed: float) -> dict[str, float]:
    rates = {}
    for counter, count in after.items():
        name, unit = _RATES[counter]
        # A counter that wrapped, or lost an interface, says nothing about the rate.
        grown = max(0.0, count - before.get(counter, count))
        rates[name] = math.log1p(grown / elapsed / unit)
    return rates


def _shares(before: Reading, after: Reading, elapsed: float) -> dict[str, float]:
    spent = {kind: max(0.0, s - before.get(kind, s)) for kind, s in after.items()}
    total = sum(spent.values())
    # No tick since the last sample: not a number, so that the last shares stand.
    percent = 100.0 / total if total else math.nan
    waiting = spent["idle"] + spent.get("iowait", 0.0)
    shares = {"cpu_busy_pct": (total - waiting) * percent}
    for kind in ("user", "system", "iowait"):
        if kind in spent:
            shares[f"cpu_{kind}_pct"] = spent[kind] * percent
    return shares
