"""The JavaScript SDK as it is published: built, packed, and put into a project."""

import tarfile
from pathlib import Path

import pytest
from node_program import SDK, SDK_NAME, tool


@pytest.fixture(scope="session", autouse=True)
def _built(built: None) -> None:
    """Everything here needs the SDK."""


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
