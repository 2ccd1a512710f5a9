from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from ncs_streamer.store import SqliteStore, StoreError, file_system
from ncs_streamer.store.file_system import check_file_system, file_system_of

pytestmark = pytest.mark.unit

MOUNTS = r"""
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:30 / /srv rw - xfs /dev/vdb rw
31 30 0:31 / /srv/share\040of\040all rw master:3 - nfs4 files:/export rw
32 31 0:32 / /srv/share\040of\040all/fast rw - ext4 /dev/vdc rw
33 22 0:33 / /ram rw - tmpfs tmpfs rw
34 22 0:34 / /twice rw - ext4 /dev/vdd rw
35 34 0:35 / /twice rw - cifs //files/x rw
"""


@pytest.fixture(autouse=True)
def mounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "mountinfo"
    path.write_text(MOUNTS.lstrip())
    monkeypatch.setattr(file_system, "_MOUNTS", path)
    return path


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/", "ext4"),
        ("/var/lib/ncs", "ext4"),
        ("/srv", "xfs"),
        ("/srvother", "ext4"),
        ("/srv/share of all/data", "nfs4"),
        ("/srv/share of all/fast/data", "ext4"),
        ("/ram/data", "tmpfs"),
        ("/twice", "cifs"),
    ],
)
def test_a_folder_is_on_what_is_mounted_nearest(folder: str, kind: str) -> None:
    assert kind == file_system_of(Path(folder))


def test_a_system_without_a_table_of_mounts_is_taken_at_its_word(mounts: Path) -> None:
    mounts.unlink()
    assert file_system_of(Path("/srv/share of all")) is None
    check_file_system(Path("/srv/share of all"))


def test_a_folder_in_memory_is_warned_of() -> None:
    with capture_logs() as logs:
        check_file_system(Path("/ram/data"))
        check_file_system(Path("/srv"))
    assert ["data_dir_is_in_memory"] == [line["event"] for line in logs]


def remote(mounts: Path, folder: Path) -> None:
    mounts.write_text(f"1 1 0:1 / {folder} rw - nfs files:/export rw\n")


async def test_a_store_does_not_open_on_a_network_file_system(
    tmp_path: Path, mounts: Path
) -> None:
    remote(mounts, tmp_path)
    store = SqliteStore(tmp_path / "ncs.db")
    with pytest.raises(StoreError, match=r"network_file_system: .*type nfs.*data_dir"):
        await store.open()
    assert "ncs.db" not in os.listdir(tmp_path)
    await store.close()


async def test_a_store_does_not_open_where_commits_do_not_wait_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect

    class Hasty(sqlite3.Connection):
        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            return super().execute(sql.replace("=FULL", "=NORMAL"), *values)

    monkeypatch.setattr(
        sqlite3, "connect", lambda *args, **more: connect(*args, **more, factory=Hasty)
    )
    store = SqliteStore(tmp_path / "ncs.db")
    with pytest.raises(StoreError, match="does not wait for the disk"):
        await store.open()
    await store.close()
