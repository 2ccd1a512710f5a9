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


def test_every_alert_fires_in_a_scenario_and_none_when_all_is_well() -> None:
    well, *others = load(_SCENARIOS)["tests"]
    assert [case["exp_samples"] for case in well["promql_expr_test"]] == [[], [], []]
    fires = {
        sample["labels"]
        for scenario in others
        for case in scenario["promql_expr_test"]
        for sample in case["exp_samples"]
    }
    assert fires == {f'{{alertname="{name}"}}' for name in rules("alert")}


@pytest.mark.parametrize("name", rules("alert"))
def test_an_alert_says_how_urgent_it_is_and_what_to_do(name: str) -> None:
    rule: Any = rules("alert")[name]
    assert name.startswith("Ncs")
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["description"].endswith(".")
