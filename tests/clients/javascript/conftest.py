"""The JavaScript SDK as it is published: built, packed, and put into a project."""

import tarfile
from pathlib import Path

import pytest
from node_program import NODE, SDK, SDK_NAME, tool


@pytest.fixture(scope="session", autouse=True)
def built() -> None:
    """Build the SDK, if anything in it is newer than what was built."""
    assert NODE.exists(), "there is no node beside this Python: run `make check` once"
    made = SDK / "dist" / "ncs-client.js"
    sources = [*(SDK / "src").rglob("*.ts"), *SDK.glob("*.json"), *SDK.glob("tools/*")]
    newest = max(path.stat().st_mtime for path in sources)
    if not made.exists() or made.stat().st_mtime < newest:
        tool("npm", "run", "build")


@pytest.fixture(scope="session")
def tarball(built: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packed")
    # It is built already, which is what the scripts would do.
    tool("npm", "pack", "--ignore-scripts", "--pack-destination", str(folder))
    (packed,) = folder.iterdir()
    return packed


@pytest.fixture(scope="session")
def project(tarball: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project that has the package, its dependency, and `ws`."""
    folder = tmp_path_factory.mktemp("project")
    modules = folder / "node_modules"
    with tarfile.open(tarball) as packed:
        packed.extractall(modules)
    (modules / "package").rename(modules / SDK_NAME)
    for name in ("@msgpack", "ws"):
        (modules / name).symlink_to(SDK / "node_modules" / name)
    (folder / "package.json").write_text('{"type": "module"}')
    return folder
