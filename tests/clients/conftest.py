"""What the tests of the client share."""

import os
from collections.abc import Iterator

import pytest
from node_program import NODE, SDK, tool


@pytest.fixture(scope="module", autouse=True)
def no_fsync() -> Iterator[None]:
    """Do not wait for the disk: a process that is killed leaves its writes behind."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session")
def built() -> None:
    """Build the JavaScript SDK, if anything in it is newer than what was built."""
    assert NODE.exists(), "there is no node beside this Python: run `make check` once"
    made = SDK / "dist" / "ncs-client.js"
    sources = [*(SDK / "src").rglob("*.ts"), *SDK.glob("*.json"), *SDK.glob("tools/*")]
    newest = max(path.stat().st_mtime for path in sources)
    if not made.exists() or made.stat().st_mtime < newest:
        tool("npm", "run", "build")
