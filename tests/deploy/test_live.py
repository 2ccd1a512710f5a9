"""A real server under traffic, scraped by a real Prometheus with our rules.

Each query of the dashboard has to show what the traffic did. That finds what no check
of names can: a metric that nothing counts, a label that has another value than the
query thinks, a rate that is asked of a gauge.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from .artefacts import PROMETHEUS, RULES, ZERO, Query, healthcheck, load, queries, rules
from .processes import free_port, get, get_json, prometheus, server, wait_until
from .promql import names_in
from .traffic import Traffic

pytestmark = pytest.mark.integration

_PATIENCE_S = 45.0
_MAY_BE_ZERO = {
    "ncs_backlog_bytes",
    "ncs_backlog_points",
    "ncs_journal_errors_total",
    "ncs_outbox_bytes",
    "ncs_producers_flapped_total",
    "ncs_slow_downs_total",
    "ncs_slow_readers",
    "ncs_sockets_refused_total",
    "ncs_unauthenticated_sockets",
    "python_gc_collections_total",
}
"""What is 0, and shown as 0, while nothing is wrong."""
_OF_A_CLUSTER = {
    "ncs_event_gaps_total",
    "ncs_events_relayed_total",
    "ncs_fenced_appends_total",
    "ncs_forwarded_batches_total",
    "ncs_forwarded_requests_total",
    "ncs_leases_lost_total",
    "ncs_nodes",
    "ncs_ownership_changes_total",
    "ncs_peer_links",
    "ncs_peers_unreachable",
    "ncs_streams_owned",
    "ncs_streams_unowned",
    "ncs_takeover_seconds",
    "ncs_takeover_seconds_bucket",
}
"""What a server on its embedded store has nothing of; `tests/chaos` has several."""


@dataclasses.dataclass(frozen=True, slots=True)
class Site:
    """What is running."""

    port: int
    metrics_port: int
    prometheus: int
    traffic: Traffic
    deadline: float

    def ask(self, expr: str) -> list[float]:
        """Return the numbers that an instant query gives now."""
        data = get_json(self.prometheus, "/api/v1/query", query=expr)
        numbers = [float(sample["value"][1]) for sample in data["result"]]
        return [number for number in numbers if not math.isnan(number)]

    def rules(self) -> list[Any]:
        """Return the rules and how they do, once all have been evaluated."""

        def evaluated() -> list[Any]:
            groups = get_json(self.prometheus, "/api/v1/rules")["groups"]
            found = [rule for group in groups for rule in group["rules"]]
            is_done = all(rule["health"] != "unknown" for rule in found)
            return found if is_done else []

        return wait_until(evaluated, self.deadline, "all rules to be evaluated")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    port, metrics_port, prometheus_port = free_port(), free_port(), free_port()
    folder = tmp_path_factory.mktemp("prometheus")
    with contextlib.ExitStack() as stack:
        flags = ("--snapshot-points", "1000")
        home = tmp_path_factory.mktemp("server")
        stack.enter_context(server(home, port, metrics_port, *flags))
        traffic = stack.enter_context(Traffic(port))
        config = _configuration(folder, metrics_port)
        stack.enter_context(prometheus(folder, prometheus_port, config))
        deadline = time.monotonic() + _PATIENCE_S
        yield Site(port, metrics_port, prometheus_port, traffic, deadline)


def _configuration(folder: Path, metrics_port: int) -> Path:
    """Write the configuration that is shipped, in a hurry and for another address."""
    config = load(PROMETHEUS)
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    del config["alerting"]
    (job,) = config["scrape_configs"]
    job["static_configs"] = [{"targets": [f"127.0.0.1:{metrics_port}"]}]
    words = folder / "words.yml"
    words.write_text(yaml.safe_dump(_always_firing()))
    config["rule_files"] = [*map(str, RULES), str(words)]
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(config))
    return path


def _always_firing() -> Any:
    """Return the alerts with their words, and an expression that is always true."""
    expr = "vector(12.5)"
    for label in ("job", "instance", "code", "reason"):
        expr = f'label_replace({expr}, "{label}", "some-{label}", "", "")'
    return {
        "groups": [
            {
                "name": "words",
                "rules": [
                    {
                        "alert": f"Words{name}",
                        "expr": expr,
                        "annotations": rule["annotations"],
                    }
                    for name, rule in rules("alert").items()
                ],
            }
        ]
    }


@pytest.mark.parametrize("query", queries(), ids=lambda q: f"{q.panel} {q.ref}")
def test_a_panel_shows_what_happens(site: Site, query: Query) -> None:
    counted = query.resolved.removesuffix(ZERO)
    metrics = names_in(counted).metrics
    if not metrics.isdisjoint(_OF_A_CLUSTER):
        assert not any(number > 0 for number in site.ask(counted))
        return
    may_be_zero = not metrics.isdisjoint(_MAY_BE_ZERO)

    def shows() -> bool:
        site.traffic.check()
        numbers = site.ask(counted)
        return any(number > 0 for number in numbers) or bool(may_be_zero and numbers)

    wait_until(shows, site.deadline, f"samples of {counted}")
    assert site.ask(query.resolved)


@pytest.mark.parametrize("name", rules("record"))
def test_a_recording_rule_records(site: Site, name: str) -> None:
    wait_until(lambda: site.ask(name), site.deadline, f"samples of {name}")


def test_rules_are_evaluated_without_an_error(site: Site) -> None:
    found = site.rules()
    assert {rule["name"] for rule in found} >= rules("alert").keys()
    failed = {rule["name"]: rule.get("lastError") for rule in found}
    assert {name: error for name, error in failed.items() if error} == {}
    assert {rule["health"] for rule in found} == {"ok"}


def test_nothing_critical_fires_while_the_server_is_well(site: Site) -> None:
    site.rules()
    wait_until(lambda: site.ask("up == 1 and ncs_ready == 1"), site.deadline, "scrape")
    firing = {
        alert["labels"]["alertname"]
        for alert in get_json(site.prometheus, "/api/v1/alerts")["alerts"]
        if alert["state"] == "firing" and alert["labels"].get("severity") == "critical"
    }
    assert firing == set()


def test_the_words_of_alerts_come_out(site: Site) -> None:
    written = [rule for rule in site.rules() if rule["name"].startswith("Words")]
    assert len(written) == len(rules("alert"))
    for rule in written:
        (alert,) = rule["alerts"]
        for text in alert["annotations"].values():
            assert "<" not in text.replace("<=", ""), text
            assert "{{" not in text, text


def test_the_dashboards_list_of_instances_has_the_server(site: Site) -> None:
    def instances() -> Any:
        path = "/api/v1/label/instance/values"
        return get_json(site.prometheus, path, **{"match[]": "ncs_ready"})

    found = wait_until(instances, site.deadline, "an instance")
    assert found == [f"127.0.0.1:{site.metrics_port}"]


def test_points_are_counted_as_often_as_they_are_acknowledged(site: Site) -> None:
    wait_until(lambda: site.traffic.acked, site.deadline, "an ack")
    acked = site.traffic.acked
    status, body = get(site.metrics_port, "/metrics")
    sent = site.traffic.sent
    assert status == 200
    applied = sum(
        sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
        if sample.name == "ncs_points_total" and sample.labels["outcome"] == "applied"
    )
    assert acked <= applied <= sent


def _health_of(port: int) -> int:
    code = healthcheck()[-1].replace("8000", str(port))
    command = [sys.executable, *healthcheck()[1:-1], code]
    return subprocess.run(command, capture_output=True).returncode


def test_the_images_health_check_passes_while_the_server_lives(site: Site) -> None:
    assert _health_of(site.port) == 0


def test_the_images_health_check_fails_when_nobody_answers() -> None:
    assert _health_of(free_port()) != 0
