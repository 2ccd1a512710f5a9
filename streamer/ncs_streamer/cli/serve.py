"""`ncs serve`: run the server."""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
from typing import Any

from ..app import serve
from ..door import raise_open_files
from ..logs import configure_logs
from .options import add_settings, settings_of

__all__ = ["add_to", "run_server"]

_GC_THRESHOLD = (20_000, 50, 50)  # of the three generations


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser("serve", help="run the server")
    add_settings(parser)
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    settings = settings_of(args).settings
    raise_open_files()
    configure_logs(settings)

    def greet(port: int) -> None:
        if sys.stdout.isatty():
            print(f"  Dashboard: http://{settings.listen_host}:{port}/")
            if settings.environment == "development" and settings.is_loopback:
                print("  A new development server knows the user admin, admin123.")

    run_server(serve(settings, greet))


def run_server(work: Any) -> None:
    """Run a coroutine on uvloop where the platform has it."""
    # What was imported stays; and a collection of all that is in flight, every few
    # hundred batches, would stop everybody for a tenth of a second.
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLD)
    try:
        import uvloop
    except ImportError:
        asyncio.run(work)
    else:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(work)
