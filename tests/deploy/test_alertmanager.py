"""The structure of alertmanager.yml; amtool is not everywhere where the tests run."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from .artefacts import ALERTMANAGER, COMPOSE, load

pytestmark = pytest.mark.unit


def _config() -> Any:
    return load(ALERTMANAGER)


def _receivers() -> dict[str, Any]:
    return {receiver["name"]: receiver for receiver in _config()["receivers"]}


def test_every_route_leads_to_a_receiver_and_every_receiver_is_reached() -> None:
    route = _config()["route"]
    reached = {route["receiver"], *(child["receiver"] for child in route["routes"])}
    assert reached == _receivers().keys()


def test_critical_alerts_go_to_slack_pagerduty_and_mail() -> None:
    (critical,) = _config()["route"]["routes"]
    assert critical["matchers"] == ["severity = critical"]
    assert _receivers()[critical["receiver"]].keys() == {
        "name",
        "slack_configs",
        "pagerduty_configs",
        "email_configs",
    }


def test_secrets_come_as_files_that_compose_mounts() -> None:
    text = ALERTMANAGER.read_text()
    secret = r"^[ -]*\w*(?:password|api_url|routing_key)(\w*): (\S+)$"
    found = re.findall(secret, text, flags=re.MULTILINE)
    assert {suffix for suffix, _ in found} == {"_file"}
    mounted = load(COMPOSE)["services"]["alertmanager"]["secrets"]
    assert {path for _, path in found} == {f"/run/secrets/{name}" for name in mounted}


def test_templates_are_defined() -> None:
    folder = ALERTMANAGER.parent / "templates"
    text = "".join(path.read_text() for path in folder.glob("*.tmpl"))
    defined = set(re.findall(r'define "([\w.]+)"', text))
    used = re.findall(r'template "([\w.]+)"', json.dumps(_config()).replace("\\", ""))
    assert set(used) == defined
    assert len(re.findall(r"\{\{-? *(?:define|range|with)\b", text)) == len(
        re.findall(r"\{\{-? *end\b", text)
    )
