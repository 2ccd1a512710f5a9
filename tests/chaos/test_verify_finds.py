"""`ncs verify` is able to fail: servers with one defect each are found out."""

import sys
from pathlib import Path

import broken_server
import pytest

from ncs_streamer.verify.faults import Kind
from ncs_streamer.verify.run import Plan, verify

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

FOUND: dict[str, tuple[tuple[Kind, ...], set[str]]] = {
    "acks_before_commit": (("disk",), {"loss"}),
    "applies_resends": ((), {"double count"}),
    "joins_resends": ((), {"double count"}),
    "learns_resends": ((), {"double count", "models differ"}),
    "forgets_the_last_write": (("kill",), {"ack taken back", "journal"}),
    "cannot_tell_its_model": ((), {"no model"}),
    "drops_events": ((), {"silent gap"}),
    "hides_gaps": (("kill",), {"silent gap"}),
}
"""Defect -> faults that it takes, some of the violations that it has to be."""


def plan(faults: tuple[Kind, ...], seed: int) -> Plan:
    return Plan(
        seconds=2.0,
        kills=1,
        producers=2,
        subscribers=1,
        faults=faults,
        seed=seed,
        per_second=200.0,
        settle_s=2.0,
    )


@pytest.mark.parametrize("defect", FOUND)
async def test_a_defect_is_found(defect: str, tmp_path: Path) -> None:
    faults, kinds = FOUND[defect]
    program = (sys.executable, broken_server.__file__, defect)
    for seed in range(5, 15):  # a run of two seconds may not meet it
        folder = tmp_path / str(seed)
        folder.mkdir()
        report = await verify(plan(faults, seed), folder, program=program)
        if kinds & {violation.kind for violation in report.violations}:
            return
    pytest.fail(f"not found: {report.violations}")
