"""The files under deploy/ and grafana/, as the tests want to see them."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from .tools import ROOT

DEPLOY = ROOT / "deploy"
GRAFANA = ROOT / "grafana"
DOCKERFILE = DEPLOY / "Dockerfile"
COMPOSE = DEPLOY / "compose.yaml"
COMPOSE_DEV = DEPLOY / "compose.dev.yaml"
PROMETHEUS = DEPLOY / "prometheus" / "prometheus.yml"
RULES = (
    DEPLOY / "prometheus" / "recording-rules.yml",
    DEPLOY / "prometheus" / "alert-rules.yml",
)
ALERTMANAGER = DEPLOY / "alertmanager" / "alertmanager.yml"
DASHBOARD = GRAFANA / "dashboards" / "ncs.json"
BASE = DEPLOY / "kubernetes" / "base"
OVERLAY = DEPLOY / "kubernetes" / "cluster"
KUSTOMIZATION = BASE / "kustomization.yaml"
MANIFESTS = tuple(path for path in sorted(BASE.glob("*.yaml")) if path != KUSTOMIZATION)

ZERO = " or on() vector(0)"
"""What a query ends in that shows 0 for a counter that nothing has counted yet."""


def load(path: Path) -> Any:
    """Return a YAML file of one document."""
    return yaml.safe_load(path.read_text())


def dashboard() -> Any:
    """Return the dashboard."""
    return json.loads(DASHBOARD.read_text())


@dataclasses.dataclass(frozen=True, slots=True)
class Query:
    """One query of one panel."""

    panel: str
    ref: str
    expr: str

    @property
    def resolved(self) -> str:
        """The query as Grafana sends it, for all instances."""
        text = self.expr.replace("$__rate_interval", "15s").replace("$instance", ".*")
        assert "$" not in text, f"{self.panel}: a variable is left in {text}"
        return text


def queries() -> list[Query]:
    """Return every query of every panel."""
    return [
        Query(panel["title"], target["refId"], target["expr"])
        for panel in dashboard()["panels"]
        for target in panel.get("targets", ())
    ]


def rules(kind: str) -> dict[str, Any]:
    """Return the rules by name; `kind` is `record` or `alert`."""
    return {
        rule[kind]: rule
        for path in RULES
        for group in load(path)["groups"]
        for rule in group["rules"]
        if kind in rule
    }


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions with their arguments, in order."""
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    words = [line.strip().partition(" ") for line in lines if line.strip()]
    return [(name, rest.strip()) for name, _, rest in words]


def instruction(name: str) -> str:
    """Return the arguments of the last instruction of that name."""
    return [rest for found, rest in instructions() if found == name][-1]


def image_env() -> dict[str, str]:
    """Return the environment that the image sets."""
    words = shlex.split(instruction("ENV"))
    return dict(word.split("=", 1) for word in words)


def healthcheck() -> list[str]:
    """Return the command of the image's health check."""
    command: list[str] = json.loads(instruction("HEALTHCHECK").partition("CMD ")[2])
    return command


_VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


def interpolated(value: str, environ: dict[str, str]) -> str:
    """Return a value of a compose file as compose sees it."""

    def replace(match: re.Match[str]) -> str:
        name, operator, rest = match.groups()
        if environ.get(name):
            return environ[name]
        assert operator != "?", f"{name}: {rest}"
        return rest or ""

    return _VARIABLE.sub(replace, value)


def service_env(service: str, environ: dict[str, str], *paths: Path) -> dict[str, str]:
    """Return the environment of a service, later files laid over earlier ones."""
    found: dict[str, str] = {}
    for path in paths or (COMPOSE,):
        found |= load(path)["services"][service].get("environment", {})
    return {name: interpolated(str(value), environ) for name, value in found.items()}


def manifests(kind: str) -> Iterator[Any]:
    """Yield the Kubernetes objects of a kind."""
    for path in MANIFESTS:
        found = load(path)
        if found["kind"] == kind:
            yield found


def manifest(kind: str) -> Any:
    """Return the one Kubernetes object of a kind."""
    (found,) = manifests(kind)
    return found


def pod() -> Any:
    """Return the specification of the pod."""
    return manifest("Deployment")["spec"]["template"]["spec"]


def container() -> Any:
    """Return the one container."""
    (found,) = pod()["containers"]
    return found
