"""Alerts and recording rules, by Prometheus' own tool."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .artefacts import PROMETHEUS, RULES, load, rules
from .tools import check

pytestmark = pytest.mark.unit

_SCENARIOS = Path(__file__).parent / "alert-scenarios.yaml"


def test_promtool_accepts_the_configuration() -> None:
    check("promtool", "check", "config", PROMETHEUS)


def test_promtool_accepts_the_rules() -> None:
    check("promtool", "check", "rules", *RULES)


def test_the_alerts_fire_when_they_should_and_only_then() -> None:
    check("promtool", "test", "rules", _SCENARIOS)


def test_every_alert_has_a_scenario_in_which_it_fires_and_one_in_which_not() -> None:
    fires, stays = set(), set()
    for scenario in load(_SCENARIOS)["tests"]:
        for case in scenario["alert_rule_test"]:
            (fires if case.get("exp_alerts") else stays).add(case["alertname"])
    assert fires == stays == rules("alert").keys()


@pytest.mark.parametrize("name", rules("alert"))
def test_an_alert_says_how_urgent_it_is_and_what_to_do(name: str) -> None:
    rule: Any = rules("alert")[name]
    assert name.startswith("Ncs")
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["description"].endswith(".")
