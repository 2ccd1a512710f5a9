from __future__ import annotations

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ncs_streamer.metrics import METRICS, Metric, Metrics

pytestmark = pytest.mark.unit

BY_NAME = {metric.name: metric for metric in METRICS}


def use(metrics: Metrics, metric: Metric) -> None:
    """Give the metric a value, with a label of its own name for each label."""
    match metric.kind:
        case "counter":
            metrics.count(metric.name, *metric.labels)
        case "gauge":
            metrics.set(metric.name, 1.0, *metric.labels)
        case "histogram":
            metrics.observe(metric.name, 0.2, *metric.labels)


def samples(metrics: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    families = text_string_to_metric_families(metrics.exposition().decode())
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return samples(metrics)[name, frozenset(labels.items())]


# The table


def test_the_names_are_unique() -> None:
    assert len(BY_NAME) == len(METRICS)


def test_the_names_in_prometheus_are_unique() -> None:
    series = [name for metric in METRICS for name in metric.series]
    assert len(set(series)) == len(series)


def test_a_name_is_ours_and_in_snake_case() -> None:
    for name in BY_NAME:
        assert re.fullmatch(r"ncs(_[a-z]+)+", name)


def names(kind: str) -> set[str]:
    return {metric.name for metric in METRICS if metric.kind == kind}


def test_exactly_counters_end_in_total() -> None:
    assert {name for name in BY_NAME if name.endswith("_total")} == names("counter")


def test_exactly_histograms_end_in_seconds() -> None:
    found = {name for name in BY_NAME if name.endswith("_seconds")}
    assert found == names("histogram")


def test_a_metric_has_one_sentence() -> None:
    for metric in METRICS:
        assert re.fullmatch(r"\S.*\.", metric.help), metric.name


LABELS = {label for metric in METRICS for label in metric.labels}


def test_no_label_tells_who_uses_the_server() -> None:
    telling = {"tenant", "stream", "user", "producer", "subject", "key", "ip", "client"}
    assert not telling & LABELS


def test_no_label_is_reserved_by_prometheus() -> None:
    assert not {"le", "quantile", "job", "instance"} & LABELS


# The registry


@pytest.fixture(scope="module")
def used() -> Metrics:
    """Return metrics that each have a value."""
    metrics = Metrics()
    for metric in METRICS:
        use(metrics, metric)
    return metrics


def test_every_metric_is_in_the_exposition_under_its_series(used: Metrics) -> None:
    series = {name for metric in METRICS for name in metric.series}
    assert series <= {name for name, _ in samples(used)}


def test_the_exposition_knows_kinds_and_sentences(used: Metrics) -> None:
    families = text_string_to_metric_families(used.exposition().decode())
    told = {(family.name, family.type, family.documentation) for family in families}
    assert told >= {(m.name.removesuffix("_total"), m.kind, m.help) for m in METRICS}


def test_the_exposition_has_no_metric_of_ours_beyond_the_table(used: Metrics) -> None:
    allowed = {name for metric in METRICS for name in metric.series}
    allowed |= {re.sub("_total$|_bucket$", "_created", name) for name in allowed}
    found = {name for name, _ in samples(used) if name.startswith("ncs_")}
    assert found <= allowed


@pytest.mark.parametrize("name", ["python_info", "python_gc_objects_collected_total"])
def test_the_exposition_tells_of_the_process_as_well(used: Metrics, name: str) -> None:
    assert name in {found for found, _ in samples(used)}


def test_two_servers_in_one_process_count_apart() -> None:
    one, other = Metrics(), Metrics()
    one.count("ncs_outliers_total", by=5)
    assert value(other, "ncs_outliers_total") == 0


def test_a_counter_adds_up() -> None:
    metrics = Metrics()
    metrics.count("ncs_points_total", "ws", "applied", by=100)
    metrics.count("ncs_points_total", "ws", "applied")
    labels = {"transport": "ws", "outcome": "applied"}
    assert value(metrics, "ncs_points_total", **labels) == 101


def test_labels_are_taken_in_the_order_of_the_table() -> None:
    metrics = Metrics()
    metrics.count("ncs_http_requests_total", "GET", "/livez", "200")
    labels = {"method": "GET", "route": "/livez", "status": "200"}
    assert value(metrics, "ncs_http_requests_total", **labels) == 1


def test_a_gauge_is_set_and_moved() -> None:
    metrics = Metrics()
    metrics.set("ncs_streams", 5)
    metrics.add("ncs_streams", -2)
    assert value(metrics, "ncs_streams") == 3


def test_a_histogram_counts_into_its_buckets() -> None:
    metrics = Metrics()
    for seconds in (0.0004, 0.02, 20.0):
        metrics.observe("ncs_learn_seconds", seconds)
    found = [
        value(metrics, "ncs_learn_seconds_bucket", le=le)
        for le in ("0.0005", "0.01", "0.025", "10.0", "+Inf")
    ]
    assert found == [1, 1, 2, 2, 3]


def test_a_label_may_hold_any_text() -> None:
    metrics = Metrics()
    route = 'a"b\\c\nd'
    metrics.observe("ncs_http_request_seconds", 0.1, route)
    assert value(metrics, "ncs_http_request_seconds_count", route=route) == 1


@pytest.mark.parametrize("kind", ["count", "set", "add", "observe"])
def test_an_unknown_metric_is_an_error(kind: str) -> None:
    with pytest.raises(KeyError):
        getattr(Metrics(), kind)("ncs_unknown", 1)
