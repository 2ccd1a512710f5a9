"""What the linters say of the artefacts."""

from __future__ import annotations

from pathlib import Path

import pytest

from .artefacts import COMPOSE, COMPOSE_DEV, DEPLOY, DOCKERFILE, GRAFANA, MANIFESTS
from .tools import check

pytestmark = pytest.mark.unit

_HERE = Path(__file__).parent


def test_hadolint_has_nothing_to_say_of_the_dockerfile() -> None:
    assert check("hadolint", "--no-color", DOCKERFILE) == ""


def test_yamllint_has_nothing_to_say() -> None:
    config = _HERE / "yamllint.yaml"
    assert check("yamllint", "--strict", "-c", config, DEPLOY, GRAFANA, _HERE) == ""


@pytest.mark.parametrize("path", [COMPOSE, COMPOSE_DEV], ids=lambda path: path.name)
def test_a_compose_file_is_of_the_compose_specification(path: Path) -> None:
    check("check-jsonschema", "--builtin-schema", "vendor.compose-spec", path)


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_a_manifest_is_of_the_newest_kubernetes_that_is_known(path: Path) -> None:
    said = check("kubernetes-validate", "--strict", path)
    assert "passed" in said
