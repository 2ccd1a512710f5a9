from __future__ import annotations

import base64
import dataclasses
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from ncs_engine import EngineParams
from ncs_protocol import DEFAULT_LIMITS
from ncs_streamer.settings import (
    Loaded,
    Settings,
    SettingsError,
    load_settings,
    setting_rows,
)

pytestmark = pytest.mark.unit

SECRET = base64.b64encode(bytes(range(32))).decode()  # as `openssl rand -base64 32`
ROWS = setting_rows()
Load = Callable[..., Loaded]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Return `load_settings`, looking for files in a folder of the test's own."""

    def load(
        flags: Mapping[str, Any] | None = None, /, yaml: str = "", **environ: str
    ) -> Loaded:
        if yaml:
            (tmp_path / "config").mkdir(exist_ok=True)
            (tmp_path / "config" / "config.yaml").write_text(yaml)
        return load_settings(flags or {}, environ, folder=tmp_path)

    return load


def refused(load: Load, *flags: Mapping[str, Any], **given: str) -> str:
    """Return what the refusal says."""
    with pytest.raises(SettingsError) as caught:
        load(*flags, **given)
    return str(caught.value)


# Where a value comes from: each place hides those after it

PLACES = ["flag", "NCS_PORT", "PORT", ".env NCS_PORT", ".env PORT", "yaml", "default"]
SOURCES = ["flag --port", "environment NCS_PORT", "environment PORT"]
SOURCES += [".env NCS_PORT", ".env PORT", "file {yaml}", "default"]


@pytest.mark.parametrize("first", range(len(PLACES)), ids=PLACES)
def test_the_first_place_that_has_a_value_gives_it(tmp_path: Path, first: int) -> None:
    values = {place: 7000 + i for i, place in enumerate(PLACES) if i >= first}
    dotenv = [f"{p[5:]}={v}" for p, v in values.items() if p.startswith(".env")]
    (tmp_path / ".env").write_text("\n".join(dotenv))
    yaml = tmp_path / "config" / "config.yaml"
    yaml.parent.mkdir()
    yaml.write_text(f"port: {values['yaml']}" if "yaml" in values else "")
    loaded = load_settings(
        {"port": values.get("flag")},
        {name: str(values[name]) for name in ("NCS_PORT", "PORT") if name in values},
        folder=tmp_path,
    )
    expected = 8000 if PLACES[first] == "default" else 7000 + first
    assert loaded.settings.port == expected
    assert loaded.sources["port"] == SOURCES[first].format(yaml=yaml)


def test_every_setting_has_a_source(load: Load) -> None:
    assert load().sources == dict.fromkeys((row.name for row in ROWS), "default")


def test_a_settings_file_may_be_named_in_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "other.yaml"
    file.write_text("port: 7001")
    loaded = load_settings({}, {"NCS_CONFIG": str(file)}, folder=tmp_path)
    assert (loaded.settings.port, loaded.sources["port"]) == (7001, f"file {file}")


@pytest.mark.parametrize("name", ["NCS_SECRET_KEY", "SECRET_KEY"])
def test_a_value_may_lie_in_a_file_that_is_named(
    load: Load, tmp_path: Path, name: str
) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    loaded = load(**{f"{name}_FILE": str(file)})
    assert loaded.settings.secret_key == SECRET
    assert loaded.sources["secret_key"] == f"file {file} by {name}_FILE"


def test_a_plain_value_hides_the_file_of_its_name(load: Load, tmp_path: Path) -> None:
    (tmp_path / "port").write_text("7002")
    assert load(PORT="7001", PORT_FILE=f"{tmp_path}/port").settings.port == 7001


@pytest.mark.parametrize("content", [None, b"\xff\xfe"], ids=["missing", "binary"])
def test_a_file_that_cannot_be_read_is_told(
    load: Load, tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    assert "SECRET_KEY_FILE" in refused(load, SECRET_KEY_FILE=f"{tmp_path}/secret")


@pytest.mark.parametrize("content", [b"port: [", b"\xff\xfe", b"- port", b"port"])
def test_a_settings_file_that_is_none_is_told(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "bad.yaml"
    file.write_bytes(content)
    with pytest.raises(SettingsError, match=re.escape(str(file))):
        load_settings({}, {}, config=file, folder=tmp_path)


def test_an_unknown_name_in_the_settings_file_is_told(load: Load) -> None:
    message = refused(load, yaml="prot: 8001")
    assert message.endswith("config.yaml: unknown setting 'prot'")


# Types


LISTS = ['["a://b", "c://d"]', "a://b,c://d", " a://b , c://d, "]
ORIGINS = ["NCS_CORS_ORIGINS", "CORS_ORIGINS", "ALLOWED_ORIGINS"]


@pytest.mark.parametrize("text", LISTS)
@pytest.mark.parametrize("name", ORIGINS)
def test_a_list_is_json_or_separated_by_commas(
    load: Load, name: str, text: str
) -> None:
    assert load(**{name: text}).settings.cors_origins == ("a://b", "c://d")


WORDS = dict.fromkeys(["1", "true", "True", "yes", "ON"], True)
WORDS |= dict.fromkeys(["0", "false", "False", "no", "OFF", ""], False)


@pytest.mark.parametrize(("text", "value"), WORDS.items())
def test_a_word_is_true_or_false(load: Load, text: str, value: bool) -> None:
    assert load(DEBUG=text).settings.debug is value


@pytest.mark.parametrize("text", ["off", "none", "None", ""])
def test_these_words_switch_the_metrics_port_off(load: Load, text: str) -> None:
    assert load(NCS_METRICS_PORT=text).settings.metrics_port is None


@pytest.mark.parametrize("text", ["off", "null", "none", "''"])
def test_the_settings_file_switches_the_metrics_port_off(load: Load, text: str) -> None:
    assert load(yaml=f"metrics_port: {text}").settings.metrics_port is None


WRONG_TEXTS = {
    "port": ["eighty", "80.5", "", "-1", "65536"],
    "metrics_port": ["eighty", "-1", "65536"],
    "debug": ["maybe", "2"],
    "environment": ["staging", "Production", ""],
    "store": ["redis"],
    "metric": ["manhattan"],
    "cors_origins": ["[", '["a"'],
    "event_tick_ms": ["fast", "0", "-1", "nan", "inf"],
    "heartbeat_s": ["0", "nan"],
    "drain_timeout_s": ["-1", "nan"],
    "max_points": ["0", "-5", "1e3"],
    "engine_threads": ["0"],
    "base_threshold": ["high", "0", "1", "nan"],
    "max_clusters": ["0", "1001", "2.5"],
    "workers": ["2", "0", "-1"],
}


@pytest.mark.parametrize(
    ("name", "text"), [(name, t) for name, texts in WRONG_TEXTS.items() for t in texts]
)
def test_a_value_that_cannot_be_is_refused_by_name_and_source(
    load: Load, name: str, text: str
) -> None:
    variable = f"NCS_{name.upper()}"
    message = refused(load, **{variable: text})
    assert name in message
    assert f"environment {variable}" in message


WRONG_YAML = ["port: true", "port: [1]", "port: 80.5", "port: null", "heartbeat_s: {}"]
WRONG_YAML += ["heartbeat_s: true", "cors_origins: 5", "store: [sqlite]", "host: null"]
WRONG_YAML += ["data_dir: null", "host: [a]", "debug: [true]", "max_points: 1.5"]


@pytest.mark.parametrize("yaml", WRONG_YAML)
def test_a_value_of_another_type_in_the_settings_file_is_refused(
    load: Load, yaml: str
) -> None:
    message = refused(load, yaml=yaml)
    assert message.startswith(f"{yaml.partition(':')[0]} from file ")


def test_several_processes_are_refused_with_the_reason(load: Load) -> None:
    assert refused(load, WORKERS="8").startswith(
        "workers from environment WORKERS: 8 processes would split every stream"
    )


# The secret

ADVICE = "make one with: openssl rand -base64 32"


def test_production_without_a_secret_is_refused_with_advice(load: Load) -> None:
    assert refused(load, ENVIRONMENT="production") == (
        f"SECRET_KEY is not set and this is production; {ADVICE}"
    )


@pytest.mark.parametrize("environment", ["production", "development"])
def test_a_short_secret_is_refused_with_advice(load: Load, environment: str) -> None:
    message = refused(load, ENVIRONMENT=environment, SECRET_KEY="s" * 31)
    assert message == f"SECRET_KEY has 31 characters, it needs at least 32; {ADVICE}"


@pytest.mark.parametrize("secret", ["s" * 32, SECRET], ids=["32", "openssl"])
def test_a_secret_of_32_characters_is_taken(load: Load, secret: str) -> None:
    loaded = load(ENVIRONMENT="production", SECRET_KEY=secret)
    assert loaded.settings.secret_key == secret


def test_a_refused_secret_is_never_shown(load: Load) -> None:
    assert "hunter2" not in refused(load, SECRET_KEY="hunter2")


# What derives from the settings


@pytest.mark.parametrize(
    ("environment", "host", "expected"),
    [
        ("development", "", "127.0.0.1"),
        ("production", "", "0.0.0.0"),
        ("development", "10.0.0.1", "10.0.0.1"),
        ("production", "127.0.0.1", "127.0.0.1"),
    ],
)
def test_where_to_listen_depends_on_the_environment(
    environment: Any, host: str, expected: str
) -> None:
    assert Settings(environment=environment, host=host).listen_host == expected


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False)],
)
def test_loopback_is_what_only_this_machine_reaches(host: str, loopback: bool) -> None:
    assert Settings(host=host).is_loopback is loopback


def test_the_documented_engine_variables_reach_the_engine(load: Load) -> None:
    params = load(
        NCS_BASE_THRESHOLD="0.8",
        NCS_LEARNING_RATE="0.1",
        NCS_MAX_CLUSTERS="30",
        NCS_METRIC="cosine",
        NCS_ENABLE_DRIFT_DETECTION="false",
    ).settings.engine_params
    assert params == EngineParams(
        base_threshold=0.8,
        learning_rate=0.1,
        max_clusters=30,
        metric="cosine",
        enable_drift_detection=False,
    )


def test_without_settings_engine_and_limits_have_their_own_defaults() -> None:
    assert Settings().engine_params == EngineParams()
    assert Settings().limits == DEFAULT_LIMITS


# The table


def test_every_row_has_a_sentence_of_help() -> None:
    for row in ROWS:
        assert re.fullmatch(r"[A-Z`].+\.", row.help), row.name


def test_the_table_has_every_setting_once() -> None:
    fields = [field.name for field in dataclasses.fields(Settings)]
    assert [row.name for row in ROWS] == fields


def test_flags_and_variables_are_unique() -> None:
    names = [name for row in ROWS for name in (row.flag, *row.env)]
    assert len(set(names)) == len(names)


def test_every_engine_parameter_is_a_setting_with_its_default() -> None:
    assert Settings().engine_params.as_dict() == EngineParams().as_dict()


def test_the_documented_tuning_keys_come_from_the_environment() -> None:
    environ = {
        "NCS_QUALITY_CHECK_INTERVAL": "100",
        "NCS_AUTO_SCALING": "false",
        "NCS_BATCH_SIZE": "2000",
    }
    params = load_settings({}, environ).settings.engine_params
    assert params == EngineParams(
        quality_check_interval=100, auto_scaling=False, batch_size=2000
    )
