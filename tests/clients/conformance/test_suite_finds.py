"""The conformance suite finds what an SDK does wrong."""

from __future__ import annotations

import ast
import asyncio
from pathlib import Path

import pytest

from ncs_conformance.driver import Sdk
from ncs_conformance.play import Verdict, play_all
from ncs_conformance.scenario import read_scenarios

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

HERE = Path(__file__).parent
PYTHON = ("{python}", str(HERE / "mutants.py"))
NODE = ("{node}", str(HERE / "mutants.mjs"))
FINDS = [
    (PYTHON, "sends_twice", "connect", "{2} times in the model"),
    (PYTHON, "begins_an_epoch_with_each_connection", "duplicate", "{2} times"),
    (PYTHON, "acks_what_was_only_sent", "key revoked", "{0} times in the model"),
    (PYTHON, "hides_refusals", "a bad batch among good ones", "acked"),
    (PYTHON, "forgets_what_waits", "resume after a drop", "never settled"),
    (PYTHON, "ignores_credit", "credit", "bytes in flight"),
    (PYTHON, "ignores_slow_down", "slow down", "messages with"),
    (PYTHON, "comes_back_whatever_the_code", "code 4999", "it came back after 4999"),
    (PYTHON, "gives_up_at_any_code", "codes that mean come back", "in vain"),
    (PYTHON, "waits_without_jitter", "waits may be none", "attempt 8"),
    (PYTHON, "does_not_back_off", "waits double", "wait 1 was"),
    (PYTHON, "ignores_reconnect_after", "reconnect_after", "after draining said 1.5"),
    (PYTHON, "never_probes", "silence", "attempt 2"),
    (PYTHON, "never_renews", "token renewed in band", "authenticated"),
    (PYTHON, "drops_an_event", "connect", "GapError"),
    (PYTHON, "passes_gaps_on", "an event is lost", "snapshot"),
    (PYTHON, "begins_anew_at_each_connection", "missed events follow", "resumed"),
    (PYTHON, "keeps_the_old_copy", "history gap", "snapshot"),
    (PYTHON, "never_rests", "a queue that is full", "unsubscribe"),
    (PYTHON, "does_not_tell_the_end", "key revoked", "ended"),
    (NODE, "sends_twice", "connect", "{2} times in the model"),
    (NODE, "comes_back_whatever_the_code", "code 4999", "it came back after 4999"),
    (NODE, "drops_an_event", "connect", "a copy equal to"),
]
_WITHIN_S = 20.0  # most defects show as something that never happens


def name_of(program: tuple[str, ...], defect: str) -> str:
    return f"{program[0]} {defect}"


@pytest.fixture(scope="module")
def found(built: None) -> dict[str, Verdict]:
    scenarios = {scenario.name: scenario for scenario in read_scenarios()}
    pairs = [
        (scenarios[scenario], Sdk(name_of(program, defect), (*program, defect)))
        for program, defect, scenario, _ in FINDS
    ]
    verdicts = asyncio.run(play_all(pairs, within_s=_WITHIN_S))
    return {verdict.sdk: verdict for verdict in verdicts}


@pytest.mark.parametrize(
    ("program", "defect", "scenario", "words"),
    FINDS,
    ids=[f"{name_of(*row[:2])} in {row[2]}" for row in FINDS],
)
def test_the_suite_finds_a_defect(
    found: dict[str, Verdict],
    program: tuple[str, ...],
    defect: str,
    scenario: str,
    words: str,
) -> None:
    faults = found[name_of(program, defect)].faults
    assert any(words in fault for fault in faults), faults


def test_every_mutant_is_played() -> None:
    module = ast.parse((HERE / "mutants.py").read_text())
    written = {n.name for n in module.body if isinstance(n, ast.FunctionDef)} - {
        "_instead"
    }
    assert written == {defect for program, defect, *_ in FINDS if program is PYTHON}
