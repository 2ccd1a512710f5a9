"""The manifests of several nodes against the server and those of one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ncs_streamer.settings import Settings

from .artefacts import DEPLOY, container, image_env, load, manifest, pod
from .test_image import settings_in

pytestmark = pytest.mark.unit

FOLDER = DEPLOY / "kubernetes" / "cluster"
TEMPLATE = "secret.example.yaml"
MOUNT = "/run/secrets/ncs"


def patch(name: str) -> dict[str, Any]:
    found: dict[str, Any] = load(FOLDER / f"{name}.yaml")
    return found


def patched() -> dict[str, Any]:
    (found,) = patch("deployment")["spec"]["template"]["spec"]["containers"]
    return dict(found)


def test_everything_in_the_folder_is_applied_but_the_template_of_the_secret() -> None:
    applied = patch("kustomization")
    named = {*applied["resources"], *(one["path"] for one in applied["patches"])}
    files = {path.name for path in FOLDER.glob("*.yaml")}
    assert named == files - {"kustomization.yaml", TEMPLATE} | {".."}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("configmap", "ConfigMap"),
        ("deployment", "Deployment"),
        ("no-disk", "PersistentVolumeClaim"),
    ],
)
def test_a_patch_meets_what_it_changes(name: str, kind: str) -> None:
    changed, base = patch(name), manifest(kind)
    assert changed["kind"] == kind
    for field in ("name", "namespace"):
        assert changed["metadata"][field] == base["metadata"][field]


def test_the_template_of_the_secret_has_what_the_nodes_read() -> None:
    secret, base = load(FOLDER / TEMPLATE), manifest("Secret")
    assert secret["metadata"] == base["metadata"]
    read = [Path(entry["value"]).name for entry in patched()["env"] if _is_file(entry)]
    assert list(secret["stringData"]) == [*base["stringData"], *read]


def _is_file(entry: dict[str, Any]) -> bool:
    return bool(entry.get("value", "").startswith(MOUNT))


def test_several_nodes_are_made_of_the_environment(tmp_path: Path) -> None:
    env = image_env() | manifest("ConfigMap")["data"] | patch("configmap")["data"]
    for entry in [*container()["env"], *patched()["env"]]:
        if "valueFrom" not in entry:
            env[entry["name"]] = entry["value"].replace("$(POD_IP)", "10.1.2.3")
    for name, value in list(env.items()):
        if value.startswith(MOUNT):
            file = tmp_path / Path(value).name
            file.write_text(file.name * 4)
            env[name] = str(file)
    env |= {"NCS_NODE_NAME": "ncs-api-x"}
    env.pop("POD_IP", None)
    settings = settings_in(env, tmp_path)
    assert settings.is_clustered
    assert settings.store_kind == "redis"
    assert settings.cluster_address == f"10.1.2.3:{settings.cluster_port}"
    assert settings.cluster_host == "0.0.0.0"
    assert settings.cluster_secret == "cluster_secret" * 4
    assert settings.redis_password == "redis_password" * 4


def test_nodes_take_turns_and_have_no_disk() -> None:
    spec = patch("deployment")["spec"]
    assert spec["replicas"] > 1
    assert spec["strategy"]["type"] == "RollingUpdate"
    (volume,) = spec["template"]["spec"]["volumes"]
    assert volume["persistentVolumeClaim"] is None
    assert volume["name"] in {found["name"] for found in pod()["volumes"]}


def test_the_port_between_nodes_is_open_to_nodes_alone() -> None:
    (port,) = patched()["ports"]
    assert port["containerPort"] == Settings().cluster_port
    policy = patch("network-policy")["spec"]
    rules = {
        found["port"]: rule.get("from")
        for rule in policy["ingress"]
        for found in rule["ports"]
    }
    assert rules.keys() == {port["name"], *(p["name"] for p in container()["ports"])}
    assert rules[port["name"]] == [{"podSelector": policy["podSelector"]}]
