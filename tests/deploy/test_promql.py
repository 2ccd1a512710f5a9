from __future__ import annotations

import pytest

from .promql import Matcher, names_in

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("expr", "metrics"),
    [
        ("a", {"a"}),
        ("rate(a_total[5m])", {"a_total"}),
        (
            "sum by (le, code) (rate(a[$__rate_interval])) / sum(b) by (code)",
            {"a", "b"},
        ),
        ("a and on (job, instance) b unless ignoring (x) c or vector(0)", set("abc")),
        ("a * on (job) group_left (version) b", {"a", "b"}),
        ("a > bool 1e-9 + 0x1F - .5 * Inf", {"a"}),
        ("max_over_time(level:a:rate5m[1h:1m] offset 1h30m) == 0", {"level:a:rate5m"}),
        ('a{b="c{d}", e=~\'f|g\', h!="i\\"j"}', {"a"}),
        ("time() - a # b", {"a"}),
        ("sum(a) or on() vector(0)", {"a"}),
    ],
)
def test_metrics_are_told_from_all_other_words(expr: str, metrics: set[str]) -> None:
    assert names_in(expr).metrics == metrics


def test_matchers_belong_to_the_metric_before_them() -> None:
    found = names_in('a{b="c"} / d{e=~"f|g", h!="i"}').matchers
    assert found == [
        Matcher("a", "b", "=", "c"),
        Matcher("d", "e", "=~", "f|g"),
        Matcher("d", "h", "!=", "i"),
    ]


def test_groupings_are_labels() -> None:
    found = names_in("sum by (a, b) (c) * on (d) group_left (e) f")
    assert found.grouped == {"a", "b", "d", "e"}


@pytest.mark.parametrize("expr", ["raet(a[5m])", '{__name__="a"}', "a ; b", "a | b"])
def test_what_is_not_known_is_refused(expr: str) -> None:
    with pytest.raises(ValueError, match=r"unknown|unexpected|without"):
        names_in(expr)
