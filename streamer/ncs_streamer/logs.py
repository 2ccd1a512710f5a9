"""Structured logs: one event a line, JSON for machines, colours for a terminal."""

from __future__ import annotations

import logging
import logging.handlers
import sys
from pathlib import Path
from typing import Any

import structlog
from aiohttp.http_exceptions import HttpProcessingError

from .settings import Settings

__all__ = ["SECURITY_EVENTS", "configure_logs", "get_log", "without_what_was_sent"]

SECURITY_EVENTS = frozenset(
    (
        "authentication_failed",
        "login_failed",
        "permission_denied",
        "rate_limit_exceeded",
        "suspicious_activity",
    )
)
"""Events that also go to `security.log`."""

_ROTATE_BYTES = 50 * 1024 * 1024
_ROTATE_KEEP = 5


def get_log() -> Any:
    """Return the logger; `log.info("event_name", field=value)`."""
    return structlog.get_logger("ncs")


def configure_logs(settings: Settings) -> None:
    """Send logs to the standard output and, if set, to files."""
    level = logging.DEBUG if settings.debug else settings.log_level.upper()
    console = settings.log_format == "console" or (
        settings.log_format == "auto" and sys.stdout.isatty()
    )
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    as_json = structlog.stdlib.ProcessorFormatter(
        processor=structlog.processors.JSONRenderer(), foreign_pre_chain=shared
    )
    on_screen = structlog.stdlib.ProcessorFormatter(
        processor=structlog.dev.ConsoleRenderer(), foreign_pre_chain=shared
    )
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stdout)]
    handlers[0].setFormatter(on_screen if console else as_json)
    if settings.log_dir is not None:
        handlers += _file_handlers(settings.log_dir, as_json)
    root = logging.getLogger()
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("aiohttp.access").disabled = True
    logging.getLogger("asyncio").setLevel(logging.WARNING)


def _file_handlers(folder: Path, formatter: logging.Formatter) -> list[logging.Handler]:
    folder.mkdir(parents=True, exist_ok=True)
    handlers: list[logging.Handler] = []
    for name in ("app.log", "security.log"):
        handler = logging.handlers.RotatingFileHandler(
            folder / name, maxBytes=_ROTATE_BYTES, backupCount=_ROTATE_KEEP
        )
        handler.setFormatter(formatter)
        if name == "security.log":
            handler.addFilter(_is_security_event)
        handlers.append(handler)
    return handlers


def without_what_was_sent(record: logging.LogRecord) -> bool:
    """Leave out of a log line the bytes that the HTTP parser choked on.

    They may be the beginning of a credential.
    """
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError):
        record.msg, record.args = "bad HTTP request: %s", (type(error).__name__,)
        record.exc_info = record.exc_text = None
        record.levelno, record.levelname = logging.WARNING, "WARNING"
    return True


def _is_security_event(record: logging.LogRecord) -> bool:
    event = record.msg.get("event") if isinstance(record.msg, dict) else None
    return event in SECURITY_EVENTS
