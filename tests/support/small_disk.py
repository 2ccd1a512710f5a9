"""A small disk that is filled and emptied, for a server's data folder."""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

__all__ = ["SmallDisk", "small_disk"]

_PAGE = 4096


class SmallDisk:
    """A file system of its own, in memory.

    Args:
        seen: where it is for this process.
        folder: where it is for a server; None for there too.
        enter: what a server's command line has to begin with.
    """

    def __init__(
        self, seen: Path, folder: Path | None = None, enter: tuple[str, ...] = ()
    ) -> None:
        self.folder = folder or seen
        self.enter = enter
        self._seen = seen
        self._ballast = seen / "ballast"

    @property
    def free(self) -> int:
        """Bytes that may still be written."""
        found = os.statvfs(self._seen)
        return found.f_bavail * found.f_frsize

    @contextlib.contextmanager
    def full(self, but_for: int = 0) -> Iterator[None]:
        """Have no more than so many bytes free meanwhile."""
        with self._ballast.open("wb", buffering=0) as file:
            while self.free - _PAGE >= but_for:
                file.write(bytes(_PAGE))
        try:
            yield
        finally:
            self._ballast.unlink()


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[SmallDisk]:
    """Mount a disk; who may not do so does it in a name space of its own."""
    folder.mkdir()
    mount = f"mount -t tmpfs -o size={megabytes}m tmpfs {shlex.quote(str(folder))}"
    if os.geteuid() == 0 and not _fails(mount):
        try:
            yield SmallDisk(folder)
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
        return
    command = ["unshare", "-rm", "sh", "-c", f"{mount} && echo && exec cat"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as holder:
        assert holder.stdin and holder.stdout and holder.stderr
        with holder.stdin:  # closed it ends, and the disk with it
            if not holder.stdout.readline():
                said = holder.stderr.read().decode().strip()
                raise PermissionError(
                    f"{mount}: {said}; tests of a full disk need root, or user name"
                    " spaces (sysctl kernel.unprivileged_userns_clone=1)"
                )
            enter = f"nsenter --preserve-credentials -U -m -t {holder.pid}"
            seen = Path(f"/proc/{holder.pid}/root", *folder.parts[1:])
            yield SmallDisk(seen, folder, tuple(enter.split()))


def _fails(command: str) -> bool:
    done = subprocess.run(shlex.split(command), capture_output=True, check=False)
    return done.returncode != 0
