"""The telemetry of this machine, mostly of a machine that the tests make up."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest

from ncs_streamer.demo.machine import Machine, Probe, Reading

pytestmark = pytest.mark.unit

CPU = {"user": 0.0, "system": 0.0, "idle": 0.0, "iowait": 0.0, "other": 0.0}


class Gauge:
    """A callable of a probe, of which a test sets what it reads next."""

    def __init__(self, **reading: float) -> None:
        self.reading = reading
        self.fails = False
        self.calls = 0

    def __call__(self) -> Reading:
        self.calls += 1
        if self.fails:
            raise OSError("gone")
        return dict(self.reading)


def probe(**sources: Callable[[], Reading]) -> Probe:
    """Return a probe of a machine that has nothing but `sources`."""
    names = [field.name for field in dataclasses.fields(Probe)]
    return Probe(**{name: sources.get(name, dict) for name in names})


def started(**sources: Callable[[], Reading]) -> Machine:
    """Return a machine that has given its first sample, at 0 s."""
    machine = Machine(probe(**sources))
    machine.sample(0.0)
    return machine


def by_name(machine: Machine, now: float) -> dict[str, float]:
    sample = machine.sample(now)
    return dict(zip(machine.names, sample.tolist(), strict=True))


def test_this_machine_gives_finite_values_under_names_that_stay() -> None:
    machine = Machine()
    names = machine.names
    first, second = machine.sample(100.0), machine.sample(101.0)
    assert machine.names == names and len(set(names)) == len(names)
    assert first.shape == second.shape == (len(names),)
    assert first.dtype == second.dtype == np.float32
    assert (np.abs([first, second]) <= 1e6).all()


def test_a_machine_has_only_the_features_that_its_probe_finds() -> None:
    machine = Machine(probe(load=Gauge(load_1min=1.0), memory=Gauge(memory_used_pct=5)))
    assert machine.names == ("load_1min", "memory_used_pct")


def test_a_machine_of_which_nothing_can_be_read_gives_empty_samples() -> None:
    assert Machine(probe()).sample(0.0).shape == (0,)


def test_a_sensor_that_fails_at_the_start_is_left_out_for_good() -> None:
    swap = Gauge(swap_used_pct=3.0)
    swap.fails = True
    machine = Machine(probe(load=Gauge(load_1min=1.0), swap=swap))
    swap.fails = False
    assert by_name(machine, 0.0) == {"load_1min": 1.0}


def test_a_feature_that_turns_up_later_does_not_join() -> None:
    memory = Gauge(memory_used_pct=5.0)
    machine = Machine(probe(memory=memory))
    memory.reading["memory_cached_pct"] = 40.0
    assert by_name(machine, 0.0) == {"memory_used_pct": 5.0}


def test_the_first_sample_gives_no_rates() -> None:
    disk = Gauge(disk_read_bytes=1e9, disk_write_bytes=1e9)
    machine = Machine(probe(cpu=Gauge(**{**CPU, "user": 50.0}), disk=disk))
    disk.reading["disk_read_bytes"] = 2e9
    assert set(by_name(machine, 10.0).values()) == {0.0}


@pytest.mark.parametrize(
    ("source", "counter", "feature", "unit"),
    [
        ("disk", "disk_read_bytes", "disk_read_log_mb_s", 1e6),
        ("disk", "disk_write_bytes", "disk_write_log_mb_s", 1e6),
        ("network", "net_in_bytes", "net_in_log_mb_s", 1e6),
        ("network", "net_out_bytes", "net_out_log_mb_s", 1e6),
        ("kernel", "context_switches", "context_switches_log_k_s", 1e3),
        ("kernel", "interrupts", "interrupts_log_k_s", 1e3),
    ],
)
def test_a_rate_is_the_logarithm_of_what_was_counted_in_the_time_elapsed(
    source: str, counter: str, feature: str, unit: float
) -> None:
    gauge = Gauge(**{counter: 7.0 * unit})
    machine = started(**{source: gauge})
    gauge.reading[counter] += 6.0 * unit
    assert by_name(machine, 2.0) == {feature: pytest.approx(math.log1p(3.0))}


def test_a_counter_that_goes_backwards_gives_no_rate() -> None:
    network = Gauge(net_in_bytes=5e9)
    machine = started(network=network)
    network.reading["net_in_bytes"] = 1e6
    assert by_name(machine, 1.0) == {"net_in_log_mb_s": 0.0}


def test_after_going_backwards_a_counter_counts_from_where_it_is() -> None:
    network = Gauge(net_in_bytes=5e9)
    machine = started(network=network)
    network.reading["net_in_bytes"] = 1e6
    machine.sample(1.0)
    network.reading["net_in_bytes"] = 2e6
    assert by_name(machine, 2.0) == {"net_in_log_mb_s": pytest.approx(math.log(2.0))}


def test_a_counter_that_comes_back_counts_from_where_it_is() -> None:
    network = Gauge(net_in_bytes=5e9, net_out_bytes=5e9)
    machine = started(network=network)
    del network.reading["net_in_bytes"]
    machine.sample(1.0)
    network.reading["net_in_bytes"] = 9e9
    assert by_name(machine, 2.0)["net_in_log_mb_s"] == 0.0


def test_processor_time_is_shared_out_among_what_it_was_spent_on() -> None:
    cpu = Gauge(**CPU)
    machine = started(cpu=cpu)
    cpu.reading = {"user": 4, "system": 2, "idle": 10, "iowait": 3, "other": 1}
    assert by_name(machine, 5.0) == {
        "cpu_busy_pct": pytest.approx(35.0),
        "cpu_user_pct": pytest.approx(20.0),
        "cpu_system_pct": pytest.approx(10.0),
        "cpu_iowait_pct": pytest.approx(15.0),
    }


def test_processor_shares_are_of_the_time_since_the_last_sample() -> None:
    cpu = Gauge(**CPU)
    machine = started(cpu=cpu)
    cpu.reading["user"] = 100.0
    machine.sample(1.0)
    cpu.reading["idle"] = 100.0
    assert by_name(machine, 2.0)["cpu_busy_pct"] == 0.0


def test_a_system_that_does_not_know_iowait_has_no_such_feature() -> None:
    machine = Machine(probe(cpu=Gauge(user=0.0, system=0.0, idle=0.0)))
    assert machine.names == ("cpu_busy_pct", "cpu_user_pct", "cpu_system_pct")


def test_idle_time_that_goes_backwards_keeps_the_shares_within_bounds() -> None:
    cpu = Gauge(**{**CPU, "iowait": 8.0})
    machine = started(cpu=cpu)
    cpu.reading.update(user=1.0, idle=1.0, iowait=2.0)
    assert by_name(machine, 1.0)["cpu_busy_pct"] == pytest.approx(50.0)


def test_without_a_tick_of_the_processor_the_last_shares_stand() -> None:
    cpu = Gauge(**CPU)
    machine = started(cpu=cpu)
    cpu.reading["user"] = 1.0
    assert np.array_equal(machine.sample(1.0), machine.sample(1.001))


@pytest.mark.parametrize("later", [1.0, 0.5])
def test_without_time_elapsed_the_last_sample_stands(later: float) -> None:
    disk = Gauge(disk_read_bytes=0.0)
    machine = started(disk=disk)
    disk.reading["disk_read_bytes"] = 1e6
    before = machine.sample(1.0)
    disk.reading["disk_read_bytes"] = 9e6
    assert np.array_equal(machine.sample(later), before)


def test_a_sensor_that_fails_keeps_its_last_value() -> None:
    pressure = Gauge(io_pressure_pct=12.0)
    machine = started(pressure=pressure)
    pressure.fails = True
    assert by_name(machine, 1.0) == {"io_pressure_pct": 12.0}


def test_after_a_failure_the_rate_is_over_all_the_time_it_lasted() -> None:
    disk = Gauge(disk_read_bytes=0.0)
    machine = started(disk=disk)
    disk.fails = True
    machine.sample(1.0)
    disk.fails, disk.reading["disk_read_bytes"] = False, 6e6
    assert by_name(machine, 2.0)["disk_read_log_mb_s"] == pytest.approx(math.log(4.0))


@pytest.mark.parametrize("strange", [math.nan, math.inf, -math.inf])
def test_a_reading_that_is_no_number_keeps_the_last_value(strange: float) -> None:
    load = Gauge(load_1min=2.0)
    machine = started(load=load)
    load.reading["load_1min"] = strange
    assert by_name(machine, 1.0) == {"load_1min": 2.0}


def test_a_first_reading_that_is_no_number_counts_as_nothing() -> None:
    machine = Machine(probe(load=Gauge(load_1min=math.nan)))
    assert by_name(machine, 0.0) == {"load_1min": 0.0}


@pytest.mark.parametrize(("read", "given"), [(1e300, 1e6), (-1e300, -1e6)])
def test_values_beyond_a_million_are_cut_off(read: float, given: float) -> None:
    machine = Machine(probe(load=Gauge(load_1min=read)))
    assert by_name(machine, 0.0) == {"load_1min": given}


def test_temperatures_are_summed_up_by_mean_and_maximum() -> None:
    machine = Machine(probe(temperature=Gauge(core_0=40.0, core_1=50.0, disk=30.0)))
    assert machine.sample(0.0) == pytest.approx([40.0, 50.0])


def test_sensors_that_are_not_wired_up_do_not_count() -> None:
    machine = Machine(probe(temperature=Gauge(core=40.0, none=-128.0, loose=255.0)))
    assert by_name(machine, 0.0)["temperature_mean_c"] == pytest.approx(40.0)


def test_a_machine_with_implausible_temperatures_only_has_none() -> None:
    assert Machine(probe(temperature=Gauge(none=-128.0))).names == ()


def test_temperatures_are_not_read_at_every_sample() -> None:
    temperature = Gauge(core=40.0)
    machine = started(temperature=temperature)
    at_start = temperature.calls
    for now in range(1, 10):
        machine.sample(float(now))
    assert temperature.calls - at_start == 1


def test_two_machines_do_not_share_what_they_saw() -> None:
    cpu = Gauge(**CPU)
    one, other = started(cpu=cpu), started(cpu=cpu)
    cpu.reading["user"] = 1.0
    assert np.array_equal(one.sample(1.0), other.sample(1.0))
