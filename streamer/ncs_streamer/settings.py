"""The settings: one table, from which flags, environment names and docs derive.

A value comes from the first of: command-line flag, `NCS_<NAME>`, the plain aliases,
the same names in `.env`, the YAML file, the default. For every environment name,
`<NAME>_FILE` may name a file that holds the value, as secret mounts do.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from dotenv import dotenv_values

from ncs_engine import EngineParams
from ncs_protocol import Limits

from .redis_address import Address, without_password

__all__ = ["Loaded", "Settings", "SettingsError", "load_settings", "setting_rows"]

_MIB = 1024 * 1024
_OFF = frozenset(("off", "none", "", "false"))  # YAML reads `off` as false
_LOOPBACK = frozenset(("127.0.0.1", "::1", "localhost"))


class SettingsError(Exception):
    """A setting is missing or wrong; the message names it and where it came from."""


def _setting(default: Any, text: str, *, env: tuple[str, ...] = (), **more: Any) -> Any:
    return dataclasses.field(
        default=default, metadata={"help": text, "env": env, **more}
    )


def _engine(name: str, *env: str) -> Any:
    text = f"Default of the engine parameter `{name}`."
    return _setting(getattr(EngineParams(), name), text, env=env)


def _limit(name: str, text: str) -> Any:
    return _setting(getattr(Limits(), name), text)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set. Times end in their unit."""

    environment: Literal["development", "production"] = _setting(
        "development", "Production insists on real secrets.", env=("ENVIRONMENT",)
    )
    debug: bool = _setting(False, "Log at debug level.", env=("DEBUG",))
    host: str = _setting(
        "",
        "Address to listen on. Empty: 127.0.0.1 in development, 0.0.0.0 in production.",
    )
    port: int = _setting(
        8000, "Port of WebSocket and REST; 0 picks a free one.", env=("PORT",)
    )
    metrics_host: str = _setting(
        "127.0.0.1", "Address of the separate port that serves /metrics openly."
    )
    metrics_port: int | None = _setting(
        9464, "Port that serves /metrics without a credential; `off` for none."
    )
    workers: int = _setting(
        1, "Server processes; one until the store is shared.", env=("WORKERS",)
    )
    engine_threads: int = _setting(2, "Threads that apply points, for all streams.")

    store: str = _setting(
        "sqlite",
        "Where journal, events, snapshots, users and keys are kept: `sqlite`, `memory`,"
        " `redis://HOST:PORT`, `redis+sentinel://HOST,HOST/SERVICE` or"
        " `redis+cluster://HOST,HOST`; `rediss` for TLS.",
        shown=without_password,
    )
    node_name: str = _setting(
        "",
        "Name of this node among those on the same store; no two may have the same."
        " Empty: the host's name and `cluster_port`, or `data_dir` where that is 0.",
    )
    cluster_host: str = _setting(
        "127.0.0.1", "Address on which the other nodes are answered."
    )
    cluster_port: int = _setting(8001, "Port for that; 0 picks a free one.")
    cluster_address: str = _setting(
        "",
        "Host and port at which the other nodes reach this one. Empty: `cluster_host`"
        " and `cluster_port`.",
    )
    lease_s: float = _setting(
        10.0,
        "How long a node lives on after it was last heard; then others take over what"
        " it owned. A node that stalls for longer loses it all.",
    )
    cluster_secret: str = _setting(
        "",
        "What all nodes know and prove to each other; at least 32 characters. Empty:"
        " made from SECRET_KEY. With a store that several nodes share, one of the two"
        " has to be set.",
        secret=True,
    )
    data_dir: Path = _setting(Path("data"), "Folder of the SQLite store.")
    redis_durability: Literal["redis-primary", "redis-all", "memory"] = _setting(
        "redis-primary",
        "What an ack promises: on the primary's disk, on those of all replicas too, or"
        " nothing.",
    )
    redis_replicas: int | None = _setting(
        None,
        "Replicas that have to have each entry on disk, with `redis-all`; `off` for as"
        " many as there are at the start.",
    )
    redis_username: str = _setting("", "ACL user, if it is not in `store`.")
    redis_password: str = _setting(
        "", "Its password, if it is not in `store`.", secret=True
    )
    redis_sentinel_password: str = _setting(
        "", "Password of the Sentinels, if they have one.", secret=True
    )
    redis_ca_file: Path | None = _setting(
        None, "Certificates to trust with TLS; `off` for those of the system."
    )
    redis_prefix: str = _setting("ncs", "What the names of all keys begin with.")
    redis_timeout_s: float = _setting(5.0, "Longest time for an answer.")
    redis_recent_mb: float = _setting(
        64.0, "Entries that are remembered in case a fail-over loses them."
    )
    snapshot_points: int = _setting(
        50_000, "Points of a stream after which its model is saved."
    )
    snapshot_interval_s: float = _setting(
        300.0, "Time after which a model that has changed is saved."
    )
    snapshot_journal_mb: float = _setting(
        64.0,
        "Journal of a stream after which its model is saved. Two snapshots are kept,"
        " and the journal from the older one on.",
    )
    history_events: int = _setting(
        1000, "Lossless events of a stream that a reader can catch up on."
    )
    history_mb: float = _setting(8.0, "Most that those of one stream take.")
    history_hours: float = _setting(24.0, "Age at which they are forgotten.")

    secret_key: str = _setting(
        "",
        "Signs the tokens; at least 32 characters. Development makes one and keeps it.",
        env=("SECRET_KEY",),
        secret=True,
    )
    access_token_expire_minutes: float = _setting(
        15.0, "Lifetime of a login token.", env=("ACCESS_TOKEN_EXPIRE_MINUTES",)
    )
    cors_origins: tuple[str, ...] = _setting(
        (),
        "Origins of browser pages that may call, beside the server's own.",
        env=("CORS_ORIGINS", "ALLOWED_ORIGINS"),
    )
    trusted_proxies: tuple[str, ...] = _setting(
        (), "Addresses or networks whose X-Forwarded-For and -Proto are believed."
    )
    hsts: bool = _setting(False, "Send Strict-Transport-Security; set it behind TLS.")
    rate_limit_per_minute: int = _setting(
        1000,
        "Requests per minute of one token; API keys get ten times as many.",
        env=("RATE_LIMIT_PER_MINUTE",),
    )
    strict_input: bool = _setting(
        False, "Refuse uniform or almost empty points of more than 100 dimensions."
    )

    base_threshold: float = _engine("base_threshold")
    learning_rate: float = _engine("learning_rate")
    max_clusters: int = _engine("max_clusters")
    metric: Literal["euclidean", "cosine"] = _engine("metric")
    outlier_threshold: float = _engine("outlier_threshold")
    enable_drift_detection: bool = _engine("enable_drift_detection")
    drift_sensitivity: float = _engine("drift_sensitivity")
    memory_limit_mb: float = _engine("memory_limit_mb")
    quality_check_interval: int = _engine("quality_check_interval")
    auto_scaling: bool = _engine("auto_scaling")
    batch_size: int = _engine("batch_size")

    max_frame_bytes: int = _limit("max_frame_bytes", "Largest frame or body.")
    max_points: int = _limit("max_points", "Most points in one batch.")
    max_dimensions: int = _limit("max_dimensions", "Most coordinates of a point.")
    max_elements: int = _limit("max_elements", "Most coordinates in one batch.")
    max_streams: int = _setting(100, "Most streams of one tenant.")
    max_producers: int = _setting(
        10_000, "Most producers that a stream remembers; each is remembered for ever."
    )
    max_subscriptions: int = _setting(64, "Most subscriptions of one connection.")
    max_connections_per_address: int = _setting(
        1000,
        "Most WebSocket connections of one address, or of one IPv6 network of 64 bits.",
    )
    max_connections_per_tenant: int = _setting(
        10_000, "Most WebSocket connections of one tenant."
    )
    handshakes_per_minute: int = _setting(
        1200, "WebSocket handshakes of one address; all of them may come at once."
    )
    max_unauthenticated: int = _setting(
        1000,
        "Most sockets that have shown no credential; beyond it, the oldest are closed"
        " that have had two seconds.",
    )
    max_sockets: int | None = _setting(
        None,
        "Most sockets of all kinds; `off` takes the limit of open files, less some for"
        " the store.",
    )
    max_backlog_mb: float = _setting(
        256.0, "Batches of all streams that may wait to be applied."
    )
    tenant_backlog_mb: float = _setting(
        64.0, "The same of one tenant; beyond it, its sockets are not read."
    )
    session_credit_kb: int = _setting(
        4096, "Frames of one connection that may be in flight without an ack."
    )
    outbox_kb: int = _setting(
        8192, "What may wait for one reader before it is cut off as too slow."
    )
    lagging_s: float = _setting(
        1.0, "How long something waits for a reader before it is told that it lags."
    )
    skipping_s: float = _setting(
        5.0, "The same, before updates are dropped and a snapshot is sent instead."
    )
    hopeless_s: float = _setting(
        60.0, "The same, before it is cut off with a code that says reconnect."
    )
    compress_snapshots: bool = _setting(
        False,
        "Offer permessage-deflate; snapshots are then sent compressed, events never.",
    )

    max_shadows: int = _setting(
        2, "Questions to shadow engines that one tenant may have worked on at once."
    )
    shadow_points: int = _setting(
        50_000, "Most points of a stream that a shadow engine replays."
    )
    shadow_cpu_s: float = _setting(
        5.0, "Processor time that one question may take, over all its engines."
    )
    shadows_per_minute: int = _setting(60, "Such questions of one tenant.")

    hello_timeout_s: float = _setting(5.0, "Time for the first message.")
    header_timeout_s: float = _setting(10.0, "Time for the header of a request.")
    body_timeout_s: float = _setting(30.0, "Time for the body of a request.")
    response_timeout_s: float = _setting(
        30.0,
        "Time for taking a response, beside what it takes at 500 bytes a second.",
    )
    frame_timeout_s: float = _setting(
        30.0, "Time for a frame, beside what it takes at 500 bytes a second."
    )
    idle_timeout_s: float = _setting(
        75.0, "Time between two requests on one connection."
    )
    heartbeat_s: float = _setting(
        20.0,
        "A client of whom nothing is heard for so long is sent a WebSocket ping, and"
        " dropped after half as long again.",
    )
    event_tick_ms: float = _setting(
        20.0, "Shortest time between two updates of the same cluster."
    )
    status_interval_s: float = _setting(
        1.0,
        "Time between algorithm_status and performance_metrics events, which rest"
        " while nothing changes.",
    )
    report_interval_s: float = _setting(
        5.0, "Time between two reports of a gateway about itself."
    )
    flapping_connects: int = _setting(
        10, "A producer that connects so often within `flapping_window_s` flaps."
    )
    flapping_window_s: float = _setting(60.0, "See `flapping_connects`.")
    drain_timeout_s: float = _setting(
        10.0, "Longest time that a shutdown waits for batches in flight."
    )

    log_level: Literal["debug", "info", "warning", "error"] = _setting(
        "info", "Least severe line to log.", env=("LOG_LEVEL",)
    )
    log_format: Literal["auto", "json", "console"] = _setting(
        "auto",
        "`auto` is console on a terminal and JSON elsewhere.",
        env=("LOG_FORMAT",),
    )
    log_dir: Path | None = _setting(
        None, "Folder for app.log and security.log beside the standard output."
    )

    @property
    def store_kind(self) -> Literal["sqlite", "memory", "redis"]:
        """Which store it is, without where."""
        if self.store == "sqlite":
            return "sqlite"
        return "memory" if self.store == "memory" else "redis"

    @property
    def listen_host(self) -> str:
        """The address to listen on, with the default worked out."""
        if self.host:
            return self.host
        return "0.0.0.0" if self.environment == "production" else "127.0.0.1"  # noqa: S104 - a container is reached from outside

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        return self.listen_host in _LOOPBACK

    @property
    def is_clustered(self) -> bool:
        """Whether this is one node of several, or may become one."""
        return bool(self.cluster_secret) or self.store_kind == "redis"

    @property
    def engine_params(self) -> EngineParams:
        """The engine's defaults."""
        names = EngineParams().as_dict()
        return EngineParams(**{name: getattr(self, name) for name in names})

    @property
    def limits(self) -> Limits:
        """What one frame may hold."""
        return Limits(
            max_frame_bytes=self.max_frame_bytes,
            max_points=self.max_points,
            max_dimensions=self.max_dimensions,
            max_elements=self.max_elements,
        )


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One row of the table, for flags, docs and `ncs config show`."""

    name: str
    annotation: Any
    default: Any
    help: str
    env: tuple[str, ...]
    secret: bool
    hide: Callable[[str], str] | None
    """Takes what is secret out of a value that is shown."""

    def shown(self, value: Any) -> Any:
        """Return a value as anyone may see it."""
        if self.secret:
            return "***" if value else ""
        return value if self.hide is None else self.hide(value)

    @property
    def flag(self) -> str:
        """The command-line flag, for example ``--data-dir``."""
        return "--" + self.name.replace("_", "-")


@dataclasses.dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and for each of them where its value came from."""

    settings: Settings
    sources: dict[str, str]


def setting_rows() -> list[Row]:
    """Return the table."""
    hints = typing.get_type_hints(Settings)
    return [
        Row(
            name=field.name,
            annotation=hints[field.name],
            default=field.default,
            help=field.metadata["help"],
            env=(f"NCS_{field.name.upper()}", *field.metadata["env"]),
            secret=bool(field.metadata.get("secret")),
            hide=field.metadata.get("shown"),
        )
        for field in dataclasses.fields(Settings)
    ]


def load_settings(
    flags: Mapping[str, Any],
    environ: Mapping[str, str],
    *,
    config: Path | None = None,
    folder: Path = Path(),
) -> Loaded:
    """Return the settings in force.

    Args:
        flags: name -> value or None for flags that were not given.
        environ: the environment.
        config: YAML file; None takes `NCS_CONFIG` or `config/config.yaml` if there.
        folder: where `.env` and `config/config.yaml` are looked for.

    Raises:
        SettingsError: for an unknown name in the file, a value of the wrong type or
            outside its range, a missing secret, or settings that do not go together.
    """
    dotenv = {k: v for k, v in dotenv_values(folder / ".env").items() if v is not None}
    file, file_name = _read_file(config, environ, folder)
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for row in setting_rows():
        found = _find(row, flags, environ, dotenv, file, file_name)
        if found is None:
            sources[row.name] = "default"
            continue
        raw, source = found
        values[row.name] = _convert(row, raw, source)
        sources[row.name] = source
    settings = Settings(**values)
    _check(settings, sources)
    return Loaded(settings, sources)


def _read_file(
    config: Path | None, environ: Mapping[str, str], folder: Path
) -> tuple[dict[str, Any], str]:
    path = config or (Path(environ["NCS_CONFIG"]) if "NCS_CONFIG" in environ else None)
    if path is None:
        path = folder / "config" / "config.yaml"
        if not path.exists():
            return {}, ""
    try:
        content = yaml.safe_load(path.read_text()) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"cannot read the settings file {path}: {error}") from None
    if not isinstance(content, dict):
        raise SettingsError(f"{path} must hold one mapping of setting names to values")
    known = {row.name for row in setting_rows()}
    for name in content:
        if name not in known:
            raise SettingsError(f"{path}: unknown setting {name!r}")
    return content, str(path)


def _find(
    row: Row,
    flags: Mapping[str, Any],
    environ: Mapping[str, str],
    dotenv: Mapping[str, str],
    file: Mapping[str, Any],
    file_name: str,
) -> tuple[Any, str] | None:
    if flags.get(row.name) is not None:
        return flags[row.name], f"flag {row.flag}"
    for where, source in ((environ, "environment"), (dotenv, ".env")):
        for name in row.env:
            if name in where:
                return where[name], f"{source} {name}"
            if f"{name}_FILE" in where:
                path = Path(where[f"{name}_FILE"])
                try:
                    return path.read_text().strip(), f"file {path} by {name}_FILE"
                except (OSError, UnicodeDecodeError) as error:
                    raise SettingsError(f"{name}_FILE: {path}: {error}") from None
    if row.name in file:
        return file[row.name], f"file {file_name}"
    return None


def _convert(row: Row, raw: Any, source: str) -> Any:
    try:
        return _parse(row.annotation, raw)
    except (TypeError, ValueError) as error:
        shown = "***" if row.secret else repr(raw)
        raise SettingsError(f"{row.name} from {source}: {shown}: {error}") from None


def _parse(annotation: Any, raw: Any) -> Any:
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (types.UnionType, typing.Union):
        if str(raw).lower() in _OFF:
            return None
        return _parse(args[0], raw)
    if origin is Literal:
        if raw not in args:
            raise ValueError(f"expected one of {', '.join(map(str, args))}")
        return raw
    if origin is tuple:
        return _parse_list(raw)
    if annotation is bool:
        return _parse_bool(raw)
    if isinstance(raw, bool) or not isinstance(raw, _ACCEPTED[annotation]):
        raise ValueError(f"expected {_ACCEPTED[annotation][0].__name__}")
    return annotation(raw)


_ACCEPTED: dict[Any, tuple[type, ...]] = {
    int: (int, str),
    float: (float, int, str),
    str: (str,),
    Path: (Path, str),
}


def _parse_bool(raw: Any) -> bool:
    text = str(raw).lower()
    if text in ("1", "true", "yes", "on"):
        return True
    if text in ("0", "false", "no", "off", ""):
        return False
    raise ValueError("expected true or false")


def _parse_list(raw: Any) -> tuple[str, ...]:
    """Take a list, a JSON list, or words separated by commas."""
    if isinstance(raw, str):
        text = raw.strip()
        raw = json.loads(text) if text.startswith("[") else text.split(",")
    return tuple(item.strip() for item in map(str, raw) if item.strip())


_POSITIVE = (
    "engine_threads", "snapshot_points", "snapshot_interval_s",
    "snapshot_journal_mb", "history_events", "history_mb", "history_hours",
    "max_frame_bytes", "max_points", "max_dimensions", "max_elements", "max_streams",
    "max_producers", "max_subscriptions", "max_backlog_mb", "tenant_backlog_mb",
    "session_credit_kb", "outbox_kb", "lagging_s", "skipping_s", "hopeless_s",
    "max_connections_per_address", "max_connections_per_tenant",
    "handshakes_per_minute", "max_unauthenticated", "header_timeout_s",
    "body_timeout_s", "response_timeout_s",
    "frame_timeout_s", "idle_timeout_s", "hello_timeout_s", "heartbeat_s",
    "event_tick_ms", "status_interval_s", "report_interval_s", "flapping_connects",
    "flapping_window_s", "lease_s", "max_shadows", "shadow_points", "shadow_cpu_s",
    "shadows_per_minute", "access_token_expire_minutes", "rate_limit_per_minute",
    "redis_timeout_s", "redis_recent_mb",
)  # fmt: skip


def _check(settings: Settings, sources: Mapping[str, str]) -> None:
    for name in _POSITIVE:
        if not 0 < getattr(settings, name) < math.inf:
            raise SettingsError(
                f"{name} from {sources[name]}: must be positive, got"
                f" {getattr(settings, name)}"
            )
    if not 0 <= settings.drain_timeout_s < math.inf:
        raise SettingsError(
            f"drain_timeout_s from {sources['drain_timeout_s']}: must not be negative,"
            f" got {settings.drain_timeout_s}"
        )
    if settings.max_sockets is not None and settings.max_sockets < 1:
        raise SettingsError(
            f"max_sockets from {sources['max_sockets']}: must be positive or off, got"
            f" {settings.max_sockets}"
        )
    for name in ("port", "metrics_port", "cluster_port"):
        if not 0 <= (getattr(settings, name) or 0) <= 65535:
            raise SettingsError(
                f"{name} from {sources[name]}: {getattr(settings, name)} is no port"
            )
    _check_store(settings, sources)
    for name in EngineParams().as_dict():
        try:
            EngineParams(**{name: getattr(settings, name)})
        except ValueError as error:
            raise SettingsError(f"{name} from {sources[name]}: {error}") from None
    if settings.workers != 1:
        raise SettingsError(
            f"workers from {sources['workers']}: {settings.workers} processes would"
            " split every stream among them; one process serves all cores' worth of"
            " connections here, more need a shared store, which this version lacks"
        )
    _check_secret(settings)


def _check_store(settings: Settings, sources: Mapping[str, str]) -> None:
    if settings.store_kind == "redis":
        try:
            Address.parse(settings.store)
        except ValueError as error:
            raise SettingsError(f"store from {sources['store']}: {error}") from None
    if not re.fullmatch(r"[\w.:-]+", settings.redis_prefix):
        raise SettingsError(
            f"redis_prefix from {sources['redis_prefix']}: letters, digits and -_.:"
            " only"
        )
    if settings.redis_replicas is not None and settings.redis_replicas < 1:
        raise SettingsError(
            f"redis_replicas from {sources['redis_replicas']}: must be positive or off"
        )


def _check_secret(settings: Settings) -> None:
    advice = "make one with: openssl rand -base64 32"
    if settings.secret_key and len(settings.secret_key) < 32:
        raise SettingsError(
            f"SECRET_KEY has {len(settings.secret_key)} characters, it needs at least"
            f" 32; {advice}"
        )
    if settings.cluster_secret and len(settings.cluster_secret) < 32:
        raise SettingsError(
            f"cluster_secret has {len(settings.cluster_secret)} characters, it needs at"
            f" least 32; {advice}"
        )
    if settings.is_clustered and settings.store_kind == "sqlite":
        raise SettingsError(
            "cluster_secret is set, but the nodes of a cluster need a store that they"
            " share: store = redis://..."
        )
    if settings.environment == "production" and not settings.secret_key:
        raise SettingsError(f"SECRET_KEY is not set and this is production; {advice}")
