"""The Dockerfile against what the server knows; the image itself is built elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from ncs_streamer.rest.routes import ROUTES
from ncs_streamer.settings import Settings, load_settings, setting_rows

from .artefacts import healthcheck, image_env, instruction, instructions
from .tools import ROOT

pytestmark = pytest.mark.unit

_FOREIGN = {"PROMETHEUS_DISABLE_CREATED_SERIES"}
"""Variables that prometheus_client reads, not the server's settings."""

_SECRET = "x" * 32


def known_env() -> set[str]:
    """Return every name of the environment that is a setting."""
    names = {name for row in setting_rows() for name in row.env}
    return names | {f"{name}_FILE" for name in names}


def settings_in(env: dict[str, str], folder: Path) -> Settings:
    """Return the settings that an environment gives."""
    return load_settings({}, env, folder=folder).settings


def test_the_environment_is_made_of_settings() -> None:
    assert image_env().keys() - known_env() == _FOREIGN


def test_the_server_takes_the_environment(tmp_path: Path) -> None:
    settings = settings_in(image_env() | {"SECRET_KEY": _SECRET}, tmp_path)
    assert settings.environment == "production"
    assert settings.listen_host == settings.metrics_host == "0.0.0.0"
    assert settings.log_format == "json"


def test_no_secret_is_in_the_image() -> None:
    secret = {name for row in setting_rows() if row.secret for name in row.env}
    assert secret
    assert image_env().keys().isdisjoint(secret)
    assert not any(name == "ARG" for name, _ in instructions())


def test_the_data_folder_is_the_volume_and_belongs_to_the_user(tmp_path: Path) -> None:
    settings = settings_in(image_env() | {"SECRET_KEY": _SECRET}, tmp_path)
    assert instruction("VOLUME") == str(settings.data_dir)
    user, _, group = instruction("USER").partition(":")
    assert int(user) > 0
    assert int(group) > 0
    made = f"install -d -o {user} -g {group} -m 0700 {settings.data_dir}"
    assert made in instruction("RUN")


def test_the_ports_are_those_of_the_server() -> None:
    ports = [int(port) for port in instruction("EXPOSE").split()]
    assert ports == [Settings().port, Settings().metrics_port]


def test_the_health_check_asks_an_open_route() -> None:
    code = healthcheck()[-1]
    (route,) = [route for route in ROUTES if f"'{route.path}'" in code]
    assert route.scope is None
    assert not route.needs_streams
    assert f"127.0.0.1', {Settings().port}," in code


def test_the_runtime_stage_has_no_compiler() -> None:
    stages = [rest for name, rest in instructions() if name == "FROM"]
    assert [stage.split()[0] for stage in stages] == [
        "python:3.13-trixie",
        "python:3.13-slim-trixie",
    ]


def test_only_what_is_copied_reaches_the_build() -> None:
    copied = {
        source.removeprefix("./")
        for name, rest in instructions()
        if name == "COPY"
        for source in rest.split()[:-1]
    }
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    assert patterns[0] == "*"
    assert {line[1:] for line in patterns if line.startswith("!")} == copied
    assert "**/.env" in patterns


def test_all_distributions_are_built() -> None:
    built = next(rest for name, rest in instructions() if name == "RUN").split()
    for folder in ("./protocol", "./engine", "./clients/python", "."):
        assert folder in built


def test_it_starts_the_server() -> None:
    assert instruction("CMD") == '["ncs", "serve"]'
