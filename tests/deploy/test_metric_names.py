"""Dashboard, alerts and recording rules name only what exists."""

from __future__ import annotations

import re

import pytest

from ncs_streamer.metrics import METRICS, Metric

from .artefacts import dashboard, queries, rules
from .promql import names_in
from .vocabulary import problems, series

pytestmark = pytest.mark.unit

_NOT_SHOWN: frozenset[str] = frozenset()
"""Metrics that neither a panel nor an alert uses, on purpose."""

_QUERIES = {f"{q.panel} {q.ref}": q.expr for q in queries()}
_RULES = {
    name: rule["expr"]
    for kind in ("record", "alert")
    for name, rule in rules(kind).items()
}


@pytest.mark.parametrize("name", _QUERIES)
def test_a_panel_asks_for_what_exists(name: str) -> None:
    assert problems(_QUERIES[name]) == []


@pytest.mark.parametrize("name", _RULES)
def test_a_rule_asks_for_what_exists(name: str) -> None:
    assert problems(_RULES[name]) == []


@pytest.mark.parametrize(
    ("expr", "problem"),
    [
        ("rate(ncs_point_total[5m])", "no metric ncs_point_total"),
        ("sum(rate(ncs_ack_seconds[5m]))", "no metric ncs_ack_seconds"),
        ("process_resident_memory", "no metric process_resident_memory"),
        ("ncs_points_total{result='applied'}", "ncs_points_total has no label result"),
        ('ncs_points_total{outcome=~"applied|ok"}', "outcome is never ok"),
        ('ncs_errors_total{code="slow"}', "code is never slow"),
        ("sum by (kind) (ncs_errors_total)", "nothing has the label kind"),
        ("sum by (le) (rate(ncs_ack_seconds_sum[5m]))", "nothing has the label le"),
    ],
)
def test_a_wrong_name_is_found(expr: str, problem: str) -> None:
    assert problems(expr) == [problem]


def _used() -> set[str]:
    shown = {rule["expr"] for rule in rules("alert").values()} | set(_QUERIES.values())
    metrics = set[str]().union(*(names_in(expr).metrics for expr in shown))
    for name, rule in rules("record").items():
        if name in metrics:
            metrics |= names_in(rule["expr"]).metrics
    return metrics


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_metric_is_shown_or_listed_as_not_shown(metric: Metric) -> None:
    is_shown = not _used().isdisjoint(metric.series)
    assert is_shown is (metric.name not in _NOT_SHOWN)


@pytest.mark.parametrize("name", rules("record"))
def test_a_recording_rule_is_used(name: str) -> None:
    assert name in _used()


def test_the_variables_ask_for_what_exists() -> None:
    asked = [
        variable["query"]["query"]
        for variable in dashboard()["templating"]["list"]
        if variable["type"] == "query"
    ]
    assert asked
    for query in asked:
        found = re.fullmatch(r"label_values\((\w+), (\w+)\)", query)
        assert found is not None
        metric, label = found.groups()
        assert label in series()[metric]
