"""The command line: one module per command, errors as one sentence, exit codes.

Exit codes: 0 done, 1 the work failed, 2 the call or the settings are wrong.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from ncs_client import NcsClientError
from ncs_protocol import NcsError

from .. import __version__
from ..app import ListenError
from ..processes import StartError
from ..settings import SettingsError
from ..store import StoreError
from . import (
    bench,
    cluster,
    config,
    demo,
    journal,
    keys,
    push,
    replay,
    serve,
    shadow,
    snapshot,
    tail,
    token,
    tune,
    users,
    verify,
)

__all__ = ["main"]

_FAILURES = (
    ListenError, StartError, StoreError, NcsError, NcsClientError, OSError
)  # fmt: skip

_COMMANDS = (
    serve,
    demo,
    push,
    tail,
    token,
    users,
    keys,
    config,
    cluster,
    snapshot,
    journal,
    replay,
    shadow,
    bench,
    verify,
    tune,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code."""
    parser = make_parser()
    args = parser.parse_args(argv)
    try:
        return int(args.run(args) or 0)
    except SettingsError as error:
        return _fail(error, 2)
    except BrokenPipeError:  # as of `ncs tail | head`
        sys.stdout = open(os.devnull, "w")
        return 1
    except _FAILURES as error:
        return _fail(error, 1)
    except KeyboardInterrupt:
        return 130


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="ncs", description="NeuroCluster Streamer: cluster data while it streams."
    )
    parser.add_argument("--version", action="version", version=f"ncs {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in _COMMANDS:
        module.add_to(commands)
    return parser


def _fail(error: Exception, code: int) -> int:
    print(f"ncs: {error}", file=sys.stderr)
    return code
