"""The manifests against the server, the image and each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ncs_streamer.rest.routes import ROUTES
from ncs_streamer.settings import Settings, SettingsError

from .artefacts import (
    KUSTOMIZATION,
    MANIFESTS,
    container,
    image_env,
    instruction,
    load,
    manifest,
    pod,
)
from .test_image import known_env, settings_in

pytestmark = pytest.mark.unit


def _config() -> dict[str, str]:
    data: dict[str, str] = manifest("ConfigMap")["data"]
    return data


def _env() -> dict[str, str]:
    return _config() | {entry["name"]: entry["value"] for entry in container()["env"]}


def _ports() -> dict[str, int]:
    return {port["name"]: port["containerPort"] for port in container()["ports"]}


def test_the_documented_names_are_kept() -> None:
    assert manifest("Namespace")["metadata"]["name"] == "ncs-api"
    assert manifest("ConfigMap")["metadata"]["name"] == "ncs-api-config"
    assert manifest("Secret")["metadata"]["name"] == "ncs-api-secrets"
    assert manifest("Deployment")["metadata"]["name"] == "ncs-api"
    assert manifest("Service")["metadata"]["name"] == "ncs-api-service"
    assert container()["name"] == "ncs-api"


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_everything_is_in_the_namespace(path: Path) -> None:
    found = load(path)
    if found["kind"] != "Namespace":
        assert found["metadata"]["namespace"] == "ncs-api"


def test_kustomize_applies_all_but_the_template_of_the_secret() -> None:
    applied = load(KUSTOMIZATION)["resources"]
    assert {*applied, "secret.example.yaml"} == {path.name for path in MANIFESTS}
    (image,) = load(KUSTOMIZATION)["images"]
    assert container()["image"].startswith(f"{image['name']}:")


def test_the_environment_is_made_of_settings() -> None:
    assert _env().keys() - known_env() == set()


def test_the_server_takes_the_environment(tmp_path: Path) -> None:
    secret = tmp_path / "secret_key"
    secret.write_text("x" * 32 + "\n")
    env = image_env() | _env() | {"SECRET_KEY_FILE": str(secret)}
    settings = settings_in(env, tmp_path)
    assert settings.secret_key == "x" * 32
    assert settings.listen_host == settings.metrics_host == "0.0.0.0"
    assert settings.hsts
    assert settings.trusted_proxies


def test_the_template_of_the_secret_does_not_start_a_server(tmp_path: Path) -> None:
    secret = tmp_path / "secret_key"
    (value,) = manifest("Secret")["stringData"].values()
    secret.write_text(value)
    env = _config() | {"SECRET_KEY_FILE": str(secret)}
    with pytest.raises(SettingsError, match="at least 32"):
        settings_in(env, tmp_path)


def test_the_secret_is_mounted_where_the_server_looks() -> None:
    mounts = {
        mount["name"]: mount["mountPath"] for mount in container()["volumeMounts"]
    }
    (volume,) = [volume for volume in pod()["volumes"] if "secret" in volume]
    secret = manifest("Secret")
    assert volume["secret"]["secretName"] == secret["metadata"]["name"]
    (key,) = secret["stringData"]
    assert _env()["SECRET_KEY_FILE"] == f"{mounts[volume['name']]}/{key}"


@pytest.mark.parametrize(
    ("probe", "path"),
    [
        ("startupProbe", "/livez"),
        ("livenessProbe", "/livez"),
        ("readinessProbe", "/readyz"),
    ],
)
def test_a_probe_asks_an_open_route_that_waits_for_nothing(
    probe: str, path: str
) -> None:
    asked = container()[probe]["httpGet"]
    assert asked["path"] == path
    assert _ports()[asked["port"]] == Settings().port
    (route,) = [route for route in ROUTES if route.path == path]
    assert route.scope is None
    assert not route.needs_streams


def test_ports_lead_from_the_ingress_to_the_server() -> None:
    assert _ports() == {"http": Settings().port, "metrics": Settings().metrics_port}
    ports = {port["name"]: port for port in manifest("Service")["spec"]["ports"]}
    assert {port["targetPort"] for port in ports.values()} == _ports().keys()
    (rule,) = manifest("Ingress")["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    service = path["backend"]["service"]
    assert service["name"] == manifest("Service")["metadata"]["name"]
    assert ports[service["port"]["name"]]["port"] == Settings().port


def test_prometheus_finds_the_metrics_port() -> None:
    template = manifest("Deployment")["spec"]["template"]["metadata"]
    assert template["annotations"] == {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(Settings().metrics_port),
        "prometheus.io/path": "/metrics",
    }


def test_there_is_never_a_second_process_on_the_data() -> None:
    spec = manifest("Deployment")["spec"]
    assert spec["replicas"] == 1
    assert spec["strategy"] == {"type": "Recreate"}
    claim = manifest("PersistentVolumeClaim")
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]
    (volume,) = [v for v in pod()["volumes"] if "persistentVolumeClaim" in v]
    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    (mount,) = [m for m in container()["volumeMounts"] if m["name"] == volume["name"]]
    assert mount["mountPath"] == _config()["NCS_DATA_DIR"] == instruction("VOLUME")


def test_selectors_select_the_pod() -> None:
    labels = manifest("Deployment")["spec"]["template"]["metadata"]["labels"]
    spec = manifest("Deployment")["spec"]
    assert spec["selector"]["matchLabels"].items() <= labels.items()
    assert manifest("Service")["spec"]["selector"].items() <= labels.items()
    budget = manifest("PodDisruptionBudget")["spec"]
    assert budget["selector"]["matchLabels"].items() <= labels.items()


def test_the_one_pod_may_be_moved() -> None:
    spec = manifest("PodDisruptionBudget")["spec"]
    assert spec["maxUnavailable"] == 1
    assert "minAvailable" not in spec


def test_the_server_has_time_to_drain() -> None:
    grace = pod()["terminationGracePeriodSeconds"]
    assert grace >= Settings().drain_timeout_s + 10


def test_the_pod_can_do_little() -> None:
    assert not pod()["automountServiceAccountToken"]
    whole: Any = pod()["securityContext"]
    assert whole["runAsNonRoot"]
    assert whole["seccompProfile"] == {"type": "RuntimeDefault"}
    user, _, group = instruction("USER").partition(":")
    assert (whole["runAsUser"], whole["runAsGroup"]) == (int(user), int(group))
    own = container()["securityContext"]
    assert own["readOnlyRootFilesystem"]
    assert not own["allowPrivilegeEscalation"]
    assert own["capabilities"] == {"drop": ["ALL"]}


def test_variables_made_of_services_cannot_be_taken_for_settings() -> None:
    assert pod()["enableServiceLinks"] is False


def test_the_ingress_keeps_quiet_connections_and_passes_large_bodies() -> None:
    notes = manifest("Ingress")["metadata"]["annotations"]
    nginx = "nginx.ingress.kubernetes.io"
    for way in ("read", "send"):
        timeout = float(notes[f"{nginx}/proxy-{way}-timeout"])
        assert timeout > 3 * Settings().heartbeat_s
    size = float(notes[f"{nginx}/proxy-body-size"].removesuffix("m"))
    assert size * 2**20 > Settings().max_frame_bytes
