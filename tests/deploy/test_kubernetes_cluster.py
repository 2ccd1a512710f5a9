"""The manifests of several nodes, as kustomize renders them, against the server."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
import yaml

from ncs_streamer.settings import Settings

from .artefacts import BASE, OVERLAY, image_env, load, manifest
from .test_image import settings_in
from .tools import check

pytestmark = pytest.mark.unit

TEMPLATE = "secret.example.yaml"
MOUNT = "/run/secrets/ncs"


@functools.cache
def rendered(folder: Path = OVERLAY) -> dict[tuple[str, str], Any]:
    """Return what `kubectl apply -k` applies, by kind and name."""
    said = check("kubectl", "kustomize", folder)
    return {
        (one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(said)
    }


def nodes() -> Any:
    return rendered()["StatefulSet", "ncs-api"]["spec"]


def container() -> Any:
    (found,) = nodes()["template"]["spec"]["containers"]
    return found


@pytest.mark.parametrize("folder", [BASE, OVERLAY], ids=lambda folder: folder.name)
def test_what_is_applied_is_of_the_newest_kubernetes_that_is_known(
    folder: Path, tmp_path: Path
) -> None:
    for number, found in enumerate(rendered(folder).values()):
        file = tmp_path / f"{number}.yaml"
        file.write_text(yaml.safe_dump(found))
        assert "passed" in check("kubernetes-validate", "--strict", file)


def test_everything_in_the_folder_is_applied_but_the_template_of_the_secret() -> None:
    applied = load(OVERLAY / "kustomization.yaml")
    named = {*applied["resources"], *(one["path"] for one in applied["patches"])}
    files = {path.name for path in OVERLAY.glob("*.yaml")}
    assert named == files - {"kustomization.yaml", TEMPLATE} | {"../base"}


def test_several_nodes_are_the_one_pod_and_no_disk() -> None:
    base = {kind for kind, _ in rendered(BASE)}
    added = {"StatefulSet", "NetworkPolicy"}
    gone = {"Deployment", "PersistentVolumeClaim"}
    assert {kind for kind, _ in rendered()} == base - gone | added
    volumes = {v["name"]: v for v in nodes()["template"]["spec"]["volumes"]}
    assert volumes["data"].keys() == {"name", "emptyDir"}
    (image,) = load(BASE / "kustomization.yaml")["images"]
    assert container()["image"] == f"{image['newName']}:{image['newTag']}"


def test_the_template_of_the_secret_has_what_the_nodes_read() -> None:
    secret, base = load(OVERLAY / TEMPLATE), manifest("Secret")
    assert secret["metadata"] == base["metadata"]
    read = {Path(e["value"]).name for e in container()["env"] if _is_file(e)}
    assert secret["stringData"].keys() == read
    assert "redis_sentinel_password" in read
    made = (OVERLAY / TEMPLATE).read_text()
    assert all(f"--from-literal={name}=" in made for name in read)


def _is_file(entry: dict[str, Any]) -> bool:
    return bool(entry.get("value", "").startswith(MOUNT))


@pytest.mark.parametrize("has_sentinel_password", [True, False])
def test_several_nodes_are_made_of_the_environment(
    tmp_path: Path, has_sentinel_password: bool
) -> None:
    env = image_env() | rendered()["ConfigMap", "ncs-api-config"]["data"]
    for entry in container()["env"]:
        if "valueFrom" not in entry:
            env[entry["name"]] = entry["value"].replace("$(POD_IP)", "10.1.2.3")
    for name, value in list(env.items()):
        if value.startswith(MOUNT):
            file = tmp_path / Path(value).name
            is_left_out = "sentinel" in file.name and not has_sentinel_password
            file.write_text("" if is_left_out else file.name * 4)
            env[name] = str(file)
    settings = settings_in(env | {"NCS_NODE_NAME": "ncs-api-0"}, tmp_path)
    assert settings.is_clustered
    assert settings.store_kind == "redis"
    assert settings.cluster_address == f"10.1.2.3:{settings.cluster_port}"
    assert settings.cluster_host == "0.0.0.0"
    assert settings.cluster_secret == "cluster_secret" * 4
    assert settings.redis_password == "redis_password" * 4
    sentinels = "redis_sentinel_password" * 4 if has_sentinel_password else ""
    assert settings.redis_sentinel_password == sentinels


def test_nodes_take_turns_and_keep_their_names() -> None:
    spec = nodes()
    assert spec["replicas"] > 1
    assert spec["updateStrategy"]["type"] == "RollingUpdate"
    assert "strategy" not in spec  # of a Deployment
    names = [e for e in container()["env"] if e["name"] == "NCS_NODE_NAME"]
    assert [e["valueFrom"]["fieldRef"]["fieldPath"] for e in names] == ["metadata.name"]
    heads = rendered()["Service", spec["serviceName"]]["spec"]
    assert heads["clusterIP"] == "None"
    labels = spec["template"]["metadata"]["labels"]
    assert heads["selector"].items() <= labels.items()


def test_nodes_are_apart_and_leave_one_at_a_time() -> None:
    spec = nodes()
    labels = spec["template"]["metadata"]["labels"]
    spread = spec["template"]["spec"]["topologySpreadConstraints"]
    keys = {one["topologyKey"] for one in spread}
    assert keys == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
    for one in spread:
        assert one["labelSelector"]["matchLabels"].items() <= labels.items()
    budget = rendered()["PodDisruptionBudget", "ncs-api"]["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["selector"]["matchLabels"].items() <= labels.items()


def test_the_port_between_nodes_is_open_to_nodes_alone() -> None:
    ports = {port["name"]: port["containerPort"] for port in container()["ports"]}
    assert ports["cluster"] == Settings().cluster_port
    policy = rendered()["NetworkPolicy", "ncs-api-cluster"]["spec"]
    rules = {
        found["port"]: rule.get("from")
        for rule in policy["ingress"]
        for found in rule["ports"]
    }
    assert rules.keys() == ports.keys()
    assert rules["cluster"] == [{"podSelector": policy["podSelector"]}]
