"""`python -m ncs_streamer` is `ncs`; Ctrl-C is quiet from the first import on."""

from __future__ import annotations

import os
import sys

__all__ = ["run"]


def run() -> int:
    """Run the command line and return its exit code."""
    # Before NumPy is loaded. The threads of its BLAS wait for each other in busy loops;
    # beside others that want the cores, a matrix of 80 rows takes 14 ms instead of 0.4.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        from .cli import main

        return main()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(run())
