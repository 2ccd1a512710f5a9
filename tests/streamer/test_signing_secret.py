import dataclasses
import errno
from pathlib import Path
from typing import Any

import pytest

from ncs_streamer.server import signing_secret
from ncs_streamer.settings import Settings
from ncs_streamer.store import StoreError

pytestmark = [pytest.mark.unit, pytest.mark.security]


def settings(folder: Path) -> Settings:
    return dataclasses.replace(Settings(), data_dir=folder, secret_key="")


def test_a_secret_is_made_once_and_kept(tmp_path: Path) -> None:
    secret = signing_secret(settings(tmp_path / "new"))
    assert len(secret) >= 32
    assert secret == signing_secret(settings(tmp_path / "new"))
    assert ["secret_key"] == [path.name for path in (tmp_path / "new").iterdir()]


def test_a_file_without_a_secret_is_not_taken_for_one(tmp_path: Path) -> None:
    (tmp_path / "secret_key").touch()
    assert len(signing_secret(settings(tmp_path))) >= 32


def test_a_disk_that_is_full_leaves_no_half_of_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(path: Path, text: str, *rest: Any) -> None:
        path.write_bytes(text[:9].encode())
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(Path, "write_text", half)
        with pytest.raises(StoreError, match="No space left"):
            signing_secret(settings(tmp_path))
    assert len(signing_secret(settings(tmp_path))) >= 32
