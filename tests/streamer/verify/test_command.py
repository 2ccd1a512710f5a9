"""`ncs verify` and `ncs bench --verify`, as far as no server is needed."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from ncs_streamer.cli import main
from ncs_streamer.cli import verify as command
from ncs_streamer.verify.faults import KINDS, REDIS_KINDS
from ncs_streamer.verify.ledger import Violation
from ncs_streamer.verify.report import Report
from ncs_streamer.verify.run import Plan

pytestmark = pytest.mark.unit

LOST = Violation("loss", "batch 7 of producer-1 was acknowledged and is not there")


def report(plan: Plan, *violations: Violation) -> Report:
    return Report(
        seed=plan.seed,
        seconds=plan.seconds,
        faults={"kill": plan.kills},
        recovery_ms={"p50": 1.0},
        sent=9,
        acked=9,
        in_doubt=0,
        applied=8,
        applied_points=80,
        kills_under_load=plan.kills,
        owners_hit=0,
        offered_again=1,
        duplicates_refused=1,
        refusals={},
        events=5,
        gaps_told=0,
        ack_ms={"p50": 1.0},
        violations=list(violations),
    )


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    """Let nothing run; return the plans that would have."""
    seen: list[Plan] = []

    async def pretend(plan: Plan, folder: Path, **rest: Any) -> Report:
        seen.append(plan)
        return report(plan, *([LOST] if plan.seed == 13 else []))

    monkeypatch.setattr(command, "verify", pretend)
    return seen


@pytest.mark.parametrize("words", [("verify",), ("bench", "--verify")])
def test_flags_make_the_plan(words: tuple[str, ...], plans: list[Plan]) -> None:
    flags = "--seconds 3 --kills 7 --producers 2 --subscribers 0 --seed 5"
    assert 0 == main([*words, *flags.split(), "--faults", "kill,proxy"])
    expected = Plan(
        seconds=3.0,
        kills=7,
        producers=2,
        subscribers=0,
        faults=("kill", "proxy"),
        seed=5,
    )
    assert [expected] == plans


def test_a_seed_is_made_up_and_told(
    plans: list[Plan], capsys: pytest.CaptureFixture[str]
) -> None:
    assert [0, 0] == [main(["verify"]), main(["verify"])]
    assert plans[0].seed != plans[1].seed
    assert KINDS == plans[0].faults
    assert f"seed {plans[0].seed}" in capsys.readouterr().err


def test_redis_has_faults_of_its_own(plans: list[Plan]) -> None:
    assert 0 == main(["verify", "--store", "redis"])
    assert ("redis", REDIS_KINDS) == (plans[0].store, plans[0].faults)


@pytest.mark.parametrize(
    "flags", ["--faults redis", "--store redis --faults kill,disk"]
)
def test_a_fault_that_the_store_cannot_have_is_refused(
    plans: list[Plan], flags: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (2, []) == (main(["verify", *flags.split()]), plans)
    assert "not with --store" in capsys.readouterr().err


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_a_violation_is_named_and_fails(
    flags: tuple[str, ...], plans: list[Plan], capsys: pytest.CaptureFixture[str]
) -> None:
    assert 1 == main(["verify", "--seed", "13", *flags])
    out = capsys.readouterr().out
    if flags:
        assert [LOST._asdict()] == orjson.loads(out)["violations"]
    else:
        assert "batch 7 of producer-1" in out
        assert "acked = applied" not in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("verify", "--faults", "kill,rain"), "'rain' is none of kill, drain, stop,"),
        (("verify", "--kills", "-1"), "'-1' is no whole number"),
        (("verify", "--producers", "0"), "0 is not above 0"),
        (("bench",), "name what to measure, or --verify"),
    ],
)
def test_what_cannot_be_done_is_said(
    words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert 2 == ended.value.code
    assert said in capsys.readouterr().err
