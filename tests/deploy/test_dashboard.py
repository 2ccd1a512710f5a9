"""The dashboard as a file that Grafana loads and that people read."""

from __future__ import annotations

from typing import Any

import pytest

from .artefacts import COMPOSE, GRAFANA, dashboard, load, queries

pytestmark = pytest.mark.unit

_DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
_COLUMNS = 24


def _panels() -> list[Any]:
    panels: list[Any] = dashboard()["panels"]
    return panels


def _charts() -> list[Any]:
    return [panel for panel in _panels() if panel["type"] != "row"]


def test_panels_have_ids_of_their_own() -> None:
    ids = [panel["id"] for panel in _panels()]
    assert len(set(ids)) == len(ids)


def test_panels_fill_the_grid_and_do_not_overlap() -> None:
    cells: set[tuple[int, int]] = set()
    for panel in _panels():
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= _COLUMNS
        own = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert cells.isdisjoint(own), panel["title"]
        cells |= own
    height = 1 + max(y for _, y in cells)
    assert len(cells) == _COLUMNS * height


def test_the_rows_are_the_rooms_of_the_server() -> None:
    assert [panel["title"] for panel in _panels() if panel["type"] == "row"] == [
        "Now",
        "Ingest",
        "Model",
        "Events",
        "Connections",
        "Journal",
        "REST",
        "Security and refusals",
        "Cluster",
        "Process",
    ]


@pytest.mark.parametrize("panel", _charts(), ids=lambda panel: panel["title"])
def test_a_panel_says_what_it_shows_and_in_which_unit(panel: Any) -> None:
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]


@pytest.mark.parametrize("panel", _charts(), ids=lambda panel: panel["title"])
def test_a_panel_uses_the_datasource_that_is_chosen(panel: Any) -> None:
    assert panel["datasource"] == _DATASOURCE
    refs = [target["refId"] for target in panel["targets"]]
    assert len(set(refs)) == len(refs) > 0
    assert all(target["datasource"] == _DATASOURCE for target in panel["targets"])


@pytest.mark.parametrize("query", queries(), ids=lambda q: f"{q.panel} {q.ref}")
def test_a_query_follows_the_instance_and_the_step(query: Any) -> None:
    assert 'instance=~"$instance"' in query.expr
    for window in query.expr.split("[")[1:]:
        assert window.startswith("$__rate_interval]")


def test_grafana_finds_dashboard_and_datasource() -> None:
    volumes = load(COMPOSE)["services"]["grafana"]["volumes"]
    mounts = dict(mount.split(":")[:2] for mount in volumes)
    inside = {target: source for source, target in mounts.items()}
    (provider,) = load(GRAFANA / "provisioning/dashboards/ncs.yaml")["providers"]
    assert inside[provider["options"]["path"]] == "../grafana/dashboards"
    for kind in ("dashboards", "datasources"):
        source = inside[f"/etc/grafana/provisioning/{kind}"]
        assert source == f"../grafana/provisioning/{kind}"


def test_the_datasource_is_the_prometheus_of_compose() -> None:
    (source,) = load(GRAFANA / "provisioning/datasources/prometheus.yaml")[
        "datasources"
    ]
    assert source["url"] == "http://prometheus:9090"
    assert "prometheus" in load(COMPOSE)["services"]
