"""A file system that turns read-only under a running server, as a failing disk does.

None can be remounted so while files of it are open for writing; the kernel does it when
the disk has errors. `strace` gives the process the answer that it would get then.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

__all__ = ["read_only_files"]

_WRITES = "pwrite64,pwritev,write,ftruncate,fallocate,fsync,fdatasync"


@contextlib.contextmanager
def read_only_files(process: int, *files: Path) -> Iterator[None]:
    """Answer EROFS to whatever a process wants to write to these files meanwhile."""
    paths = [word for file in files for word in ("-P", str(file))]
    command = ["strace", "-f", "-p", str(process), "-o", "/dev/null", *paths]
    command += ["-e", f"inject={_WRITES}:error=EROFS"]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as tracer:
        assert tracer.stderr
        said = tracer.stderr.readline()
        assert b"attached" in said, said
        try:
            yield
        finally:
            tracer.terminate()
