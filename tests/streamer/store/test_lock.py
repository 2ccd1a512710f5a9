from __future__ import annotations

import os
import warnings
from pathlib import Path

import pytest

from ncs_streamer.store import StoreError, lock_folder

pytestmark = pytest.mark.unit


def refusal(folder: Path) -> str:
    """Return why the folder cannot be taken."""
    try:
        lock_folder(folder).close()
    except StoreError as error:
        return str(error)
    raise AssertionError("it was taken")


def test_a_folder_is_made_and_taken(tmp_path: Path) -> None:
    with lock_folder(tmp_path / "data"):
        assert (tmp_path / "data" / "server.lock").read_text() == f"{os.getpid()}\n"


def test_a_folder_that_is_taken_is_refused_with_its_owner(tmp_path: Path) -> None:
    with lock_folder(tmp_path), warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # see the next test
        message = refusal(tmp_path)
    assert message.startswith(f"{tmp_path} is in use by another server")
    assert f"process {os.getpid()}" in message


def test_a_refusal_leaves_no_file_open(tmp_path: Path) -> None:
    with lock_folder(tmp_path), warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always", ResourceWarning)
        refusal(tmp_path)
    assert [str(warning.message) for warning in seen] == []


def test_a_folder_that_was_let_go_can_be_taken_again(tmp_path: Path) -> None:
    lock_folder(tmp_path).close()
    lock_folder(tmp_path).close()


def test_a_lock_that_a_dead_process_left_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / "server.lock").write_text("999999\n")
    with lock_folder(tmp_path):
        assert (tmp_path / "server.lock").read_text() == f"{os.getpid()}\n"


def test_two_folders_do_not_hinder_each_other(tmp_path: Path) -> None:
    with lock_folder(tmp_path / "a"), lock_folder(tmp_path / "b"):
        assert (tmp_path / "b" / "server.lock").exists()


def test_a_folder_that_cannot_be_used_is_told_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    assert str(tmp_path / "data") in refusal(tmp_path / "data")
