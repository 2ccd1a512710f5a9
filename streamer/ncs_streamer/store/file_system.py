"""What kind of file system a folder is on, and whether a store may be kept there."""

from __future__ import annotations

import re
from pathlib import Path

from ..logs import get_log
from .contracts import StoreError

__all__ = ["check_file_system", "file_system_of"]

_REMOTE = {
    "afs", "ceph", "cifs", "fuse.ceph", "fuse.gcsfuse", "fuse.glusterfs", "fuse.rclone",
    "fuse.s3fs", "fuse.sshfs", "glusterfs", "lustre", "ncpfs", "nfs", "nfs4", "smb3",
    "smbfs",
}  # fmt: skip
"""Not 9p: that is what a local disk looks like from within some sandboxes."""
_IN_MEMORY = {"ramfs", "tmpfs"}
_MOUNTS = Path("/proc/self/mountinfo")

log = get_log()


def check_file_system(folder: Path) -> None:
    """See that what is written to a folder can be kept.

    Raises:
        StoreError: if it is on a network file system. There the memory that SQLite's
            WAL is shared by may not be shared, and locks and fsync may do nothing.
    """
    kind = file_system_of(folder)
    if kind in _REMOTE:
        raise StoreError(
            f"network_file_system: {folder} is on a file system of type {kind}, where"
            " an fsync may promise nothing; put data_dir on a local disk"
        )
    if kind in _IN_MEMORY:
        log.warning("data_dir_is_in_memory", file_system=kind)


def file_system_of(folder: Path) -> str | None:
    """Return the type of the file system that a folder is on; None where not told."""
    try:
        table = _MOUNTS.read_text(errors="surrogateescape")
    except OSError:  # this system has no such table
        return None
    folder = folder.resolve()
    found, deepest = None, -1
    for line in table.splitlines():
        mount, _, source = line.partition(" - ")
        place = Path(_unescaped(mount.split(" ")[4]))
        # Of two at the same place the later one hides the other.
        if folder.is_relative_to(place) and len(place.parts) >= deepest:
            found, deepest = source.split(" ")[0], len(place.parts)
    return found


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
