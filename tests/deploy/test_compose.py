"""The compose files against the server and against each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ncs_streamer.settings import Settings

from .artefacts import (
    COMPOSE,
    COMPOSE_DEV,
    PROMETHEUS,
    image_env,
    load,
    service_env,
)
from .test_image import known_env, settings_in

pytestmark = pytest.mark.unit

_GIVEN = {"SECRET_KEY": "x" * 32, "GRAFANA_ADMIN_PASSWORD": "y" * 12}


def _services() -> dict[str, Any]:
    services: dict[str, Any] = load(COMPOSE)["services"]
    return services


@pytest.mark.parametrize("path", [COMPOSE, COMPOSE_DEV], ids=lambda path: path.name)
def test_the_servers_environment_is_made_of_settings(path: Path) -> None:
    foreign = service_env("ncs", _GIVEN, path).keys() - known_env()
    assert foreign <= {"PYTHONPATH"}


def test_the_server_takes_the_environment_of_production(tmp_path: Path) -> None:
    env = image_env() | service_env("ncs", _GIVEN)
    settings = settings_in(env, tmp_path)
    assert settings.environment == "production"
    assert settings.secret_key == _GIVEN["SECRET_KEY"]


def test_the_server_takes_the_environment_of_development(tmp_path: Path) -> None:
    env = image_env() | service_env("ncs", _GIVEN, COMPOSE, COMPOSE_DEV)
    settings = settings_in(env, tmp_path)
    assert settings.environment == "development"
    assert settings.debug
    assert not settings.is_loopback


@pytest.mark.parametrize(
    ("service", "missing"),
    [("ncs", "SECRET_KEY"), ("grafana", "GRAFANA_ADMIN_PASSWORD")],
)
def test_a_secret_that_is_not_set_stops_compose(service: str, missing: str) -> None:
    given = _GIVEN | {missing: ""}
    with pytest.raises(AssertionError, match=missing):
        service_env(service, given)


def test_only_the_server_is_published_beyond_this_machine() -> None:
    for name, service in _services().items():
        for port in service.get("ports", ()):
            outside, inside = port.rsplit(":", 1)
            if name == "ncs":
                assert int(inside) == int(outside) == Settings().port
            else:
                assert outside == f"127.0.0.1:{inside}"


def test_grafana_and_prometheus_are_where_the_documents_say() -> None:
    assert _services()["grafana"]["ports"] == ["127.0.0.1:3000:3000"]
    assert _services()["prometheus"]["ports"] == ["127.0.0.1:9090:9090"]


def test_what_the_server_does_not_use_is_off_unless_asked_for() -> None:
    profiles = {
        name: s["profiles"] for name, s in _services().items() if "profiles" in s
    }
    assert profiles == {"redis": ["redis"], "alertmanager": ["alerting"]}


def test_redis_would_keep_a_journal() -> None:
    words = _services()["redis"]["command"][1:]
    options = dict(zip(words[::2], words[1::2], strict=True))
    assert options["--appendonly"] == "yes"
    assert options["--appendfsync"] == "always"
    assert options["--maxmemory-policy"] == "noeviction"


@pytest.mark.parametrize("name", _services())
def test_a_service_is_restarted_watched_and_limited(name: str) -> None:
    service = _services()[name]
    assert service["restart"] == "unless-stopped"
    assert service["cap_drop"] == ["ALL"]
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    # The server's health check is in its image.
    assert ("healthcheck" in service) is (name != "ncs")
    assert ":" in service["image"]
    assert not service["image"].endswith(":latest")


def test_named_volumes_are_declared_and_mounted_files_exist() -> None:
    declared = load(COMPOSE)["volumes"].keys()
    used = set()
    for service in _services().values():
        for mount in service.get("volumes", ()):
            source = mount.split(":")[0]
            if source.startswith("."):
                assert (COMPOSE.parent / source).exists()
            else:
                used.add(source)
    assert used == declared


@pytest.mark.parametrize("name", _services())
def test_a_service_is_read_only_unless_secrets_are_copied_in(name: str) -> None:
    # Grafana keeps its plugins and pictures in more places than its volume.
    writes = name == "grafana" or "secrets" in _services()[name]
    assert _services()[name].get("read_only", False) is not writes


def test_the_server_has_time_to_drain() -> None:
    grace = _services()["ncs"]["stop_grace_period"]
    assert float(grace.removesuffix("s")) >= Settings().drain_timeout_s + 10


def test_prometheus_scrapes_the_metrics_port_of_the_server() -> None:
    (job,) = load(PROMETHEUS)["scrape_configs"]
    (target,) = job["static_configs"][0]["targets"]
    name, _, port = target.partition(":")
    assert name in _services()
    assert int(port) == Settings().metrics_port
    assert job.get("metrics_path", "/metrics") == "/metrics"


def test_the_image_is_built_from_the_root() -> None:
    build = _services()["ncs"]["build"]
    context = COMPOSE.parent / build["context"]
    assert (context / build["dockerfile"]).exists()
    assert (context / ".dockerignore").exists()
