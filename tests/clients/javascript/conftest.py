"""The JavaScript SDK as it is published: built, packed, and put into a project."""

from pathlib import Path

import pytest
from node_program import SDK, tool


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
    """Return a project into which npm has installed the package, and `ws`.

    Without a network: the dependencies are packed from those of the SDK.
    """
    folder = tmp_path_factory.mktemp("project")
    (folder / "package.json").write_text('{"type": "module"}')
    others = tmp_path_factory.mktemp("dependencies")
    for name in ("@msgpack/msgpack", "ws"):
        tool("npm", "pack", "--ignore-scripts", "--pack-destination", str(others),
             cwd=SDK / "node_modules" / name)  # fmt: skip
    tarballs = map(str, (tarball, *sorted(others.iterdir())))
    quiet = ("--offline", "--ignore-scripts", "--no-audit", "--no-fund")
    tool("npm", "install", *quiet, *tarballs, cwd=folder)
    return folder
