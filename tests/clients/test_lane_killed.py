"""A gateway that is killed between any two steps that it takes on its disk."""

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import examples

from ncs_client.spool import SpoolFullError
from ncs_streamer.entry import Entry
from ncs_streamer.stream_model import Applied

from .test_lane import Wire

pytestmark = pytest.mark.unit


class KilledError(BaseException):
    """The process ends here; nothing catches it."""


class Disk:
    """Counts what is done to the disk, and ends the process at one of the steps."""

    def __init__(self) -> None:
        self.left: int | None = None
        self.part = 0

    def arm(self, left: int, part: int) -> None:
        """Let the process end before the step after `left` others; of a write, `part`
        bytes are done."""
        self.left, self.part = left, part

    def wrap(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any, **more: Any) -> Any:
            if self.left == 0:
                self.left = None
                if work is write:
                    descriptor, data = arguments
                    write(descriptor, bytes(data)[: self.part])
                raise KilledError
            if self.left is not None:
                self.left -= 1
            return work(*arguments, **more)

        return step


write = os.write


@contextmanager
def watched() -> Iterator[Disk]:
    disk = Disk()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("write", "fsync", "replace", "unlink", "ftruncate"):
            patch.setattr(os, name, disk.wrap(getattr(os, name)))
        yield disk


class Plant:
    """A wire to a server, and books of what was confirmed and what was applied."""

    def __init__(self, folder: Path, disk: Disk, **changes: Any) -> None:
        self.wire = Wire(folder, **changes)
        self.disk = disk
        self.number = self.epoch = 0
        self.confirmed: set[float] = set()
        self.in_doubt: set[float] = set()
        self.applied = Counter[float]()
        stream = self.wire.server.stream("acme", "s")
        submit = stream.submit

        def noting(entry: Entry) -> Applied:
            applied = submit(entry)
            if not applied.duplicate:
                self.applied[float(entry.block[0, 0])] += 1
            return applied

        stream.submit = noting  # type: ignore[method-assign]

    def do(self, step: str) -> None:
        """Take a step; if the process is killed in it, start another."""
        self.number += 1
        value = float(self.number)
        try:
            if step in ("push", "bad"):
                self.wire.bench.push(value, 2 if step == "push" else 3)
                self.confirmed |= {value} if step == "push" else set()
            elif step == "cut":
                self.wire.link = None
            elif step == "kill":
                self.wire.kill()
            else:
                self.wire.step(client=step == "client", server=step == "server")
        except SpoolFullError:
            pass
        except KilledError:
            self.in_doubt |= {value} if step == "push" else set()
            self.wire.kill()


STEPS = ("push", "push", "bad", "client", "client", "server", "server", "cut", "kill")
PLANS = st.lists(st.sampled_from(STEPS), min_size=10, max_size=40)
KILLS = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 60)), max_size=4)


def run(plan: list[str], kills: list[tuple[int, int]], **changes: Any) -> Plant:
    with tempfile.TemporaryDirectory() as name, watched() as disk:
        plant = Plant(Path(name) / "s", disk, **changes)
        plant.wire.bench.push(0.5)
        plant.wire.settle()  # its dimension is that of the stream
        waiting = list(kills)
        for step in plan:
            if disk.left is None and waiting:
                disk.arm(*waiting.pop())
            plant.do(step)
        disk.left = None
        plant.wire.settle()
        plant.epoch = plant.wire.bench.spool.numbers.epoch
        plant.wire.bench.close()
    return plant


@examples(60)
@given(PLANS, KILLS)
def test_killed_between_any_two_steps_nothing_is_lost_or_counted_twice(
    plan: list[str], kills: list[tuple[int, int]]
) -> None:
    plant = run(plan, kills)
    applied = plant.applied.keys() - {0.5}
    assert {1} == set(plant.applied.values())
    assert plant.confirmed <= applied <= plant.confirmed | plant.in_doubt
    assert 7 == plant.epoch, "no step costs an epoch"


@examples(30)
@given(PLANS, KILLS)
def test_killed_while_it_drops_nothing_is_counted_twice_and_nothing_gets_stuck(
    plan: list[str], kills: list[tuple[int, int]]
) -> None:
    dropping = {"max_bytes": 900, "overflow": "drop_oldest"}
    plant = run(["push"] * 10 + plan, kills, options=dropping)
    applied = plant.applied.keys() - {0.5}
    assert {1} == set(plant.applied.values())
    assert applied <= plant.confirmed | plant.in_doubt


SCRIPT = [
    *["push", "push", "bad", "push", "bad", "push", "push", "push"],
    *["client", "client", "client", "client", "server", "server", "server"] * 2,
    *["client", "server", "push", "client", "cut", "client", "server"] * 3,
    *["client", "client", "server", "server"] * 5,
]


def test_killed_after_any_step_of_a_long_day() -> None:
    # In one segment: each new one would note on disk what others should have noted.
    rarely = {"segment_bytes": 20_000}
    for at in range(len(SCRIPT)):
        plant = run([*SCRIPT[:at], "kill", *SCRIPT[at:]], [], options=rarely)
        assert {1} == set(plant.applied.values()), at
        assert plant.confirmed == plant.applied.keys() - {0.5}, at
        assert 7 == plant.epoch, at


def test_killed_before_any_write_of_a_long_day() -> None:
    for step in range(60):
        plant = run(SCRIPT, [(step, 7)])
        assert {1} == set(plant.applied.values()), step
        assert plant.confirmed <= plant.applied.keys(), step
        assert 7 == plant.epoch, step
