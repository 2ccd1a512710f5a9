"""A real server on a real socket for every test."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
import structlog

from ncs_streamer.app import running
from ncs_streamer.auth import User, hash_password
from ncs_streamer.logs import configure_logs
from ncs_streamer.settings import Settings, load_settings

from .client import PASSWORD, SECRET, Api, Logs, client_of


class Start(Protocol):
    """Starts a server that ends with the test."""

    async def __call__(
        self, environ: dict[str, str] | None = None, **flags: Any
    ) -> Api: ...


SettingsOf = Callable[..., Settings]


@pytest.fixture
def settings_of(tmp_path: Path) -> SettingsOf:
    """Settings of a server in memory on a free port, without a first user."""

    def settings_of(environ: dict[str, str] | None = None, **flags: Any) -> Settings:
        usual = {
            "environment": "production",
            "secret_key": SECRET,
            "host": "127.0.0.1",
            "port": 0,
            "metrics_port": "off",
            "store": "memory",
            "data_dir": tmp_path / "data",
        }
        return load_settings(usual | flags, environ or {}, folder=tmp_path).settings

    return settings_of


@pytest.fixture
async def start(settings_of: SettingsOf) -> AsyncIterator[Start]:
    """Starts servers, as many as wanted."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(environ: dict[str, str] | None = None, **flags: Any) -> Api:
            settings = settings_of(environ, **flags)
            server, port = await stack.enter_async_context(running(settings))
            return await stack.enter_async_context(client_of(server, port))

        yield start


@pytest.fixture
async def api(start: Start) -> Api:
    """A server with the usual settings."""
    return await start()


@pytest.fixture(scope="session")
def password_hash() -> str:
    """The hash of PASSWORD; it takes tens of milliseconds, so once."""
    return hash_password(PASSWORD)


@pytest.fixture
async def user(api: Api, password_hash: str) -> User:
    """An admin who can log in with PASSWORD."""
    user = User("ann", "default", "admin", password_hash, "ann@example.org")
    await api.server.store.directory.put_user(user)
    return user


@pytest.fixture(autouse=True)
def plain_logs() -> Iterator[None]:
    """Print plain lines for failed tests to show; coloured ones take their time."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["event"]),
        ]
    )
    yield
    structlog.reset_defaults()


@pytest.fixture
def logs(settings_of: SettingsOf, monkeypatch: pytest.MonkeyPatch) -> Iterator[Logs]:
    """The log as `ncs serve` would write it, at level debug."""
    root, access = logging.getLogger(), logging.getLogger("aiohttp.access")
    before = (root.handlers[:], root.level, access.disabled)
    asyncio_level = logging.getLogger("asyncio").level
    stream = io.StringIO()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        configure_logs(settings_of(debug=True))
    structlog.configure(cache_logger_on_first_use=False)  # or it would outlive the test
    yield Logs(stream)
    root.handlers[:], access.disabled = before[0], before[2]
    root.setLevel(before[1])
    logging.getLogger("asyncio").setLevel(asyncio_level)
