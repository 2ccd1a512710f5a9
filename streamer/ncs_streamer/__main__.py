"""`python -m ncs_streamer` is `ncs`; Ctrl-C is quiet from the first import on."""

from __future__ import annotations

import sys

__all__ = ["run"]


def run() -> int:
    """Run the command line and return its exit code."""
    try:
        from .cli import main

        return main()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(run())
